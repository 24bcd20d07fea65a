"""Survival with and without hormone therapy, as exact curves."""

from typing import Any

import pandas
from lifelines import KaplanMeierFitter
from lifelines.statistics import logrank_test

from development.accuracy import peer
from development.cohorts import gbsg2
from development.demonstrations import Demonstration, Figures

TIME, EVENT, GROUP = "time", "cens", "horTh"


def _federated(answer: Any) -> Figures:
    test = answer["log_rank"]
    figures = {"log-rank chi-squared": test["statistic"], "p": test["p_value"]}
    for group in answer["summary"]:
        figures[f"median days, therapy {group['group']}"] = group["median"]
    return figures


def _pooled(frame: pandas.DataFrame) -> Figures:
    treated = frame[GROUP] == "yes"
    durations = [frame[TIME][treated], frame[TIME][~treated]]
    events = [frame[EVENT][treated], frame[EVENT][~treated]]
    with peer():
        test = logrank_test(*durations, *events)
        medians = [
            KaplanMeierFitter().fit(*life).median_survival_time_
            for life in zip(durations, events, strict=True)
        ]
    return {
        "log-rank chi-squared": test.test_statistic,
        "p": test.p_value,
        "median days, therapy no": medians[1],
        "median days, therapy yes": medians[0],
    }


DEMONSTRATION = Demonstration(
    title="Breast cancer: time to recurrence by hormone therapy",
    data=gbsg2,
    method="kaplan_meier",
    kwargs={"time": TIME, "event": EVENT, "group": GROUP},
    federated=_federated,
    pooled=_pooled,
    peer="lifelines",
    # The exact curve; without this the same question needs a grid of times.
    node_config={"disclosure": {"event_times": True}},
)
