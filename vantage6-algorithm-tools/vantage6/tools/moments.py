"""Columns of numbers of several sites on one scale, from counts, means and sums of squares.

The federated standard deviation is that of all rows together. Means and sums of squares about
them are combined, not sums of squares alone: those lose the digits in which a column of large
numbers varies. Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for
computing sample variances (1979).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from vantage6.tools.columns import complete_rows, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Moments", "complete_values", "tell_moments"]

Numbers = NDArray[numpy.float64]
#: A deviation below this share of the mean is rounding: the column is constant.
CONSTANT = 1e-13


def complete_values(data: "DataFrame", columns: list[str], disclosure: Disclosure) -> Numbers:
    """The rows that lack no value in these columns, as an array of rows x columns.

    Raises
    ------
    DisclosureRefused
        When too few rows are left, or so few are left out that they would be the difference
        between this answer and another one.
    InputError
        When a column is not there, is named twice, or does not hold finite numbers only.
    """
    if not columns:
        raise InputError("Name at least one column")
    used = complete_rows(data, columns)
    values = [numbers(used[column]) for column in columns]
    disclosure.require_rows(len(used))
    left_out = len(data) - len(used)
    disclosure.require_cells([left_out], "rows without a value in a column that is asked for")
    return numpy.stack(values, axis=1)


def tell_moments(values: Numbers, columns: list[str], disclosure: Disclosure) -> dict[str, Any]:
    """What a site tells: `rows`, and for each column `means` and `squares` about them.

    Raises
    ------
    DisclosureRefused
        When mean and variance of a column would tell of single rows.
    """
    for name, column in zip(columns, values.T, strict=True):
        disclosure.require_moments(column, f"the column {name!r}")
    # A site may have no rows where its owner allows that.
    means = values.sum(axis=0) / max(1, len(values))
    squares = ((values - means) ** 2).sum(axis=0)
    return {"rows": len(values), "means": means.tolist(), "squares": squares.tolist()}


@dataclass(frozen=True)
class Moments:
    """Rows, and mean and standard deviation of each column, of all sites together."""

    rows: int
    mean: Numbers
    deviation: Numbers

    @classmethod
    def of(cls, answers: Iterable[dict[str, Any]], columns: list[str]) -> "Moments":
        """Combine what sites told.

        Raises
        ------
        InputError
            When a column has one value only.
        """
        told = list(answers)
        rows = numpy.array([answer["rows"] for answer in told], dtype=float)
        means = numpy.array([answer["means"] for answer in told])
        mean = rows @ means / rows.sum()
        squares = sum(numpy.array(answer["squares"]) for answer in told)
        deviation = numpy.sqrt((squares + rows @ (means - mean) ** 2) / rows.sum())
        for name, size, width in zip(columns, abs(mean), deviation, strict=True):
            if width <= CONSTANT * size:
                raise InputError(f"The column {name!r} has one value only; leave it out")
        return cls(int(rows.sum()), mean, deviation)
