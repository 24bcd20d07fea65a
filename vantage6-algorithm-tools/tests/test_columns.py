"""Columns are alike at every site, however each of them read them."""

import math

import numpy
import pandas
import pytest

from vantage6.tools.columns import find, is_numeric, labels, level_order, numbers
from vantage6.tools.exceptions import InputError

NUMBERS = {
    "whole": pandas.Series([1, 2]),
    "with a point": pandas.Series([1.0, None, 2.0]),
    "nullable": pandas.Series([1, None, 2], dtype="Int64"),
    "nullable with a point": pandas.Series([1, 2, None], dtype="Float64"),
    "small": pandas.Series([1, 2], dtype="float32"),
    "as objects": pandas.Series([1, None, 2], dtype=object),
    "a category": pandas.Series([1, 2], dtype="category").astype(int),
}
TRUTHS = {
    "plain": pandas.Series([False, True]),
    "nullable": pandas.Series([False, None, True], dtype="boolean"),
    "as objects": pandas.Series([False, None, True], dtype=object),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_of_every_kind(kind):
    assert numbers(NUMBERS[kind]).tolist() == [1.0, 2.0]
    assert [label for label in labels(NUMBERS[kind]) if label is not None] == ["1", "2"]


@pytest.mark.parametrize("kind", TRUTHS)
def test_true_and_false_are_numbers_and_levels(kind):
    assert numbers(TRUTHS[kind]).tolist() == [0.0, 1.0]
    assert [label for label in labels(TRUTHS[kind]) if label is not None] == ["False", "True"]


@pytest.mark.parametrize(
    "column", [pandas.Series([None, None]), pandas.Series([math.nan]), pandas.Series([], dtype=str)]
)
def test_a_column_in_which_all_is_missing_is_one_of_no_numbers(column):
    assert is_numeric(column)
    assert numbers(column).tolist() == []
    assert set(labels(column)) <= {None}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (["forty"], "does not hold numbers"),
        (["40"], "does not hold numbers"),
        (pandas.to_datetime(["2020-01-01"]), "does not hold numbers"),
        ([1j], "does not hold numbers"),
        ([math.inf, 1], "not finite"),
    ],
    ids=["text", "digits as text", "dates", "complex", "infinite"],
)
def test_what_is_no_number_is_refused_without_a_value(values, reason):
    with pytest.raises(InputError, match=reason) as refusal:
        numbers(pandas.Series(values, name="age"))
    assert "'age'" in str(refusal.value)
    assert "40" not in str(refusal.value)


def test_levels_keep_their_rows():
    column = pandas.Series(["b", None, "a", "b"], index=[7, 8, 9, 10])
    assert labels(column).to_dict() == {7: "b", 8: None, 9: "a", 10: "b"}
    assert labels(pandas.Series([1.5, 2.0, numpy.nan])).tolist() == ["1.5", "2", None]


def test_a_column_that_is_not_there_or_twice_is_named():
    with pytest.raises(InputError, match="no column 'age'"):
        find(pandas.DataFrame({"height": [1]}), "age")
    with pytest.raises(InputError, match="more than one column 'age'"):
        find(pandas.DataFrame([[1, 2]], columns=["age", "age"]), "age")


def test_levels_are_sorted_by_size_then_as_words_and_what_is_missing_last():
    mixed = ["b", "10", None, "nan", "9", "a", "-1.5"]
    assert sorted(mixed, key=level_order) == ["-1.5", "9", "10", "a", "b", "nan", None]
