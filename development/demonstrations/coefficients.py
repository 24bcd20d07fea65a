"""What the demonstrations of regression models compare: each coefficient and its error."""

from collections.abc import Iterable
from typing import Any

import pandas

from development.demonstrations import Figures


def figures_of(
    terms: Iterable[str], coefficients: Iterable[float], errors: Iterable[float]
) -> Figures:
    """Both figures of each term, by name."""
    figures: Figures = {}
    for term, coefficient, error in zip(terms, coefficients, errors, strict=True):
        figures |= {term: float(coefficient), f"{term} (error)": float(error)}
    return figures


def federated(answer: Any) -> Figures:
    """Those of a federated model."""
    table = pandas.DataFrame(answer["coefficients"])
    return figures_of(table["term"], table["coefficient"], table["standard_error"])
