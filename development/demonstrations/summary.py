"""Measures in figures, by group."""

from typing import Any

import pandas

from development.cohorts import gbsg2
from development.demonstrations import Demonstration, Figures

COLUMNS = ["age", "progrec"]
GROUP = "horTh"


def _federated(answer: Any) -> Figures:
    return {
        f"{figure} of {line['column']}, {GROUP}={line['group']}": line[figure]
        for line in answer["numbers"]
        for figure in ("mean", "standard_deviation")
    }


def _pooled(frame: pandas.DataFrame) -> Figures:
    figures: Figures = {}
    for label, rows in frame.groupby(GROUP):
        for column in COLUMNS:
            figures[f"mean of {column}, {GROUP}={label}"] = float(rows[column].mean())
            figures[f"standard_deviation of {column}, {GROUP}={label}"] = float(rows[column].std())
    return figures


DEMONSTRATION = Demonstration(
    title="Age and progesterone receptors of women with breast cancer, by hormonal therapy",
    data=gbsg2,
    method="summary",
    kwargs={"columns": COLUMNS, "group": GROUP},
    federated=_federated,
    pooled=_pooled,
    peer="pandas",
)
