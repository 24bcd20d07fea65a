"""Two categories crossed, and whether they are related."""

from typing import Any

import pandas
from scipy import stats

from development.cohorts import gbsg2
from development.demonstrations import Demonstration, Figures

ROWS, COLUMNS = "menostat", "horTh"


def _federated(answer: Any) -> Figures:
    (tests,) = answer["tests"]
    return {
        **{f"{cell['row']}, {cell['column']}": cell["count"] for cell in answer["table"]},
        "chi-square": tests["chi_square"],
        "p": tests["p_value"],
        "p (Fisher)": tests["p_value_fisher"],
    }


def _pooled(frame: pandas.DataFrame) -> Figures:
    table = pandas.crosstab(frame[ROWS], frame[COLUMNS])
    chi_square, p, *_ = stats.chi2_contingency(table, correction=False)
    return {
        **{
            f"{row}, {column}": int(table.loc[row, column])
            for row in table.index
            for column in table.columns
        },
        "chi-square": float(chi_square),
        "p": float(p),
        "p (Fisher)": float(stats.fisher_exact(table).pvalue),
    }


DEMONSTRATION = Demonstration(
    title="Hormonal therapy of women with breast cancer, by menopausal status",
    data=gbsg2,
    method="crosstab",
    kwargs={"rows": ROWS, "columns": COLUMNS},
    federated=_federated,
    pooled=_pooled,
    peer="scipy",
)
