"""Federated regression gives what statsmodels gives for all rows in one place."""

import numpy
import pandas
import pytest
import statsmodels.api as sm

from development.accuracy import EXACT, ITERATIVE, peer
from development.cohorts import breast_cancer, cut, diabetes, doctor_visits, gbsg2

pytestmark = pytest.mark.usefixtures("generous_owners")
every_cut = pytest.mark.parametrize("sites", [3, 10])

RADIUS = ["mean radius", "mean texture", "mean smoothness"]
TUMOUR = ["age", "tsize", "tgrade", "horTh"]
HEALTH = ["lncoins", "idp", "physlm", "disea", "hlthp"]
BINOMIAL = sm.families.Binomial()
POISSON = sm.families.Poisson()


def pooled(frame, outcome, predictors, family, **more):
    columns = pandas.get_dummies(frame[predictors], drop_first=True, dtype=float)
    if "tgrade" in predictors:
        order = ["age", "tsize", "tgrade_II", "tgrade_III", "horTh_yes"]
        columns = columns[order]
    with peer():
        model = sm.GLM(frame[outcome], sm.add_constant(columns), family=family, **more)
        return model.fit(tol=1e-14, maxiter=100)


def compare(accuracy, quantity, sites, answer, theirs, limit=ITERATIVE):
    table = pandas.DataFrame(answer["coefficients"])
    ours = table[["coefficient", "standard_error", "p_value", "lower", "upper"]]
    numbers = numpy.column_stack([theirs.params, theirs.bse, theirs.pvalues, theirs.conf_int()])
    accuracy("glm", quantity, "statsmodels", sites, ours, numbers, limit)


@every_cut
def test_linear_regression(accuracy, fit, sites):
    frame = diabetes()
    predictors = [column for column in frame if column != "target"]
    answer = fit(cut(frame, sites), outcome="target", predictors=predictors)
    with peer():
        theirs = sm.OLS(frame["target"], sm.add_constant(frame[predictors])).fit()
    compare(accuracy, "linear: coefficients, errors, p, bounds", sites, answer, theirs, EXACT)
    ours = [answer[name] for name in ("deviance", "null_deviance", "log_likelihood", "aic")]
    # The dispersion counts as a parameter here and in R.
    others = [theirs.ssr, theirs.centered_tss, theirs.llf, theirs.aic + 2]
    accuracy("glm", "linear: deviances, likelihood, aic", "statsmodels", sites, ours, others)
    assert answer["statistic"] == "t"
    assert answer["iterations"] == 2


@every_cut
@pytest.mark.parametrize("link", ["logit", "probit", "cloglog"])
def test_logistic_regression_and_its_other_links(accuracy, fit, sites, link):
    frame = breast_cancer()
    links = sm.families.links
    family = sm.families.Binomial(
        {"logit": links.Logit(), "probit": links.Probit(), "cloglog": links.CLogLog()}[link]
    )
    answer = fit(
        cut(frame, sites), outcome="target", predictors=RADIUS, family="binomial", link=link
    )
    theirs = pooled(frame, "target", RADIUS, family)
    compare(accuracy, f"{link}: coefficients, errors, p, bounds", sites, answer, theirs)
    ours = [answer[name] for name in ("deviance", "null_deviance", "log_likelihood", "aic")]
    others = [theirs.deviance, theirs.null_deviance, theirs.llf, theirs.aic]
    accuracy("glm", f"{link}: deviances, likelihood, aic", "statsmodels", sites, ours, others)


@every_cut
def test_logistic_regression_with_categories(accuracy, fit, sites):
    frame = gbsg2()
    answer = fit(cut(frame, sites), outcome="cens", predictors=TUMOUR, family="binomial")
    theirs = pooled(frame, "cens", TUMOUR, BINOMIAL)
    compare(accuracy, "logit with categories", sites, answer, theirs)
    terms = [record["term"] for record in answer["coefficients"]]
    assert terms == ["intercept", "age", "tsize", "tgrade[II]", "tgrade[III]", "horTh[yes]"]
    assert answer["reference"] == {"tgrade": "I", "horTh": "no"}


@every_cut
def test_poisson_regression(accuracy, fit, sites):
    frame = doctor_visits()
    answer = fit(cut(frame, sites), outcome="mdvis", predictors=HEALTH, family="poisson")
    theirs = pooled(frame, "mdvis", HEALTH, POISSON)
    compare(accuracy, "poisson: coefficients, errors, p, bounds", sites, answer, theirs)
    ours = [answer[name] for name in ("deviance", "null_deviance", "log_likelihood", "aic")]
    others = [theirs.deviance, theirs.null_deviance, theirs.llf, theirs.aic]
    accuracy("glm", "poisson: deviances, likelihood, aic", "statsmodels", sites, ours, others)


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_offsets(accuracy, fit, family):
    frame = doctor_visits()
    frame["any"] = (frame["mdvis"] > 0).astype(int)
    outcome = "any" if family == "binomial" else "mdvis"
    answer = fit(cut(frame, 3), outcome=outcome, predictors=["disea"], family=family, offset="lpi")
    known = {"gaussian": sm.families.Gaussian(), "binomial": BINOMIAL, "poisson": POISSON}[family]
    theirs = pooled(frame, outcome, ["disea"], known, offset=frame["lpi"])
    ours = pandas.DataFrame(answer["coefficients"])[["coefficient", "standard_error"]]
    others = numpy.column_stack([theirs.params, theirs.bse])
    accuracy("glm", f"{family} with an offset", "statsmodels", 3, ours, others, ITERATIVE)
    ours = [answer["null_deviance"], answer["deviance"]]
    others = [theirs.null_deviance, theirs.deviance]
    accuracy("glm", f"{family} with an offset: deviances", "statsmodels", 3, ours, others)


def test_exposure(accuracy, fit):
    frame = doctor_visits()
    frame["years"] = numpy.random.default_rng(1).uniform(0.5, 2, len(frame))
    answer = fit(
        cut(frame, 3), outcome="mdvis", predictors=HEALTH, family="poisson", exposure="years"
    )
    theirs = pooled(frame, "mdvis", HEALTH, POISSON, exposure=frame["years"])
    compare(accuracy, "poisson with an exposure", 3, answer, theirs)


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_weights(accuracy, fit, family):
    frame = doctor_visits()
    frame["any"] = (frame["mdvis"] > 0).astype(int)
    frame["weight"] = numpy.random.default_rng(2).uniform(0.5, 3, len(frame))
    outcome = "any" if family == "binomial" else "mdvis"
    answer = fit(cut(frame, 3), outcome=outcome, predictors=HEALTH, family=family, weights="weight")
    columns = sm.add_constant(frame[HEALTH].astype(float))
    with peer():
        if family == "gaussian":
            theirs = sm.WLS(frame[outcome], columns, weights=frame["weight"]).fit()
        else:
            known = {"binomial": BINOMIAL, "poisson": POISSON}[family]
            model = sm.GLM(frame[outcome], columns, family=known, var_weights=frame["weight"])
            theirs = model.fit(tol=1e-14)
    compare(accuracy, f"{family} with weights", 3, answer, theirs)
    ours = [answer["log_likelihood"], answer["null_deviance"]]
    null = theirs.centered_tss if family == "gaussian" else theirs.null_deviance
    accuracy(
        "glm", f"{family} with weights: likelihood", "statsmodels", 3, ours, [theirs.llf, null]
    )


def test_columns_of_very_different_size_lose_no_digits(accuracy, fit):
    frame = diabetes()
    frame["bmi"] = 1e7 + frame["bmi"]
    frame["bp"] *= 1e-6
    frame["s1"] *= 1e6
    predictors = ["bmi", "bp", "s1"]
    answer = fit(cut(frame, 3), outcome="target", predictors=predictors)
    centered = frame[predictors] - frame[predictors].mean()
    with peer():
        theirs = sm.OLS(frame["target"], sm.add_constant(centered / centered.std())).fit()
    ours = pandas.DataFrame(answer["coefficients"])["statistic"][1:]
    accuracy("glm", "linear, badly scaled: t", "statsmodels", 3, ours, theirs.tvalues[1:])


def test_a_model_without_predictors_is_the_mean(accuracy, fit):
    frame = diabetes()
    answer = fit(cut(frame, 3), outcome="target", predictors=[])
    (intercept,) = answer["coefficients"]
    ours = [intercept["coefficient"], intercept["standard_error"]]
    others = [frame["target"].mean(), frame["target"].sem()]
    accuracy("glm", "intercept only", "pandas", 3, ours, others)
