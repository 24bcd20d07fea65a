"""The federated Cox model takes sites as they are, and says in a sentence what it cannot take."""

import json

import numpy
import pandas
import pytest
from v6_coxph_py import RPC_coxph_sums
from v6_coxph_py.concordance import count_pairs

from development.cohorts import cut, rossi
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.inference import NoMaximum

ASKED = {"time": "time", "event": "event", "predictors": ["x", "z"]}


def table(size=80, seed=1):
    random = numpy.random.default_rng(seed)
    frame = pandas.DataFrame(random.normal(size=(size, 2)), columns=["x", "z"])
    frame["stage"] = random.choice(["I", "II", "III"], size)
    died = random.exponential(numpy.exp(-frame["x"] / 2))
    left = random.exponential(2, size)
    frame["time"] = numpy.minimum(died, left)
    frame["event"] = (died <= left).astype(int)
    return frame


def test_the_answer_is_plain_json_with_a_record_for_each_term(fit):
    answer = fit(cut(rossi(), 3), time="week", event="arrest", predictors=["fin", "age", "prio"])
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    frame = pandas.DataFrame(answer["coefficients"])
    assert list(frame["term"]) == ["fin", "age", "prio"]
    ratios = frame[["hazard_ratio", "hazard_ratio_lower", "hazard_ratio_upper"]]
    bounds = frame[["coefficient", "lower", "upper"]]
    assert ratios.to_numpy() == pytest.approx(numpy.exp(bounds.to_numpy()))
    assert answer["events"] == sum(site["events"] for site in answer["organizations"]) == 114
    assert answer["baseline_hazard"] is None


def test_it_asks_each_site_few_times(fit):
    answer = fit(cut(rossi(), 3), time="week", event="arrest", predictors=["fin", "age", "prio"])
    assert answer["iterations"] <= 5


def test_a_site_without_events_takes_part_and_changes_nothing(fit):
    sites = [table(seed=1), table(seed=2)]
    quiet = table(seed=3).assign(event=0)
    without, answer = fit(sites, **ASKED), fit([*sites, quiet], **ASKED)
    assert [site["events"] for site in answer["organizations"]][2] == 0
    for ours, theirs in zip(answer["coefficients"], without["coefficients"], strict=True):
        assert ours == pytest.approx(theirs)


def test_a_site_that_lacks_a_level_takes_part(fit):
    sites = [table(seed=1), table(seed=2)]
    sites[1] = sites[1][sites[1]["stage"] != "III"]
    answer = fit(sites, **{**ASKED, "predictors": "stage"})
    assert [record["term"] for record in answer["coefficients"]] == ["stage[II]", "stage[III]"]


def test_one_site_alone_is_the_same_with_either_baseline(fit, monkeypatch):
    monkeypatch.setenv("DISCLOSURE_EVENT_TIMES", "true")
    site, common = fit([table()], **ASKED), fit([table()], baseline="common", **ASKED)
    for ours, theirs in zip(site["coefficients"], common["coefficients"], strict=True):
        assert ours == pytest.approx(theirs)
    assert len(common["baseline_hazard"]) == common["events"]


@pytest.mark.parametrize("shift", [0, 1e6])
def test_neither_place_nor_size_of_a_column_matters(fit, shift):
    sites = [table(seed=1), table(seed=2)]
    plain = fit(sites, **ASKED)
    moved = fit([site.assign(x=1e5 * (site["x"] + shift)) for site in sites], **ASKED)
    statistics = [
        pandas.DataFrame(answer["coefficients"])["statistic"] for answer in (plain, moved)
    ]
    assert statistics[1].tolist() == pytest.approx(statistics[0].tolist(), rel=1e-7)


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"ties": "exact"}, "in 'efron' or 'breslow', not 'exact'"),
        ({"baseline": "world"}, "The baseline is 'site' or 'common', not 'world'"),
        ({"confidence": 95}, "such as 0.95"),
        ({"predictors": []}, "needs at least one predictor"),
        ({"categorical": ["stage"]}, "'stage' is named as a category and is not among"),
        ({"predictors": ["height"]}, "no column 'height'"),
        ({"predictors": ["x", "event"]}, "The column 'event' is named twice"),
        ({"event": "stage", "predictors": ["x"]}, "'stage' does not hold numbers"),
        (
            {"event": "z", "predictors": ["x"]},
            "holds other values than 0 .not",
        ),
        ({"time": "x", "predictors": ["z"]}, "'x' holds times below 0"),
        ({"time": "stage"}, "'stage' does not hold numbers"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_sentence(fit, asked, reason):
    with pytest.raises(Exception, match=reason):
        fit([table()], **{**ASKED, **asked})


def test_no_event_anywhere_is_an_error(fit):
    with pytest.raises(ValueError, match="No organization has a row where 'event' is 1"):
        fit([table().assign(event=0)], **ASKED)


def test_collinear_predictors_are_named(fit):
    sites = [table(seed=seed).assign(new=lambda rows: rows["x"] + rows["z"]) for seed in (1, 2)]
    with pytest.raises(NoMaximum, match="One of the terms 'x', 'z', 'new' follows"):
        fit(sites, **{**ASKED, "predictors": ["x", "z", "new"]})


def test_a_group_without_events_is_an_error(fit):
    sites = [table(200, seed=1), table(200, seed=2)]
    for site in sites:
        site.loc[site["stage"] == "III", "event"] = 0
    with pytest.raises(NoMaximum, match=r"'stage\[III\]' grows without end"):
        fit(sites, **{**ASKED, "predictors": ["x", "stage"]})


def test_it_stops_after_the_rounds_it_may_take(fit):
    with pytest.raises(NoMaximum, match="not converged after 2 iterations"):
        fit([table()], max_iterations=2, **ASKED)


def test_an_organization_that_refuses_is_named_with_the_reason(fit):
    with pytest.raises(TaskFailed, match=r"organization 1.*fewer than 3 usable rows"):
        fit([table(), table(1)], raise_errors=False, **ASKED)


def test_risks_beyond_the_largest_number_do_not_overflow():
    frame = table(400)
    model = {"time": "time", "event": "event", "predictors": ["x"]}
    term = {"column": "x", "level": None, "center": 0.0, "scale": 1.0}
    design = {"terms": [term], "levels": {}}
    near = RPC_coxph_sums(frame, model, design, [1.0])
    far = RPC_coxph_sums(frame.assign(x=frame["x"] + 5000), model, design, [1.0])
    assert far["log_likelihood"] == pytest.approx(near["log_likelihood"])
    assert far["information"] == [pytest.approx(near["information"][0], rel=1e-6)]


def test_pairs_are_counted_as_one_by_one():
    random = numpy.random.default_rng(5)
    times = random.integers(1, 30, 150).astype(float)
    events = random.random(150) < 0.6
    risks = random.integers(0, 20, 150).astype(float)
    known = {"concordant": 0, "discordant": 0, "tied_risk": 0}
    for i in numpy.flatnonzero(events):
        for j in range(150):
            if times[j] > times[i] or (times[j] == times[i] and not events[j]):
                order = numpy.sign(risks[i] - risks[j])
                known[{1: "concordant", 0: "tied_risk", -1: "discordant"}[int(order)]] += 1
    assert count_pairs(times, events, risks) == known
