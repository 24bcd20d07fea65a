"""What one organization tells: counts and sums of the rows that are nearest to each centre."""

from typing import TYPE_CHECKING, Any

import numpy

from v6_kmeans_py.labels import Numbers, distances
from vantage6.tools.disclosure import Disclosure, DisclosureRefused
from vantage6.tools.exceptions import InputError
from vantage6.tools.microaggregation import alike
from vantage6.tools.moments import complete_values, tell_moments

if TYPE_CHECKING:
    from pandas import DataFrame

INSTEAD = "ask without exact=True, for clusters of groups of alike rows"


def RPC_kmeans_moments(data: "DataFrame", columns: list[str]) -> dict[str, Any]:  # noqa: N802
    """Rows, means and sums of squares of the columns, to put all sites on one scale.

    Raises
    ------
    DisclosureRefused
        When there are too few rows, or a few of them are most of a sum.
    InputError
        When a column does not hold finite numbers.
    """
    disclosure = Disclosure.at_this_site()
    return tell_moments(complete_values(data, columns, disclosure), columns, disclosure)


def RPC_kmeans_sums(  # noqa: N802
    data: "DataFrame",
    columns: list[str],
    starts: list[list[list[float]]],
    mean: list[float],
    scale: list[float],
    exact: bool = False,
) -> list[dict[str, Any] | None]:
    """Count and sum the rows that are nearest to each centre, for several sets of centres.

    Parameters
    ----------
    data : DataFrame
    columns : list of str
        Columns of numbers; rows that lack a value in one of them are left out.
    starts : list of list of list of float
        Sets of centres, each a point on the common scale.
    mean, scale : list of float
        What is subtracted from each column, and by what it is divided then.
    exact : bool
        Whether the rows themselves are clustered, which the data owner has to allow
        (`cluster_sums`), and not the means of groups of alike rows.

    Returns
    -------
    list of dict
        For each set: `rows` nearest to each centre; `sums` of their places, and `squares` of
        their distances from it, both by centre and column on the common scale. None for a set
        in which few rows, but some, are nearest to a centre.

    Raises
    ------
    DisclosureRefused
        When there are too few rows, or in every set few of them are nearest to a centre.
    InputError
        When centres, mean and scale are not finite points of as many columns.
    """
    disclosure = Disclosure.at_this_site()
    if exact:
        disclosure.require_cluster_sums(INSTEAD)
    centres, places, widths = _checked(columns, starts, mean, scale)
    values = complete_values(data, columns, disclosure)
    points, sizes = _points(values, columns, disclosure, exact)
    scaled = (points - places) / widths
    told = [_unless_few(_sums(scaled, sizes, start), disclosure) for start in centres]
    if not any(told):
        raise DisclosureRefused(f"Few rows here are nearest to one of the centres; {INSTEAD}")
    return told


def _unless_few(answer: dict[str, Any], disclosure: Disclosure) -> dict[str, Any] | None:
    try:
        disclosure.require_cells(answer["rows"], "rows that are nearest to a centre")
    except DisclosureRefused:
        return None
    return answer


def _points(
    values: Numbers, columns: list[str], disclosure: Disclosure, exact: bool
) -> tuple[Numbers, Numbers]:
    """What is clustered, and how many rows each point stands for."""
    if exact:
        return values, numpy.ones(len(values))
    # By name: groups may not depend on the order in which a researcher puts the columns.
    groups = alike(values[:, numpy.argsort(columns)], disclosure)
    means = numpy.array([values[rows].mean(axis=0) for rows in groups])
    return means, numpy.array([len(rows) for rows in groups], dtype=float)


def _sums(points: Numbers, sizes: Numbers, centres: Numbers) -> dict[str, Any]:
    nearest = distances(points, centres).argmin(axis=1)
    chosen = numpy.zeros((len(centres), len(points)))
    chosen[nearest, numpy.arange(len(points))] = sizes
    squares = chosen @ (points - centres[nearest]) ** 2
    rows = chosen.sum(axis=1).astype(int)
    return {
        "rows": rows.tolist(),
        "sums": (chosen @ points).tolist(),
        "squares": squares.tolist(),
    }


def _checked(
    columns: list[str],
    starts: list[list[list[float]]],
    mean: list[float],
    scale: list[float],
) -> tuple[list[Numbers], Numbers, Numbers]:
    wrong = InputError("Centres, mean and scale are finite numbers, one for each column")
    try:
        centres = [numpy.array(start, dtype=float) for start in starts]
        places, widths = numpy.array(mean, dtype=float), numpy.array(scale, dtype=float)
    except (TypeError, ValueError):
        raise wrong from None
    shapes = [start.shape[1:] for start in centres] + [places.shape, widths.shape]
    if any(shape != (len(columns),) for shape in shapes) or not all(map(len, centres)):
        raise wrong
    if not all(numpy.isfinite(part).all() for part in (*centres, places, widths)):
        raise wrong
    if not (widths > 0).all():
        raise InputError("Columns are divided by a scale above 0")
    return centres, places, widths
