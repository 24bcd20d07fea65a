"""What somebody could ask of a site to learn about one person, and is not told."""

import numpy
import pandas
import pytest
from v6_coxph_py import (
    RPC_coxph_pairs,
    RPC_coxph_risk_sets,
    RPC_coxph_sums,
    RPC_coxph_survey,
)

from vantage6.common.exceptions import TaskFailed
from vantage6.tools.exceptions import DisclosureRefused, InputError

MODEL = {"time": "time", "event": "event", "predictors": ["x"]}
COMMON = {**MODEL, "baseline": "common"}


def table(size=60, seed=1):
    random = numpy.random.default_rng(seed)
    frame = pandas.DataFrame({"x": random.normal(size=size), "z": random.normal(size=size)})
    frame["time"] = random.exponential(size=size)
    frame["event"] = numpy.arange(size) % 2
    return frame


def design(*columns):
    terms = [{"column": column, "level": None, "center": 0.0, "scale": 1.0} for column in columns]
    return {"terms": terms, "levels": {}}


def times_of(frame):
    return sorted(set(frame["time"][frame["event"] == 1]))


@pytest.fixture
def open_owner(monkeypatch):
    monkeypatch.setenv("DISCLOSURE_EVENT_TIMES", "true")


def test_times_of_events_are_not_told_unless_the_data_owner_says_so():
    frame = table()
    with pytest.raises(DisclosureRefused, match="ask with baseline='site'"):
        RPC_coxph_survey(frame, COMMON)
    with pytest.raises(DisclosureRefused, match="ask with baseline='site'"):
        RPC_coxph_risk_sets(frame, COMMON, design("x"), [0.0], times_of(frame))


def test_sums_over_risk_sets_are_not_told_to_who_names_the_other_baseline():
    frame = table()
    with pytest.raises(DisclosureRefused, match="times of single events"):
        RPC_coxph_risk_sets(frame, MODEL, design("x"), [0.0], times_of(frame))


def test_one_owner_who_says_no_is_enough(fit, monkeypatch):
    with pytest.raises(TaskFailed, match="times of single events; ask with baseline='site'"):
        fit([table()], raise_errors=False, baseline="common", **MODEL)


def test_with_a_baseline_for_each_site_only_three_sums_leave():
    frame = table()
    assert "event_times" not in RPC_coxph_survey(frame, MODEL)
    told = RPC_coxph_sums(frame, MODEL, design("x"), [0.1])
    assert {name: numpy.shape(part) for name, part in told.items()} == {
        "log_likelihood": (),
        "score": (1,),
        "information": (1, 1),
    }


@pytest.mark.parametrize("few", [1, 2, 58, 59])
def test_one_or_two_people_with_or_without_an_event_are_not_counted(few):
    frame = table().assign(event=(numpy.arange(60) < few).astype(int))
    with pytest.raises(DisclosureRefused, match="'event' is smaller than 3"):
        RPC_coxph_survey(frame, MODEL)


@pytest.mark.parametrize("few", [1, 2, 58, 59])
def test_a_column_that_marks_one_or_two_people_is_no_predictor(few):
    frame = table().assign(mark=(numpy.arange(60) < few).astype(int))
    with pytest.raises(DisclosureRefused):
        RPC_coxph_survey(frame, {**MODEL, "predictors": ["mark"]})
    with pytest.raises(DisclosureRefused):
        RPC_coxph_sums(frame, {**MODEL, "predictors": ["mark"]}, design("mark"), [0.0])


def test_two_columns_that_together_mark_one_person_are_refused():
    frame = table()
    frame["twin"] = frame["x"] + 0.001 * (numpy.arange(60) == 4)
    model = {**MODEL, "predictors": ["x", "twin"]}
    with pytest.raises(DisclosureRefused, match="stands nearly alone"):
        RPC_coxph_sums(frame, model, design("x", "twin"), [0.0, 0.0])


@pytest.mark.parametrize("coefficient", [50.0, -50.0, 1e6])
def test_coefficients_that_lay_all_risk_on_one_person_get_no_sums(coefficient, open_owner):
    frame = table()
    told = RPC_coxph_sums(frame, MODEL, design("x"), [coefficient])
    assert list(told) == ["withheld"]
    told = RPC_coxph_risk_sets(frame, MODEL, design("x"), [coefficient], times_of(frame))
    assert list(told) == ["withheld"]


def test_names_of_people_are_no_category():
    frame = table().assign(name=[f"person {number}" for number in range(60)])
    with pytest.raises(DisclosureRefused, match="levels of 'name'") as refusal:
        RPC_coxph_survey(frame, {**MODEL, "predictors": ["name"]})
    assert "person" not in str(refusal.value)


def test_too_many_parameters_are_refused():
    with pytest.raises(DisclosureRefused, match="2 parameters"):
        RPC_coxph_sums(table(6), {**MODEL, "predictors": ["x", "z"]}, design("x", "z"), [0.0, 0.0])


@pytest.mark.parametrize("times", [[2.0, 1.0], [1.0, 1.0], [[1.0]], [0.5]])
def test_times_that_are_not_those_of_the_events_are_refused(times, open_owner):
    with pytest.raises(InputError):
        RPC_coxph_risk_sets(table(), MODEL, design("x"), [0.0], times)


@pytest.mark.parametrize("model", [{}, {**MODEL, "ties": "exact"}, {**MODEL, "more": 1}])
def test_a_model_that_there_is_not_is_refused(model):
    with pytest.raises(InputError, match="This is no model"):
        RPC_coxph_survey(table(), model)


@pytest.mark.parametrize("ask", [RPC_coxph_sums, RPC_coxph_pairs])
def test_every_function_asks_the_thresholds_of_the_data_owner(ask, monkeypatch):
    monkeypatch.setenv("DISCLOSURE_MINIMUM_ROWS", "100")
    with pytest.raises(DisclosureRefused, match="fewer than 100"):
        ask(table(), MODEL, design("x"), [0.0])


def test_pairs_draw_no_line_between_rows():
    """Tiny coefficients tell as much as large ones: the order, not who is beyond a bound."""
    frame = table()
    usual = RPC_coxph_pairs(frame, MODEL, design("x"), [0.1])
    for center in (0.0, frame["x"].nlargest(2).mean()):
        asked = {"terms": [{**design("x")["terms"][0], "center": center}], "levels": {}}
        assert RPC_coxph_pairs(frame, MODEL, asked, [1e-10]) == usual


def test_pairs_are_not_counted_where_all_risk_lies_on_one_person():
    with pytest.raises(DisclosureRefused, match="most of the sum of the weights"):
        RPC_coxph_pairs(table(), MODEL, design("x"), [50.0])
