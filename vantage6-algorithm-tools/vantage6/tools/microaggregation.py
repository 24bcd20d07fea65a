"""Groups of rows that are alike, so that an answer can stand on groups instead of people.

An answer that is right by itself can still tell a person when it is put beside another one: ask
for all events until day 100, then for those until day 101. The remedy is to look at the rows
only through one fixed division of them into groups. Whatever is asked then, and however often,
no two answers differ by less than a group, and no sum is over fewer people.

The division is that of LeFevre, DeWitt and Ramakrishnan, Mondrian multidimensional k-anonymity
(2006): cut the rows in two in the column in which they differ most, as long as both parts may be
told. They cut at the median; here it is where the parts differ most, in the middle half of the
rows, so that no group lies across two clusters where it need not. To use the mean of each group
is called microaggregation: Domingo-Ferrer and Mateo-Sanz, Practical data-oriented
microaggregation for statistical disclosure control (2002).
"""

import numpy
from numpy.typing import NDArray

from vantage6.tools.disclosure import Disclosure

__all__ = ["alike"]

Rows = NDArray[numpy.intp]


def alike(values: NDArray[numpy.float64], disclosure: Disclosure) -> list[Rows]:
    """Divide rows into groups of rows that are alike and whose sums may be told.

    Parameters
    ----------
    values : array of float, rows x columns
        Finite numbers. Columns count by their spread, so their units do not matter.
    disclosure : Disclosure
        Each group has at least `minimum_cell` and `minimum_rows` rows, and no dominance in any
        column.

    Returns
    -------
    list of array of int
        The positions of the rows of each group. It depends on the values and the thresholds
        alone: nothing that a researcher asks may move a row from one group to another.

    Raises
    ------
    DisclosureRefused
        When not even all rows together may be told.
    """
    if not len(values):
        return []
    disclosure.require_cells([len(values)], "rows")
    for column in values.T:
        disclosure.require_no_dominance(column)
    spread = values.std(axis=0)
    scaled = values / numpy.where(spread > 0, spread, 1)
    waiting, done = [numpy.arange(len(values))], []
    while waiting:
        rows = waiting.pop()
        parts = _cut(rows, values, scaled, disclosure)
        if parts:
            waiting.extend(reversed(parts))
        else:
            done.append(rows)
    return done


def _cut(
    rows: Rows,
    values: NDArray[numpy.float64],
    scaled: NDArray[numpy.float64],
    disclosure: Disclosure,
) -> tuple[Rows, Rows] | None:
    """Two parts by the first column, in order of width, in which both may be told."""
    least = max(disclosure.thresholds.minimum_cell, disclosure.thresholds.minimum_rows)
    if len(rows) < 2 * least:
        return None
    widths = numpy.ptp(scaled[rows], axis=0)
    for column in numpy.argsort(-widths, kind="stable"):
        if widths[column] == 0:
            break
        ordered = rows[numpy.argsort(scaled[rows, column], kind="stable")]
        place = _widest_gap(scaled[ordered, column], least)
        parts = ordered[:place], ordered[place:]
        if not any(disclosure.has_dominance(values[part]) for part in parts):
            return parts
    return None


def _widest_gap(ordered: NDArray[numpy.float64], least: int) -> int:
    """Where to cut ordered numbers so that the variance within both parts is smallest."""
    number = len(ordered)
    first = max(least, number // 4)
    sizes = numpy.arange(first, number - first + 1)
    sums = numpy.cumsum(ordered - ordered.mean())[sizes - 1]
    # All are centred, so the second part's sum is the negative of the first's.
    gains = sums**2 * (1 / sizes + 1 / (number - sizes))
    # The first of those that are equal but for the last bits.
    return int(sizes[numpy.argmax(gains >= gains.max() * (1 - 1e-9))])
