"""A Cox model of the time until a new arrest, each site with a baseline hazard of its own."""

import numpy
import pandas
from statsmodels.duration.hazard_regression import PHReg

from development.accuracy import peer
from development.cohorts import cut, rossi
from development.demonstrations import Demonstration, Figures
from development.demonstrations.coefficients import federated, figures_of
from development.hospitals import NAMES

PREDICTORS = ["fin", "age", "prio"]


def _pooled(frame: pandas.DataFrame) -> Figures:
    sites = numpy.repeat(NAMES, [len(part) for part in cut(frame, len(NAMES))])
    with peer():
        model = PHReg(
            frame["week"], frame[PREDICTORS], status=frame["arrest"], ties="efron", strata=sites
        )
        fit = model.fit(disp=False)
    return figures_of(PREDICTORS, fit.params, fit.bse)


DEMONSTRATION = Demonstration(
    title="Cox model of the weeks until a new arrest",
    data=rossi,
    method="coxph",
    kwargs={"time": "week", "event": "arrest", "predictors": PREDICTORS},
    federated=federated,
    pooled=_pooled,
    peer="statsmodels, stratified by site",
    tolerance=1e-6,
    partial={
        "method": "coxph_survey",
        "kwargs": {"model": {"time": "week", "event": "arrest", "predictors": PREDICTORS}},
    },
)
