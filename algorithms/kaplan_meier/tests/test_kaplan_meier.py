"""Curves and their test over cut data are those of lifelines and R over all rows together."""

import json

import numpy
import pandas
import pytest
from lifelines import KaplanMeierFitter
from lifelines.statistics import multivariate_logrank_test
from lifelines.utils import median_survival_times, restricted_mean_survival_time
from v6_kaplan_meier_py.site import round_up

from development import r
from development.accuracy import peer
from development.cohorts import cut, gbsg2, lung, rossi
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.exceptions import InputError
from vantage6.tools.mock_client import ClientMockProtocol

COHORTS = {
    "rossi": (rossi, {"time": "week", "event": "arrest", "group": "fin"}, 4),
    "lung": (lung, {"time": "time", "event": "status", "group": "sex"}, 30),
    "gbsg2": (gbsg2, {"time": "time", "event": "cens", "group": "horTh"}, 90),
}
every_cohort = pytest.mark.parametrize("cohort", COHORTS)
every_cut = pytest.mark.parametrize("sites", [3, 10])


@pytest.fixture
def event_times(monkeypatch):
    """Data owners who let the times of single events be told."""
    monkeypatch.setenv("DISCLOSURE_EVENT_TIMES", "true")


def ask(parts, method="kaplan_meier", *, raise_errors=True, **kwargs):
    client = ClientMockProtocol(parts, "v6_kaplan_meier_py", raise_errors=raise_errors)
    input_ = {"method": method, "master": True, "kwargs": kwargs}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def curve(answer, level):
    table = pandas.DataFrame(answer["curve"])
    mine = table["group"].isna() if level is None else table["group"] == str(level)
    return table[mine].set_index("time")


def fitted(frame, time, event):
    with peer():
        return KaplanMeierFitter().fit(frame[time], frame[event])


def coarsened(parts, columns, grid, least=3):
    """Do by hand what sites do before they tell: means of neighbouring times, then the grid.

    Where neighbouring times are cut in two is written down a second time here.
    """

    def may_be_told(times):
        return sum(times[:-2]) >= 0.1 * times[-1]

    def within(parts):
        return sum(len(part) * part.var() for part in parts)

    def cuts(times):
        first = max(least, len(times) // 4)
        return [(times[:n], times[n:]) for n in range(first, len(times) - first + 1)]

    def means(times):
        if len(times) >= 2 * least and times[0] < times[-1]:
            least_within = min(map(within, cuts(times)))
            total = len(times) * times.var()
            near = least_within + 1e-9 * (total - least_within)
            both = next(parts for parts in cuts(times) if within(parts) <= near)
            if all(map(may_be_told, both)):
                return [*means(both[0]), *means(both[1])]
        return [times.mean()] * len(times)

    time, event, group = columns["time"], columns["event"], columns["group"]
    pieces = []
    for part in parts:
        for _, people in part[[time, event, group]].groupby([group, event]):
            sorted_people = people.sort_values(time)
            told = means(sorted_people[time].to_numpy(dtype=float))
            pieces.append(sorted_people.assign(**{time: told}))
    frame = pandas.concat(pieces)
    return frame.assign(**{time: numpy.ceil(frame[time] / grid - 1e-9) * grid})


def check_curves(accuracy, name, sites, answer, frame, columns):
    time, event, group = columns["time"], columns["event"], columns["group"]
    found, expected = [], []
    for level, people in frame.groupby(group):
        ours, theirs = curve(answer, level), fitted(people, time, event)
        assert ours["at_risk"].tolist() == theirs.event_table["at_risk"].tolist()
        found.append(ours[["survival", "lower", "upper"]])
        bounds = theirs.confidence_interval_.to_numpy().T
        expected.append(numpy.array([theirs.survival_function_["KM_estimate"], *bounds]).T)
    ours, theirs = numpy.concatenate(found), numpy.concatenate(expected)
    accuracy(name, "survival", "lifelines", sites, ours[:, 0], theirs[:, 0])
    alive = theirs[:, 0] > 0
    accuracy(name, "bounds", "lifelines", sites, ours[alive, 1:], theirs[alive, 1:])


def check_test(accuracy, name, sites, answer, frame, columns):
    with peer():
        theirs = multivariate_logrank_test(
            frame[columns["time"]], frame[columns["group"]], frame[columns["event"]]
        )
    ours = answer["log_rank"]
    expected = [theirs.test_statistic, theirs.p_value]
    numbers = [ours["statistic"], ours["p_value"]]
    accuracy(name, "log-rank", "lifelines", sites, numbers, expected)
    assert ours["degrees_of_freedom"] == frame[columns["group"]].nunique() - 1


@every_cohort
@every_cut
def test_exact_curves_are_those_of_all_rows_together(accuracy, event_times, cohort, sites):
    load, columns, _ = COHORTS[cohort]
    answer = ask(cut(load(), sites), **columns)
    check_curves(accuracy, f"kaplan_meier {cohort}", sites, answer, load(), columns)
    check_test(accuracy, f"kaplan_meier {cohort}", sites, answer, load(), columns)


@every_cohort
def test_curves_on_a_grid_are_those_of_the_coarsened_rows(accuracy, cohort):
    load, columns, grid = COHORTS[cohort]
    parts = cut(load(), 3)
    answer = ask(parts, grid=grid, **columns)
    frame = coarsened(parts, columns, grid)
    name = f"kaplan_meier {cohort}, grid"
    check_curves(accuracy, name, 3, answer, frame, columns)
    check_test(accuracy, name, 3, answer, frame, columns)


@pytest.mark.parametrize(
    ("cohort", "sites"), [("rossi", 3), ("rossi", 10), ("lung", 3), ("gbsg2", 3), ("gbsg2", 10)]
)
def test_groups_of_people_lie_near_the_exact_curve(accuracy, cohort, sites):
    load, columns, _ = COHORTS[cohort]
    answer = ask(cut(load(), sites), **{**columns, "group": None}, grid=0.001)
    exact = fitted(load(), columns["time"], columns["event"])
    ours = curve(answer, None)
    ours = ours[ours["at_risk"] > 0.3 * len(load())]["survival"]
    theirs = exact.survival_function_at_times(ours.index)
    name = f"kaplan_meier {cohort}, grid"
    accuracy(name, "survival, to exact", "lifelines", sites, ours, theirs, 0.04)
    mean = answer["summary"][0]["restricted_mean"]
    pooled = restricted_mean_survival_time(exact, answer["restriction"])
    accuracy(name, "mean, to exact", "lifelines", sites, mean, pooled, 0.02)


@every_cut
def test_medians_and_restricted_means(accuracy, event_times, sites):
    answer = ask(cut(lung(), sites), time="time", event="status", group="sex", restriction=500)
    names = ("median", "median_lower", "median_upper", "restricted_mean")
    ours = [[summary[name] for name in names] for summary in answer["summary"]]
    theirs = []
    for _, people in lung().groupby("sex"):
        fit = fitted(people, "time", "status")
        bounds = median_survival_times(fit.confidence_interval_).to_numpy().ravel()
        mean = restricted_mean_survival_time(fit, 500)
        theirs.append([fit.median_survival_time_, *bounds, mean])
    accuracy("kaplan_meier lung", "median and mean", "lifelines", sites, ours, theirs)


R_PROGRAM = """
library(survival)
frame <- read.csv(commandArgs(trailingOnly = TRUE)[1])
times <- Surv(frame$time, frame$status)
test <- survdiff(times ~ ph.ecog, data = frame)
curves <- survfit(times ~ ph.ecog, data = frame, conf.type = "log-log")
means <- summary(curves, rmean = 400)$table[, c("rmean", "se(rmean)")]
told <- c(test$chisq, pchisq(test$chisq, length(test$n) - 1, lower.tail = FALSE), test$exp, means,
          curves$std.err[curves$surv > 0] * curves$surv[curves$surv > 0])
cat(sprintf("%.15g", told))
"""


@every_cut
def test_the_survival_package_of_r_finds_the_same(
    accuracy, event_times, monkeypatch, tmp_path, sites
):
    """Four groups, of which one has a single person; sites with fewer rows than levels name."""
    monkeypatch.setenv("DISCLOSURE_LEVELS_PER_ROW", "1")
    if r.obstacle():
        pytest.skip(r.obstacle())
    frame = lung().dropna(subset=["ph.ecog"])
    frame.to_csv(tmp_path / "lung.csv", index=False)
    told = [float(word) for word in r.run(R_PROGRAM, tmp_path / "lung.csv").split()]
    columns = {"time": "time", "event": "status", "group": "ph.ecog", "restriction": 400}
    answer = ask(cut(frame, sites), **columns)
    test = answer["log_rank"]
    ours = [test["statistic"], test["p_value"], *(row["expected"] for row in test["groups"])]
    accuracy("kaplan_meier lung", "log-rank", "R survival", sites, ours, told[:6])
    columns = ("restricted_mean", "restricted_mean_standard_error")
    means = [summary[name] for name in columns for summary in answer["summary"]]
    accuracy("kaplan_meier lung", "mean and error", "R survival", sites, means, told[6:14])
    table = pandas.DataFrame(answer["curve"])
    seen = table[(table["time"] > 0) & (table["survival"] > 0)]
    accuracy(
        "kaplan_meier lung", "Greenwood", "R survival", sites, seen["standard_error"], told[14:]
    )


def people(times, events, **columns):
    return pandas.DataFrame({"time": times, "event": events, **columns})


def test_one_curve_without_groups_has_no_test(event_times):
    answer = ask([people([1, 2, 3], [1, 0, 1]), people([2, 2, 4], [1, 0, 0])], **TIME)
    assert answer["log_rank"] is None
    assert curve(answer, None)["at_risk"].tolist() == [6, 6, 5, 2, 1]
    assert answer["rows"] == 6
    assert [site["rows"] for site in answer["organizations"]] == [3, 3]


TIME = {"time": "time", "event": "event"}


def test_a_site_that_lacks_a_group_takes_part(event_times):
    parts = [
        people([1, 2, 3, 4] * 2, [1, 1, 1, 0] * 2, arm=["a", "a", "b", "b"] * 2),
        people([2, 3, 5, 6], [1, 0, 1, 0], arm=["a"] * 4),
    ]
    answer = ask(parts, **TIME, group="arm")
    theirs = fitted(pandas.concat(parts).query("arm == 'a'"), "time", "event")
    ours = curve(answer, "a")["survival"]
    assert ours.tolist() == pytest.approx(theirs.survival_function_["KM_estimate"].tolist())
    assert [row["rows"] for row in answer["summary"]] == [8, 4]


@pytest.mark.parametrize("grid", [None, 1.0])
def test_nobody_with_an_event_is_a_flat_curve_and_no_test(event_times, grid):
    arms = ["a"] * 5 + ["b"] * 5
    answer = ask([people([*range(1, 11)], [0] * 10, arm=arms)] * 2, **TIME, group="arm", grid=grid)
    assert {row["survival"] for row in answer["curve"]} == {1.0}
    assert {row["lower"] for row in answer["curve"]} == {1.0}
    assert answer["log_rank"] is None
    assert [row["median"] for row in answer["summary"]] == [None, None]


def test_a_curve_that_ends_at_zero_has_no_bounds_there(event_times):
    last = ask([people([1, 2, 3], [1, 1, 1])], **TIME)["curve"][-1]
    assert last["survival"] == 0
    assert last["standard_error"] is last["lower"] is last["upper"] is None


def test_groups_with_the_same_times_do_not_differ(event_times):
    part = people([*range(1, 9)] * 2, [1] * 16, arm=[1] * 8 + [2] * 8)
    test = ask([part, part], **TIME, group="arm")["log_rank"]
    assert test["statistic"] == pytest.approx(0, abs=1e-12)
    assert test["p_value"] == pytest.approx(1)


def test_beyond_the_last_time_of_a_grid_there_is_no_event():
    part = people([*range(1, 21)], [1] * 20)
    answer = ask([part], **TIME, grid=[4, 10])
    rows = [(row["time"], row["events"], row["censored"]) for row in answer["curve"]]
    assert rows[0] == (0, 0, 0)
    assert [time for time, _, _ in rows] == [0, 4, 10]
    assert sum(events + censored for _, events, censored in rows) == 20
    assert rows[2][2] == 10


@pytest.mark.parametrize(("time", "told"), [(0.3, 0.3), (1.1, 1.1), (1.11, 1.2), (0, 0)])
def test_times_on_the_grid_stay_there(time, told):
    times, _ = round_up(numpy.array([time]), numpy.array([True]), 0.1)
    assert times[0] == pytest.approx(told)


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"time": "age"}, "There is no column 'age'"),
        ({"event": "time"}, "three different ones"),
        ({"time": "name"}, "does not hold numbers"),
        ({"time": "below"}, "holds times below 0"),
        ({"event": "three"}, "something else than 0 and 1"),
        ({"grid": 0}, "width above 0"),
        ({"grid": [2, 1]}, "increasing times"),
        ({"grid": []}, "increasing times"),
        ({"grid": "month"}, "number, or a list"),
        ({"grid": [1, True]}, "number, or a list"),
        ({"confidence": 95}, "between 0 and 1"),
        ({"restriction": -1}, "time above 0"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(kwargs, reason):
    part = people([*range(8)], [1, 0] * 4, name=["x"] * 8, below=[-1] * 8, three=[3] * 8)
    with pytest.raises(InputError, match=reason):
        ask([part], **{**TIME, "grid": 1, **kwargs})


def test_levels_are_the_same_however_sites_read_them(event_times):
    arms = ([1, 2, 10] * 4, [1.0, 2.0, 10.0] * 4, ["1", "2", "10"] * 4)
    answer = ask([people([*range(1, 13)], [1] * 12, arm=arm) for arm in arms], **TIME, group="arm")
    assert [(row["group"], row["rows"]) for row in answer["summary"]] == [
        ("1", 12),
        ("2", 12),
        ("10", 12),
    ]


def test_an_organization_that_may_not_tell_is_named():
    parts = [people([*range(30)], [1, 0] * 15), people([5], [1])]
    with pytest.raises(TaskFailed, match=r"organization 1.*fewer than 3 usable rows"):
        ask(parts, **TIME, grid=5, raise_errors=False)
    assert ask(parts, **TIME, grid=5, organizations=[0])["rows"] == 30


def test_every_number_is_plain_json(event_times):
    part = people([1, 2, 3, 4], [1, 0, 1, 0], arm=numpy.array([1, 1, 1, 1]))
    assert json.dumps(ask([part], **TIME, group="arm"), allow_nan=False)


@pytest.mark.parametrize("kind", ["bool", "boolean", "Int64", "float64"])
def test_every_kind_of_yes_and_no_is_an_event(event_times, kind):
    part = people(pandas.Series([1, 2, 3, 4], dtype="Int64"), [1, 0, 1, 1])
    part = part.astype({"event": kind})
    assert ask([part], **TIME)["summary"][0]["events"] == 3
