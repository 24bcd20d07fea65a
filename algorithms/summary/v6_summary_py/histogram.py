"""How many values lie where, at one site: a tree of cells that the data alone decide.

A cell holds no value or at least as many as the data owner tells (`least`). It is divided where
both halves do so, too; how, depends on the values in it and on nothing else. So all answers of a
site, to whatever rounds and questions, are cells of one tree: they are within each other or apart,
and no difference of two of them is a smaller cell.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray

Interval = Sequence[float | None]

#: A cell is not divided where its width is that of a rounding error.
_FINEST = 2.0**-50
#: Where the middle divides off too few, edges are tried up to this many halvings further down.
_DEPTH = 8
# The width of all cells together has to be a number, too.
_LARGEST_EXPONENT = 1022


@dataclass(frozen=True)
class Cell:
    """One cell: from `low` up to, but without, `high`; its values are those from `first` on."""

    low: float
    high: float
    first: int
    end: int

    @property
    def count(self) -> int:
        """How many values are in it."""
        return self.end - self.first


class Histogram:
    """The values of a column at one site.

    Parameters
    ----------
    values : array of float
        Finite, in any order.
    least : int
        The smallest count that is told.
    """

    def __init__(self, values: "NDArray[float64]", least: int) -> None:
        import numpy

        self.least = least
        ordered = numpy.sort(values)
        # No wider than what enough people reach; who is beyond is counted in the outermost cell.
        self.bound = _power_of_two_above(numpy.sort(abs(values))[-least]) if len(values) else 1.0
        self.below = int((ordered < -self.bound).sum())
        self.beyond = int((ordered >= self.bound).sum())
        self._values = numpy.clip(ordered, -self.bound, numpy.nextafter(self.bound, 0))

    def cells(self, between: Sequence[Interval], most: int) -> list[dict[str, Any]]:
        """Cells that hold all values, small ones in some intervals.

        Parameters
        ----------
        between : sequence of (low, high)
            Where the cells shall be small; None is as far as it goes.
        most : int
            About how many cells there may be in the intervals.

        Returns
        -------
        list of dict
            `low` and `high` of each cell (None where it is open), its `count`, and whether it is
            `final`: that there are no smaller ones.
        """
        told: list[dict[str, Any]] = []
        waiting = deque([self._tight(Cell(-self.bound, self.bound, 0, len(self._values)))])
        while waiting:
            cell = waiting.popleft()
            if not cell.count:
                continue
            edge = self._edge(cell)
            if edge is None or len(waiting) >= most or not _touches(cell, between):
                told.append(self._told(cell, final=edge is None))
            else:
                waiting.extend(map(self._tight, self._divided(cell, edge)))
        return sorted(told, key=lambda cell: -math.inf if cell["low"] is None else cell["low"])

    def _told(self, cell: Cell, *, final: bool) -> dict[str, Any]:
        is_open_below = self.below and not cell.first
        is_open_above = self.beyond and cell.end == len(self._values)
        return {
            "low": None if is_open_below else cell.low,
            "high": None if is_open_above else cell.high,
            "count": cell.count,
            "final": final,
        }

    def _tight(self, cell: Cell) -> Cell:
        """The cell without halves in which there is nothing: 0 is told."""
        low, high = cell.low, cell.high
        if not cell.count:
            return cell
        smallest, largest = self._values[cell.first], self._values[cell.end - 1]
        while high - low > _FINEST * self.bound:
            middle = (low + high) / 2
            if smallest >= middle:
                low = middle
            elif largest < middle:
                high = middle
            else:
                break
        return Cell(low, high, cell.first, cell.end)

    def _divided(self, cell: Cell, edge: float) -> tuple[Cell, Cell]:
        import numpy

        at = int(numpy.searchsorted(self._values, edge))
        return (
            Cell(cell.low, edge, cell.first, at),
            Cell(edge, cell.high, at, cell.end),
        )

    def _edge(self, cell: Cell) -> float | None:
        """Where a cell is divided; None where it cannot be.

        In the middle, if that leaves enough on both sides. Otherwise at an edge of a finer grid,
        and then only if the cells of that grid on both sides of it hold none or enough: who
        asks why it was not the middle learns nothing of few.
        """
        import numpy

        if cell.count < 2 * self.least or cell.high - cell.low <= _FINEST * self.bound:
            return None
        values = self._values[cell.first : cell.end]
        for depth in range(1, _DEPTH + 1):
            edges = numpy.linspace(cell.low, cell.high, 2**depth + 1)[1:-1]
            before = numpy.searchsorted(values, edges)
            smaller = numpy.minimum(before, cell.count - before)
            around = numpy.diff([0, *before, cell.count])
            may = (around == 0) | (around >= self.least)
            fit = (smaller >= self.least) & may[:-1] & may[1:]
            if fit.any():
                return float(edges[numpy.argmax(numpy.where(fit, smaller, 0))])
        return None


def _touches(cell: Cell, between: Sequence[Interval]) -> bool:
    return any(
        (low is None or cell.high >= low) and (high is None or cell.low <= high)
        for low, high in between
    )


def _power_of_two_above(size: float) -> float:
    """The smallest power of two that is larger, 1 for 0."""
    return math.ldexp(1.0, min(math.frexp(size)[1], _LARGEST_EXPONENT))
