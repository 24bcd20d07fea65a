"""How near federated answers come to those of the field's own programs on the pooled data.

Tests take the fixture `accuracy` and hand it both answers; it asserts, and the figures of all
tests are printed as one table at the end of the run.
"""

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from typing import Any

import numpy
from rich.console import Console
from rich.table import Table

PROPERTY = "accuracy"
EXACT = 1e-8
ITERATIVE = 1e-6


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes
    ----------
    algorithm, quantity, peer : str
        What was compared, and with the answer of which program.
    sites : int
        Over how many sites the data were cut.
    difference : float
        The largest difference, relative where the peer's number is larger than 1.
    limit : float
        The most it may be.
    """

    algorithm: str
    quantity: str
    peer: str
    sites: int
    difference: float
    limit: float


class Accuracy:
    """Compares, asserts, and notes the figure for the table.

    Parameters
    ----------
    note : callable
        Takes a Figure.
    """

    def __init__(self, note: Callable[[Figure], None]) -> None:
        self._note = note

    def __call__(
        self,
        algorithm: str,
        quantity: str,
        peer: str,
        sites: int,
        federated: Any,
        pooled: Any,
        limit: float = EXACT,
    ) -> None:
        """Assert that two arrays of numbers agree, and note how well they do."""
        ours, theirs = numpy.asarray(federated, dtype=float), numpy.asarray(pooled, dtype=float)
        assert ours.shape == theirs.shape
        assert numpy.isfinite(ours).all()
        assert ours.size
        difference = float(numpy.max(abs(ours - theirs) / numpy.maximum(1, abs(theirs))))
        self._note(Figure(algorithm, quantity, peer, sites, difference, limit))
        assert difference <= limit


@contextmanager
def peer() -> Iterator[None]:
    """Let the program of somebody else warn about its own libraries."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def figures(properties: Iterable[tuple[str, object]]) -> list[Figure]:
    """The figures among the properties of a test's report."""
    return [Figure(*value) for name, value in properties if name == PROPERTY]  # type: ignore[misc]


def as_property(figure: Figure) -> tuple[str, tuple[Any, ...]]:
    """A figure in the form in which it travels with a test's report, between processes too."""
    return PROPERTY, astuple(figure)


def show(noted: Iterable[Figure], console: Console) -> None:
    """Print the table."""
    table = Table(title="Federated against pooled", title_justify="left")
    for name in ("algorithm", "quantity", "peer"):
        table.add_column(name)
    for name in ("sites", "difference", "limit"):
        table.add_column(name, justify="right")
    for line in worst(noted):
        words = (line.algorithm, line.quantity, line.peer, str(line.sites))
        table.add_row(*words, f"{line.difference:.1e}", f"{line.limit:.0e}")
    console.print(table)


def worst(noted: Iterable[Figure]) -> list[Figure]:
    """One figure for each thing that was compared: where several data sets were, the worst."""
    found: dict[tuple[Any, ...], Figure] = {}
    for figure in noted:
        key = (figure.algorithm, figure.quantity, figure.peer, figure.sites, figure.limit)
        if key not in found or found[key].difference < figure.difference:
            found[key] = figure
    return sorted(found.values(), key=astuple)
