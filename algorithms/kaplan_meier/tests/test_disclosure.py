"""What a site tells is never about few people, whatever is asked and however often."""

import itertools

import numpy
import pandas
import pytest
from v6_kaplan_meier_py import RPC_kaplan_meier_counts

from development.cohorts import cut, lung
from vantage6.tools.disclosure import DisclosureRefused


@pytest.fixture
def hospital():
    """Data of one site, with some people at every stage of follow-up."""
    random = numpy.random.default_rng(7)
    return pandas.DataFrame(
        {
            "time": random.weibull(1.2, 60).round(2) * 100,
            "event": random.integers(0, 2, 60),
            "arm": random.choice(["a", "b"], 60),
        }
    )


def counts(frame, **kwargs):
    return RPC_kaplan_meier_counts(frame, "time", "event", **kwargs)


def test_the_times_of_single_events_are_not_told_by_default(hospital):
    with pytest.raises(DisclosureRefused, match="ask with a grid of times"):
        counts(hospital)


@pytest.mark.parametrize("grid", [1e-9, 0.5, 7, [1, 2, 3, 4, 5], [*range(1, 300)]])
@pytest.mark.parametrize("group", [None, "arm"])
@pytest.mark.parametrize("least", [3, 5])
def test_no_count_is_small_however_fine_the_grid(hospital, monkeypatch, grid, group, least):
    monkeypatch.setenv("DISCLOSURE_MINIMUM_CELL", str(least))
    for table in counts(hospital, group=group, grid=grid)["groups"]:
        assert all(count == 0 or count >= least for count in table["events"] + table["censored"])


def at_risk(frame, until):
    """How many are told to be followed beyond a time."""
    (table,) = counts(frame, grid=[until, until + 1e6])["groups"]
    return sum(table["events"][1:] + table["censored"][1:]), sum(table["events"][:1])


def test_answers_that_are_put_beside_one_another_tell_no_small_count(hospital):
    """The grid is moved by a day at a time, as somebody would who looks for a neighbour."""
    told = [at_risk(hospital, until) for until in numpy.arange(0.5, 250, 1.0)]
    for one, other in itertools.pairwise(told):
        for before, after in zip(one, other, strict=True):
            assert before == after or abs(before - after) >= 3


def test_the_time_of_an_outlier_is_not_told_as_the_sum_of_few():
    frame = pandas.DataFrame({"time": [1.0, 1.5, 2000.0], "event": [1, 1, 1]})
    with pytest.raises(DisclosureRefused, match="most of the sum"):
        counts(frame, grid=1)


def test_a_single_event_in_a_group_is_refused():
    frame = pandas.DataFrame({"time": [*range(1, 21)], "event": [1] + [0] * 19})
    with pytest.raises(DisclosureRefused, match="people with an event in one group"):
        counts(frame, grid=5)


def test_a_single_person_without_a_group_would_be_the_rest_of_two_answers():
    with pytest.raises(DisclosureRefused, match="without a value in a column"):
        RPC_kaplan_meier_counts(lung(), "time", "status", "ph.ecog", 30)


def test_a_column_of_names_is_no_group(hospital):
    names = [f"patient {number}" for number in range(60)]
    with pytest.raises(DisclosureRefused, match="levels") as refusal:
        counts(hospital.assign(name=names), group="name", grid=5)
    assert "patient 1" not in str(refusal.value)


def test_nothing_that_is_asked_changes_a_threshold(hospital):
    with pytest.raises(TypeError):
        counts(hospital, grid=5, minimum_cell=1)


def test_a_small_site_tells_what_it_can():
    small = cut(lung(), 10)[-3]
    assert RPC_kaplan_meier_counts(small, "time", "status", None, 30)["rows"] == len(small)
    with pytest.raises(DisclosureRefused, match="in one group is smaller than 3"):
        RPC_kaplan_meier_counts(small, "time", "status", "sex", 30)
