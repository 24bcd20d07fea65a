"""The maximum of a likelihood whose sums come from many sites, and the table of coefficients.

Each step of Newton's method asks the sites once for their sums at the coefficients reached so
far; nothing but those sums is needed here. With the expected information in place of the
observed one, the same steps are those of iteratively reweighted least squares.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import ArrayLike, NDArray

from vantage6.tools.exceptions import InputError
from vantage6.tools.sums import Sums

__all__ = [
    "Maximum",
    "NoMaximum",
    "check_confidence",
    "chi_square_test",
    "coefficient_table",
    "inverse",
    "maximize",
]

#: The last step is shorter than this many standard errors.
TOLERANCE = 1e-7
HALVINGS = 6
#: What rounding may take from a likelihood, as a share of it.
ROUNDING = 1e-12
#: The smallest eigenvalue of an information, scaled to a diagonal of ones, that is not rounding.
COLLINEAR = 1e-10
#: After so many steps that were too long for a site to tell its sums, there is no maximum near.
WITHHELD = 3
#: A step of fewer standard errors than this should be followed by a much shorter one.
NEAR = 0.03


class NoMaximum(ValueError):
    """The model has no coefficients that fit best, or none was found; the text says why."""


@dataclass(frozen=True)
class Maximum:
    """Where the likelihood is largest.

    Attributes
    ----------
    coefficients : array of shape (p,)
    covariance : array of shape (p, p)
        The inverse of the information.
    start, end : Sums
        What the sites said at the first and the last coefficients.
    iterations : int
        How often they were asked.
    """

    coefficients: NDArray[Any]
    covariance: NDArray[Any]
    start: Sums
    end: Sums
    iterations: int


def maximize(
    ask: Callable[[NDArray[Any]], Sums],
    start: ArrayLike,
    terms: Sequence[str],
    max_iterations: int = 25,
) -> Maximum:
    """Find the maximum of a concave log-likelihood by Newton's method with step halving.

    Parameters
    ----------
    ask : callable
        Takes coefficients and gives the sums there; every call is one round over the sites.
    start : array of shape (p,)
        Where to begin.
    terms : sequence of str
        The names of the coefficients, for errors. The columns are best scaled to one size.
    max_iterations : int
        The most rounds.

    Raises
    ------
    NoMaximum
        For collinear terms, for coefficients that grow without end, and when it takes too long.
    """
    search = _Search(ask, numpy.asarray(start, dtype=float), terms, max_iterations)
    return search.run()


class _Search:
    def __init__(
        self,
        ask: Callable[[NDArray[Any]], Sums],
        start: NDArray[Any],
        terms: Sequence[str],
        most: int,
    ) -> None:
        self._ask, self._terms, self._most = ask, terms, most
        self.here, self.iterations = start, 0
        self._long_steps, self._withheld_steps = 0, 0

    def run(self) -> Maximum:
        first = sums = self._sums(self.here)
        if not math.isfinite(sums.log_likelihood):
            raise NoMaximum(sums.withheld or "The model cannot be computed where the search begins")
        before = math.inf
        while True:
            covariance = inverse(sums.information, self._terms)
            step = covariance @ sums.score
            errors = math.sqrt(max(0.0, float(sums.score @ step)))
            if errors < TOLERANCE:
                return Maximum(self.here + step, covariance, first, sums, self.iterations)
            length = float(numpy.abs(step).max())
            self._watch_growth(step, errors, length > 0.3 * before)
            before = length
            sums = self._advance(step, sums)

    def _sums(self, where: NDArray[Any]) -> Sums:
        if self.iterations >= self._most:
            raise NoMaximum(f"The model has not converged after {self._most} iterations")
        self.iterations += 1
        return self._ask(where)

    def _watch_growth(self, step: NDArray[Any], errors: float, is_long: bool) -> None:
        """Near a maximum each step is far shorter than the one before; on the way to infinity not.

        The likelihood gains ever less there, while the coefficients walk on at one pace.
        """
        self._long_steps = self._long_steps + 1 if errors < NEAR and is_long else 0
        if self._long_steps >= 2:
            term = self._terms[int(numpy.abs(step).argmax())]
            raise NoMaximum(_endless(term))

    def _advance(self, step: NDArray[Any], sums: Sums) -> Sums:
        """Go the step, or as much of it as does not lower the likelihood."""
        least = sums.log_likelihood - ROUNDING * (1 + abs(sums.log_likelihood))
        withheld = ""
        for halvings in range(HALVINGS + 1):
            there = self.here + step / 2**halvings
            found = self._sums(there)
            if found.log_likelihood >= least:
                self.here = there
                return found
            withheld = withheld or found.withheld
            self._withheld_steps += bool(withheld) and not halvings
            if self._withheld_steps >= WITHHELD:
                break
        raise NoMaximum(withheld or "The likelihood does not grow any more, but is not flat")


def _endless(term: str) -> str:
    return (
        f"The coefficient of {term!r} grows without end: it separates the outcomes perfectly,"
        " or one of its groups has no events; leave it out, or merge its levels"
    )


def inverse(information: NDArray[Any], terms: Sequence[str]) -> NDArray[Any]:
    """The inverse of an information, in a scale in which its diagonal is one.

    Raises
    ------
    NoMaximum
        When a term says nothing, or some together say what others do.
    """
    diagonal = numpy.diag(information)
    for term, value in zip(terms, diagonal, strict=True):
        if not value > 0:
            raise NoMaximum(f"The data say nothing about the coefficient of {term!r}")
    scale = 1 / numpy.sqrt(diagonal)
    scaled = information * numpy.outer(scale, scale)
    values, vectors = numpy.linalg.eigh((scaled + scaled.T) / 2)
    if values[0] < COLLINEAR:
        raise NoMaximum(_collinear(vectors[:, 0], terms))
    inverted: NDArray[Any] = (vectors / values) @ vectors.T * numpy.outer(scale, scale)
    return inverted


def _collinear(direction: NDArray[Any], terms: Sequence[str]) -> str:
    share = numpy.abs(direction) / numpy.abs(direction).max()
    named = ", ".join(repr(term) for term, part in zip(terms, share, strict=True) if part > 0.05)
    return f"One of the terms {named} follows from the others exactly; leave one out"


def check_confidence(confidence: float) -> None:
    """Refuse what is no chance with which bounds could hold.

    Raises
    ------
    InputError
        Unless it lies between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise InputError("The confidence has to lie between 0 and 1, such as 0.95")


def coefficient_table(
    terms: Sequence[str],
    coefficients: ArrayLike,
    covariance: ArrayLike,
    *,
    confidence: float = 0.95,
    degrees_of_freedom: float | None = None,
    ratio: str = "",
) -> list[dict[str, Any]]:
    """One record for each term: the coefficient, how sure it is, and its two-sided test.

    Parameters
    ----------
    terms : sequence of str
        Their names.
    coefficients : array of shape (p,)
    covariance : array of shape (p, p)
    confidence : float
        The chance with which the bounds hold the true coefficient.
    degrees_of_freedom : float, optional
        Those of Student's t; without them the test is that of the normal distribution.
    ratio : str
        Under which name the exponential of the coefficient is told too, such as `odds_ratio`.

    Returns
    -------
    list of dict
        `term`, `coefficient`, `standard_error`, `statistic`, `p_value`, `lower`, `upper`, and
        with a ratio its `<ratio>`, `<ratio>_lower`, `<ratio>_upper`.
    """
    from scipy import special

    values = numpy.asarray(coefficients, dtype=float)
    errors = numpy.sqrt(numpy.diag(numpy.asarray(covariance, dtype=float)))
    statistics = values / errors
    if degrees_of_freedom is None:
        p_values = 2 * special.ndtr(-abs(statistics))
        reach = special.ndtri((1 + confidence) / 2)
    else:
        p_values = 2 * special.stdtr(degrees_of_freedom, -abs(statistics))
        reach = special.stdtrit(degrees_of_freedom, (1 + confidence) / 2)
    columns = {
        "term": terms,
        "coefficient": values,
        "standard_error": errors,
        "statistic": statistics,
        "p_value": p_values,
        "lower": values - reach * errors,
        "upper": values + reach * errors,
    }
    if ratio:
        with numpy.errstate(over="ignore"):
            columns |= {
                ratio: numpy.exp(values),
                f"{ratio}_lower": numpy.exp(columns["lower"]),
                f"{ratio}_upper": numpy.exp(columns["upper"]),
            }
    rows = zip(*(_plain(column) for column in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _plain(column: Any) -> list[Any]:
    """Values that JSON can hold: None for a bound that is beyond all numbers."""
    if not isinstance(column, numpy.ndarray):
        return list(column)
    return [value if math.isfinite(value) else None for value in column.tolist()]


def chi_square_test(statistic: float, degrees_of_freedom: int) -> dict[str, Any]:
    """A statistic with its degrees of freedom and the p-value of the chi-square distribution."""
    from scipy import special

    return {
        "statistic": float(statistic),
        "degrees_of_freedom": degrees_of_freedom,
        "p_value": float(special.chdtrc(degrees_of_freedom, max(0.0, statistic))),
    }
