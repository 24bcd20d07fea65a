"""Logistic regression of a diagnosis on measures of a biopsy."""

import pandas
import statsmodels.api as sm

from development.accuracy import peer
from development.cohorts import breast_cancer
from development.demonstrations import Demonstration, Figures
from development.demonstrations.coefficients import federated, figures_of

PREDICTORS = ["mean radius", "mean texture", "mean smoothness"]


def _pooled(frame: pandas.DataFrame) -> Figures:
    with peer():
        model = sm.GLM(
            frame["target"], sm.add_constant(frame[PREDICTORS]), family=sm.families.Binomial()
        )
        fit = model.fit(tol=1e-14)
    return figures_of(["intercept", *PREDICTORS], fit.params, fit.bse)


DEMONSTRATION = Demonstration(
    title="Logistic regression of a benign diagnosis",
    data=breast_cancer,
    method="glm",
    kwargs={"outcome": "target", "predictors": PREDICTORS, "family": "binomial"},
    federated=federated,
    pooled=_pooled,
    peer="statsmodels",
    tolerance=1e-6,
    partial={
        "method": "glm_survey",
        "kwargs": {
            "model": {
                "outcome": "target",
                "predictors": PREDICTORS,
                "family": "binomial",
                "link": "logit",
            }
        },
    },
)
