"""One run of Lloyd's algorithm, from first centres to the last ones."""

from typing import Any

import numpy
from numpy.typing import NDArray

from v6_kmeans_py.labels import Numbers, distances

#: How often centres without rows are put elsewhere before they may stay alone.
MOVES = 10


class Start:
    """Centres that move to the means of the rows nearest to them.

    Parameters
    ----------
    centres : array of float, centres x columns
        Where they begin, on the common scale.
    spread : array of float
        Standard deviation of each column on that scale.
    generator : numpy.random.Generator
        Says where centres without rows go.

    Attributes
    ----------
    centres : array of float
        What organizations are to be asked about next.
    asked : array of float
        What they were asked about last; to these belong:
    rows : array of int
        How many are nearest to each centre.
    inertia : float
        Sum of squared distances of all rows from their centres.
    iterations : int
    converged : bool
        Whether the last round moved no centre.
    """

    def __init__(self, centres: Numbers, spread: Numbers, generator: numpy.random.Generator):
        self.centres = self.asked = centres
        self.rows: NDArray[Any] = numpy.zeros(len(centres), dtype=int)
        self.inertia = numpy.inf
        self.iterations = 0
        self.converged = False
        self._squares: NDArray[Any] = numpy.zeros(centres.shape)
        self.spread, self._generator = spread, generator
        self._moves_left = MOVES

    def step(self, answers: list[dict[str, Any]], tolerance: float) -> None:
        """Take in what organizations told of the centres, and move these."""
        self.asked = self.centres
        self.rows, self._squares, sums = (
            numpy.sum([answer[name] for answer in answers], axis=0)
            for name in ("rows", "squares", "sums")
        )
        self.inertia = float(self._squares.sum())
        self.iterations += 1
        taken = self.rows > 0
        moved = self.centres.copy()
        moved[taken] = sums[taken] / self.rows[taken, None]
        if not taken.all() and self._moves_left:
            self._moves_left -= 1
            moved[~taken] = self._beside_the_widest(moved, int((~taken).sum()))
        self.converged = float(((moved - self.centres) ** 2).sum()) <= tolerance
        self.centres = moved

    def described(self, columns: list[str], mean: Numbers, scale: Numbers) -> dict[str, Any]:
        """What the researcher gets of this run, in the units of the columns."""
        within = numpy.sqrt(self._squares / numpy.maximum(self.rows, 1)[:, None])
        return {
            "columns": columns,
            "centres": self._records(columns, self.asked * scale + mean),
            "spreads": self._records(columns, within * scale),
            "inertia": self.inertia,
            "iterations": self.iterations,
            "converged": self.converged,
            "mean": mean.tolist(),
            "scale": scale.tolist(),
        }

    def _records(self, columns: list[str], table: Numbers) -> list[dict[str, Any]]:
        return [
            {"cluster": number, "rows": rows, **dict(zip(columns, line, strict=True))}
            for number, (rows, line) in enumerate(
                zip(self.rows.tolist(), table.tolist(), strict=True)
            )
        ]

    def _beside_the_widest(self, centres: Numbers, number: int) -> Numbers:
        """Places for centres without rows: about one standard deviation from the widest centres.

        Programs that see the rows take the row that is farthest away.
        """
        widest = numpy.argsort(-self._squares.sum(axis=1), kind="stable")[:number]
        places = numpy.resize(widest, number)
        within = numpy.sqrt(self._squares[places] / numpy.maximum(self.rows[places], 1)[:, None])
        return centres[places] + within * self._generator.standard_normal((number, len(within.T)))


def seeds(candidates: Start, clusters: int, generator: numpy.random.Generator) -> Numbers:
    """First centres out of many candidates, far from each other and where rows are.

    Each is drawn with a chance that grows with the rows of the candidate and its squared distance
    from those drawn before. Sources: Arthur and Vassilvitskii, k-means++ (2007); the weights are
    those of Bahmani et al., Scalable k-means++ (2012).
    """
    with_rows = candidates.rows > 0
    places, weights = candidates.centres[with_rows], candidates.rows[with_rows]
    chances = weights.astype(float)
    chosen: list[int] = []
    while len(chosen) < clusters and chances.sum() > 0:
        chosen.append(int(generator.choice(len(places), p=chances / chances.sum())))
        chances = weights * distances(places, places[chosen]).min(axis=1)
    lacking = generator.standard_normal((clusters - len(chosen), places.shape[1]))
    return numpy.concatenate([places[chosen], lacking * candidates.spread])
