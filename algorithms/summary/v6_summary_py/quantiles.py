"""Where a quantile of all values lies, from the cells of the histograms of all sites.

Each value is known to be in its cell, from `low` up to, but without, `high`. So the value at a
place in the order of all values is at least the first `low` that so many could reach, and below the
first `high` under which so many surely are.
"""

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

Cells = list[dict[str, Any]]

# Enough for every digit of the estimate.
_HALVINGS = 60


class Bounds(NamedTuple):
    """Two numbers, infinite where nothing is known, and what lies in between is likely."""

    low: float
    high: float


def quantile(cells: Cells, share: float, *, whole: bool) -> tuple[Bounds, float]:
    """The bounds of a quantile as numpy.quantile defines it by default, and an estimate.

    Parameters
    ----------
    cells : list of dict
        `low`, `high`, `count` of all sites; at least one value.
    share : float
        From 0 to 1.
    whole : bool
        Whether all values are whole numbers.

    Returns
    -------
    Bounds
        The quantile of the pooled values is within.
    float
        What it would be if the values were spread evenly over their cells.
    """
    place = (sum(cell["count"] for cell in cells) - 1) * share
    first, part = math.floor(place), place - math.floor(place)
    below = at_place(cells, first, whole=whole)
    above = at_place(cells, math.ceil(place), whole=whole)
    bounds = Bounds(*(_between(low, high, part) for low, high in zip(below, above, strict=True)))
    # Whole numbers lie half a unit below the middle of where an even spread would put them.
    shift = 0.5 if whole else 0.0
    estimate = _spread_evenly(cells, place + 0.5, Bounds(bounds.low, bounds.high + 2 * shift))
    return bounds, min(max(estimate - shift, bounds.low), bounds.high)


def at_place(cells: Cells, place: int, *, whole: bool) -> Bounds:
    """The bounds of the value at a place in the order of all values, counted from 0."""
    lows = sorted((_low(cell), cell["count"]) for cell in cells)
    highs = sorted((_high(cell), cell["count"]) for cell in cells)
    low, high = _reached(lows, place), _reached(highs, place)
    if not whole:
        return Bounds(low, high)
    return Bounds(
        math.ceil(low) if math.isfinite(low) else low,
        math.ceil(high) - 1 if math.isfinite(high) else high,
    )


def _reached(edges: list[tuple[float, int]], place: int) -> float:
    """The first edge with more values up to there than the place."""
    totals = accumulate(count for _, count in edges)
    return next(edge for (edge, _), total in zip(edges, totals, strict=True) if total > place)


def around(cells: Cells, share: float, *, whole: bool) -> tuple[Bounds, bool]:
    """Where a quantile lies, and whether smaller cells would tell it better."""
    place = (sum(cell["count"] for cell in cells) - 1) * share
    below = at_place(cells, math.floor(place), whole=whole)
    above = at_place(cells, math.ceil(place), whole=whole)
    known = below.low == below.high and above.low == above.high
    unsure = not known and any(
        not cell["final"] and _low(cell) <= above.high and _high(cell) >= below.low
        for cell in cells
    )
    return Bounds(below.low, above.high), unsure


def _between(low: float, high: float, part: float) -> float:
    """A part of the way from one number to another one."""
    if not part or low == high:
        return low
    return low + (high - low) * part if math.isfinite(low) else low


def _spread_evenly(cells: Cells, count: float, bounds: Bounds) -> float:
    """Below which number there would be so many values, each cell filled evenly."""
    low, high = bounds
    if not math.isfinite(high - low):
        return low if math.isfinite(low) else high
    for _ in range(_HALVINGS):
        middle = low + (high - low) / 2
        if math.fsum(_part_below(cell, middle) for cell in cells) < count:
            low = middle
        else:
            high = middle
    return low + (high - low) / 2


def _part_below(cell: dict[str, Any], edge: float) -> float:
    low, high = _low(cell), _high(cell)
    if edge >= high:
        return float(cell["count"])
    if edge <= low or not math.isfinite(high - low):
        return 0.0
    return float(cell["count"]) * (edge - low) / (high - low)


def _low(cell: dict[str, Any]) -> float:
    return -math.inf if cell["low"] is None else float(cell["low"])


def _high(cell: dict[str, Any]) -> float:
    return math.inf if cell["high"] is None else float(cell["high"])


def finite(number: float) -> float | None:
    """The number, None where it is infinite."""
    return number if math.isfinite(number) else None


def outermost(cells: Sequence[dict[str, Any]], *, whole: bool) -> Bounds:
    """Numbers between which all values lie."""
    total = sum(cell["count"] for cell in cells)
    first = at_place(list(cells), 0, whole=whole)
    last = at_place(list(cells), total - 1, whole=whole)
    return Bounds(first.low, last.high)
