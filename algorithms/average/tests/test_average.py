"""The federated average is the average of all rows together, says who took part, and not more."""

import math

import numpy
import pandas
import pytest
import v6_average_py
from v6_average_py import RPC_average_partial

from development.cohorts import breast_cancer, cut, lung
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.exceptions import AlgorithmError, DisclosureRefused, InputError
from vantage6.tools.mock_client import ClientMockProtocol


def average(datasets, column_name="age", organizations=None, **options):
    client = ClientMockProtocol(datasets, "v6_average_py", **options)
    keywords = {"column_name": column_name, "organizations": organizations}
    input_ = {"method": "master", "master": True, "kwargs": keywords}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def tables(*columns):
    return [pandas.DataFrame({"age": column}) for column in columns]


@pytest.mark.parametrize("sites", [3, 10])
@pytest.mark.parametrize(
    ("cohort", "column"),
    [(breast_cancer, "mean radius"), (breast_cancer, "target"), (lung, "meal.cal")],
    ids=["measures", "zeros and ones", "missing values"],
)
def test_it_is_the_average_of_all_rows_together(cohort, column, sites, accuracy):
    frame = cohort()
    answer = average(cut(frame, sites), column)
    accuracy("average", column, "pandas", sites, [answer["average"]], [frame[column].mean()])
    assert answer["count"] == frame[column].count()
    assert answer["missing"] == frame[column].isna().sum()


def test_numbers_of_every_size():
    random = numpy.random.default_rng(6)
    parts = [random.lognormal(3, 1, size) for size in (5, 57, 400)]
    pooled = math.fsum(numpy.concatenate(parts)) / 462
    assert average(tables(*parts))["average"] == pytest.approx(pooled, rel=1e-12, abs=0)


def test_nothing_is_lost_between_large_and_small_numbers():
    answer = average(tables([1e16] * 3 + [2.0] * 4, [-1e16] * 3))
    assert answer["average"] == 8 / 10


def test_it_says_how_many_values_each_organization_had():
    answer = average(tables([1, 2, 3, None], [4, 4, 4]))
    assert answer == {
        "average": 3.0,
        "count": 6,
        "missing": 1,
        "organizations": [
            {"organization": 0, "count": 3, "missing": 1},
            {"organization": 1, "count": 3, "missing": 0},
        ],
    }


def test_organizations_can_be_chosen():
    answer = average(tables([1, 2, 3], [4, 5, 6], [7, 8, 9]), organizations=[0, 2])
    assert answer["average"] == 5.0
    assert [site["organization"] for site in answer["organizations"]] == [0, 2]


@pytest.mark.parametrize(
    "column",
    [
        pandas.Series([1, 1, 2, 2, 1, 2]),
        pandas.Series([1, 1.5, 2, None], dtype="Float64"),
        pandas.Series([1, 1, 1, 2, 2, 2, None], dtype="Int64"),
        pandas.Series([1.5, 1.5, 1.5], dtype="float32"),
    ],
    ids=["whole", "nullable with a point", "nullable", "small"],
)
def test_every_kind_of_number_counts(column):
    assert average([pandas.DataFrame({"age": column})])["average"] == 1.5


@pytest.mark.parametrize("dtype", ["bool", "boolean"])
def test_true_and_false_count_as_one_and_zero(dtype):
    column = pandas.Series([True] * 3 + [False] * 5, dtype=dtype)
    assert average([pandas.DataFrame({"age": column})])["average"] == 0.375


def test_an_organization_without_values_takes_part_with_none():
    answer = average(tables([3.0, 3.0, 3.0], [None]))
    assert (answer["average"], answer["missing"]) == (3.0, 1)
    assert [site["count"] for site in answer["organizations"]] == [3, 0]


def test_no_value_anywhere_is_an_error():
    with pytest.raises(ValueError, match="No organization has a value"):
        average(tables([], []))


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        ({"height": [1, 2, 3]}, "There is no column 'age'"),
        ({"age": ["forty", "fifty", "sixty"]}, "does not hold numbers"),
        ({"age": [math.inf, 1, 2]}, "not finite"),
        ({"age": [1.7e308, 1.7e308, 1.7e308]}, "too large"),
    ],
    ids=["absent", "text", "infinite", "huge"],
)
def test_a_column_that_cannot_be_averaged_is_refused(column, reason):
    with pytest.raises(InputError, match=reason):
        RPC_average_partial(pandas.DataFrame(column), "age")


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([40], "fewer than 3"),
        ([40, 50, None], "fewer than 3"),
        ([40, 50, 1e6, 45], "most of the sum"),
        ([1] * 50 + [0], "one of the two values"),
        ([0] * 50 + [1] * 2, "most of the sum"),
    ],
    ids=["one row", "two values", "one that dominates", "all but one", "two of many"],
)
def test_a_sum_that_tells_a_person_stays_at_its_site(values, reason):
    with pytest.raises(DisclosureRefused, match=reason) as refusal:
        RPC_average_partial(pandas.DataFrame({"age": values}), "age")
    assert not any(str(value) in str(refusal.value) for value in (40, 50, 1e6))


def test_the_data_owner_decides_how_few(monkeypatch):
    frame = pandas.DataFrame({"age": [40.0, 50, 60, 70]})
    assert RPC_average_partial(frame, "age")["count"] == 4
    monkeypatch.setenv("DISCLOSURE_MINIMUM_ROWS", "5")
    with pytest.raises(DisclosureRefused, match="fewer than 5"):
        RPC_average_partial(frame, "age")


def test_an_organization_that_fails_is_named_with_the_reason():
    datasets = [pandas.DataFrame({"age": [1, 2, 3]}), pandas.DataFrame({"height": [2, 3, 4]})]
    with pytest.raises(TaskFailed, match=r"organization 1.*There is no column 'age'"):
        average(datasets, raise_errors=False)


def test_an_organization_that_refuses_is_named_with_the_reason():
    with pytest.raises(TaskFailed, match=r"organization 1.*fewer than 3"):
        average(tables([1, 2, 3], [4]), raise_errors=False)


@pytest.mark.parametrize("name", ["combine", "_combine", "_sum", "find", "numbers", "Disclosure"])
def test_nothing_but_its_own_functions_gives_a_researcher_data(name):
    """A central call reaches every name of the package, and hands it the data."""
    frame = pandas.DataFrame({"age": [40, 50, 60]})
    client = ClientMockProtocol([frame], "v6_average_py")
    with pytest.raises((AlgorithmError, TypeError, AttributeError, ValueError)):
        client.create_new_task({"method": name, "master": True, "args": ["age"]}, [0])
    assert v6_average_py.__all__ == ["RPC_average_partial", "master"]
