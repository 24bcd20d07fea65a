"""The federated average is the average of all rows together, and says who took part."""

import math

import numpy
import pandas
import pytest
from v6_average_py import RPC_average_partial

from vantage6.common.exceptions import TaskFailed
from vantage6.tools.mock_client import ClientMockProtocol


def average(datasets, column_name="age", **options):
    client = ClientMockProtocol(datasets, "v6_average_py", **options)
    input_ = {"method": "master", "master": True, "kwargs": {"column_name": column_name}}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def tables(*columns):
    return [pandas.DataFrame({"age": column}) for column in columns]


def test_it_is_the_average_of_all_rows_together():
    random = numpy.random.default_rng(6)
    parts = [random.lognormal(3, 4, size) for size in (1, 57, 400)]
    answer = average(tables(*parts))
    pooled = math.fsum(numpy.concatenate(parts)) / 458
    assert answer["average"] == pytest.approx(pooled, rel=1e-12, abs=0)
    assert answer["count"] == 458


def test_nothing_is_lost_between_large_and_small_numbers():
    assert average(tables([1e16, 2.0], [-1e16], [2.0]))["average"] == 1.0


def test_it_says_how_many_rows_each_organization_had():
    answer = average(tables([1, 2, None], [4]))
    assert answer == {"average": 7 / 3, "count": 3, "missing": 1, "rows": {"0": 3, "1": 1}}


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series([1, 2]),
        pandas.Series([1, 2, None], dtype="Int64"),
        pandas.Series([1.5], dtype="float32"),
    ],
)
def test_every_kind_of_number_counts(column):
    assert average([pandas.DataFrame({"age": column})])["average"] == 1.5


def test_an_organization_without_values_takes_part_with_none():
    answer = average(tables([3.0], [None]))
    assert (answer["average"], answer["missing"], answer["rows"]) == (3.0, 1, {"0": 1, "1": 1})


def test_no_value_anywhere_is_an_error():
    with pytest.raises(ValueError, match="No organization has a value"):
        average(tables([], []))


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ({"height": [1]}, "There is no column 'age'"),
        ({"age": ["forty"]}, "does not hold numbers"),
        ({"age": [math.inf]}, "not finite"),
    ],
)
def test_a_column_that_cannot_be_averaged_is_refused(column, reason):
    with pytest.raises(ValueError, match=reason):
        RPC_average_partial(pandas.DataFrame(column), "age")


def test_an_organization_that_fails_is_named_with_the_reason():
    datasets = [pandas.DataFrame({"age": [1]}), pandas.DataFrame({"height": [2]})]
    with pytest.raises(TaskFailed, match=r"organization 1.*There is no column 'age'"):
        average(datasets, raise_errors=False)
