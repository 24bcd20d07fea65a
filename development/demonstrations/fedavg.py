"""The progression of diabetes by cholesterol, learned in six rounds."""

from typing import Any

import pandas
import statsmodels.api as sm

from development.cohorts import diabetes
from development.demonstrations import Demonstration, Figures

#: Cholesterol in all, and of high density.
FEATURES = ["s1", "s3"]


def _federated(answer: Any) -> Figures:
    return {row["name"]: row["value"] for row in answer["coefficients"]}


def _pooled(frame: pandas.DataFrame) -> Figures:
    fit = sm.OLS(frame["target"], sm.add_constant(frame[FEATURES])).fit()
    return dict(zip(["(intercept)", *FEATURES], fit.params, strict=True))


DEMONSTRATION = Demonstration(
    title="Diabetes: progression by cholesterol, federated averaging",
    data=diabetes,
    method="fedavg",
    # The two hardly depend on each other, so each round of full length brings one more digit.
    kwargs={"features": FEATURES, "target": "target", "learning_rate": 1, "rounds": 6},
    federated=_federated,
    pooled=_pooled,
    peer="statsmodels",
    tolerance=1e-6,
)
