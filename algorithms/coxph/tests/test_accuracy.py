"""The federated Cox model is that of R's survival, statsmodels and lifelines on all rows."""

import json
from pathlib import Path

import numpy
import pandas
import pytest
from lifelines import CoxPHFitter
from statsmodels.duration.hazard_regression import PHReg

from development import r
from development.accuracy import ITERATIVE, peer
from development.cohorts import cut, gbsg2, lung, rossi

pytestmark = pytest.mark.usefixtures("generous_owners")
every_tie = pytest.mark.parametrize("ties", ["efron", "breslow"])
every_baseline = pytest.mark.parametrize("baseline", ["site", "common"])

PEERS = (Path(__file__).parent / "peers.R").read_text()
#: Rows, the names of time and event, and predictors; ties are rare, some, and nearly everywhere.
COHORTS = {
    "rossi": (rossi, "week", "arrest", ["fin", "age", "race", "wexp", "mar", "paro", "prio"]),
    "lung": (lung, "time", "status", ["age", "sex", "ph.ecog", "wt.loss"]),
    "gbsg2": (gbsg2, "time", "cens", ["age", "tgrade", "horTh", "pnodes"]),
    "gbsg2 by year": (
        lambda: gbsg2().assign(time=lambda frame: frame["time"] // 365),
        "time",
        "cens",
        ["age", "tgrade", "horTh", "pnodes"],
    ),
}


@pytest.fixture(scope="session")
def survival(tmp_path_factory):
    """The answers of R's survival to the sites together, each asked for once."""
    if r.obstacle():
        pytest.skip(r.obstacle())
    known = {}

    def survival(name, sites, time, event, predictors):
        if name not in known:
            path = tmp_path_factory.mktemp("survival") / "rows.csv"
            marked = [site.assign(site=f"site {number}") for number, site in enumerate(sites)]
            pandas.concat(marked).to_csv(path, index=False)
            formula = f"Surv({time}, {event}) ~ {' + '.join(predictors)}"
            known[name] = json.loads(r.run(PEERS, path, formula))
        return known[name]

    return survival


def compare(accuracy, quantity, peer_name, sites, answer, theirs):
    table = pandas.DataFrame(answer["coefficients"])
    ours = table[["coefficient", "standard_error", "p_value"]]
    accuracy("coxph", quantity, peer_name, sites, ours, theirs, ITERATIVE)


@pytest.mark.parametrize("sites", [3, 10])
@pytest.mark.parametrize("cohort", COHORTS)
@every_baseline
@every_tie
def test_it_is_the_model_of_survival(accuracy, fit, survival, cohort, ties, baseline, sites):
    load, time, event, predictors = COHORTS[cohort]
    parts = cut(load(), sites)
    answer = fit(parts, time=time, event=event, predictors=predictors, ties=ties, baseline=baseline)
    theirs = survival(f"{cohort} {sites}", parts, time, event, predictors)[ties][baseline]
    what = f"{baseline} baseline, {ties}"
    compare(
        accuracy, f"{what}: coefs, errors, p", "survival", sites, answer, theirs["coefficients"]
    )
    tests = answer["tests"]
    ours = [
        answer["log_likelihood"],
        answer["null_log_likelihood"],
        tests["likelihood_ratio"]["statistic"],
        tests["likelihood_ratio"]["p_value"],
        tests["score"]["statistic"],
        tests["wald"]["statistic"],
    ]
    ratio, _, ratio_p, *_, score, _, _ = theirs["tests"]
    others = [*theirs["log_likelihood"], ratio, ratio_p, score, theirs["wald"]]
    accuracy("coxph", f"{what}: tests", "survival", sites, ours, others, ITERATIVE)
    assert answer["converged"]
    assert answer["iterations"] <= 7


@every_tie
def test_pairs_of_one_site_are_as_concordant_as_survival_says(accuracy, fit, survival, ties):
    cohort = "gbsg2 by year"
    load, time, event, predictors = COHORTS[cohort]
    parts = cut(load(), 3)
    answer = fit(parts, time=time, event=event, predictors=predictors, ties=ties)
    theirs = survival(f"{cohort} 3", parts, time, event, predictors)[ties]["site"]
    accuracy(
        "coxph", "concordance", "survival", 3, [answer["concordance"]], [theirs["concordance"]]
    )


@every_tie
def test_the_baseline_hazard_of_all_sites(accuracy, fit, survival, ties):
    cohort = "gbsg2 by year"
    load, time, event, predictors = COHORTS[cohort]
    parts = cut(load(), 3)
    answer = fit(parts, time=time, event=event, predictors=predictors, ties=ties, baseline="common")
    theirs = survival(f"{cohort} 3", parts, time, event, predictors)[ties]
    at_zero = dict(zip(theirs["times"], theirs["hazard"], strict=True))
    slopes = pandas.DataFrame(answer["coefficients"]).set_index("term")["coefficient"]
    center = numpy.exp(sum(slopes[term] * value for term, value in answer["baseline_at"].items()))
    ours = pandas.DataFrame(answer["baseline_hazard"])
    others = [at_zero[time] * center for time in ours["time"]]
    quantity = f"baseline hazard, {ties}"
    accuracy("coxph", quantity, "survival", 3, ours["cumulative_hazard"], others, ITERATIVE)


@pytest.mark.parametrize("sites", [3, 10])
@every_tie
def test_it_is_the_model_of_statsmodels(accuracy, fit, ties, sites):
    _, time, event, predictors = COHORTS["rossi"]
    parts = cut(rossi(), sites)
    answer = fit(parts, time=time, event=event, predictors=predictors, ties=ties)
    rows = pandas.concat(parts)
    strata = numpy.repeat(range(sites), [len(part) for part in parts])
    with peer():
        model = PHReg(rows[time], rows[predictors], status=rows[event], ties=ties, strata=strata)
        theirs = model.fit(disp=False)
    numbers = numpy.column_stack([theirs.params, theirs.bse, theirs.pvalues])
    compare(accuracy, f"rossi, site, {ties}", "statsmodels", sites, answer, numbers)


@every_baseline
def test_it_is_the_model_of_lifelines(accuracy, fit, baseline):
    _, time, event, predictors = COHORTS["lung"]
    parts = cut(lung(), 3)
    answer = fit(parts, time=time, event=event, predictors=predictors, baseline=baseline)
    marked = [part.assign(site=number) for number, part in enumerate(parts)]
    rows = pandas.concat(marked)[[time, event, *predictors, "site"]].dropna()
    strata = ["site"] if baseline == "site" else None
    with peer():
        theirs = CoxPHFitter().fit(
            rows if strata else rows.drop(columns="site"),
            time,
            event,
            strata=strata,
            fit_options={"precision": 1e-14},
        )
    numbers = theirs.summary[["coef", "se(coef)", "p"]].to_numpy()
    compare(accuracy, f"lung, {baseline}, efron", "lifelines", 3, answer, numbers)


def test_two_cohorts_of_one_disease_are_two_sites(accuracy, fit, survival, tmp_path):
    common = "c('age', 'meno', 'grade', 'nodes', 'pgr', 'er', 'hormon')"
    r.run(
        f"library(survival); into <- commandArgs(trailingOnly = TRUE); common <- {common};"
        "write.csv(cbind(rotterdam[common], time = rotterdam$rtime, event = rotterdam$recur),"
        " into[1], row.names = FALSE);"
        "write.csv(cbind(gbsg[common], time = gbsg$rfstime, event = gbsg$status), into[2],"
        " row.names = FALSE)",
        tmp_path / "rotterdam.csv",
        tmp_path / "gbsg.csv",
    )
    sites = [pandas.read_csv(tmp_path / f"{name}.csv") for name in ("rotterdam", "gbsg")]
    predictors = ["age", "meno", "grade", "nodes", "hormon"]
    answer = fit(sites, time="time", event="event", predictors=predictors)
    theirs = survival("two cohorts", sites, "time", "event", predictors)["efron"]["site"]
    numbers = theirs["coefficients"]
    compare(accuracy, "rotterdam and gbsg, efron", "survival", 2, answer, numbers)
