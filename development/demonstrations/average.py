"""The mean of a column."""

import math
from typing import Any

import pandas

from development.cohorts import breast_cancer
from development.demonstrations import Demonstration, Figures

COLUMN = "mean radius"


def _federated(answer: Any) -> Figures:
    return {"mean": answer["average"]}


def _pooled(frame: pandas.DataFrame) -> Figures:
    return {"mean": math.fsum(frame[COLUMN]) / len(frame)}


DEMONSTRATION = Demonstration(
    title=f"Mean of {COLUMN!r}",
    data=breast_cancer,
    method="master",
    kwargs={"column_name": COLUMN},
    federated=_federated,
    pooled=_pooled,
    peer="math.fsum",
    tolerance=1e-12,
    partial={"method": "average_partial", "kwargs": {"column_name": COLUMN}},
)
