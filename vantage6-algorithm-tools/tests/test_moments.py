"""Mean and standard deviation over all sites are those of all rows in one place."""

import numpy
import pandas
import pytest

from vantage6.tools.disclosure import Disclosure, DisclosureRefused, Thresholds
from vantage6.tools.exceptions import InputError
from vantage6.tools.moments import Moments, complete_values, tell_moments

DISCLOSURE = Disclosure(Thresholds())


def test_they_are_those_of_all_rows_also_of_large_numbers_that_vary_little():
    random = numpy.random.default_rng(4)
    parts = [random.normal([1e9, 3], [1, 2], (rows, 2)) for rows in (20, 57, 400)]
    told = [tell_moments(part, ["x", "y"], DISCLOSURE) for part in parts]
    moments, pooled = Moments.of(told, ["x", "y"]), numpy.concatenate(parts)
    assert moments.rows == 477
    assert moments.mean == pytest.approx(pooled.mean(axis=0), rel=1e-14)
    assert moments.deviation == pytest.approx(pooled.std(axis=0), rel=1e-9)


@pytest.mark.parametrize("value", [0.0, 7.1])
def test_a_column_that_does_not_vary_is_named(value):
    same = numpy.full((20, 1), value)
    with pytest.raises(InputError, match="'x' has one value only"):
        Moments.of([tell_moments(same, ["x"], DISCLOSURE)] * 2, ["x"])


def test_a_column_that_varies_between_sites_only_is_scaled():
    told = [tell_moments(numpy.full((20, 1), value), ["x"], DISCLOSURE) for value in (1.0, 3.0)]
    assert Moments.of(told, ["x"]).deviation == pytest.approx([1])


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series([1, 2, 3, 4], dtype="Int64"),
        pandas.Series([True, False, True, False]),
        pandas.Series([1.5, 2.5, 3.5, 4.5], dtype="float32"),
    ],
)
def test_every_kind_of_number_counts(column):
    assert complete_values(pandas.DataFrame({"x": column}), ["x"], DISCLOSURE).shape == (4, 1)


def test_rows_that_lack_a_value_are_left_out_unless_they_are_few():
    frame = pandas.DataFrame({"x": [1.0] * 9 + [None] * 3})
    assert len(complete_values(frame, ["x"], DISCLOSURE)) == 9
    with pytest.raises(DisclosureRefused, match="rows without a value"):
        complete_values(frame[:-1], ["x"], DISCLOSURE)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["z"], "no column 'z'"),
        (["x", "x"], "named twice"),
        ([], "at least one column"),
        (["word"], "does not hold numbers"),
        (["far"], "not finite"),
    ],
)
def test_columns_that_are_no_numbers_are_refused(columns, reason):
    frame = pandas.DataFrame({"x": [1.0] * 5, "word": ["a"] * 5, "far": [numpy.inf] * 5})
    with pytest.raises(InputError, match=reason):
        complete_values(frame, columns, DISCLOSURE)
