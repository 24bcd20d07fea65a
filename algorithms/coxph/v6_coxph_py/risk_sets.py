"""The partial likelihood of Cox from sums over risk sets, in time n log n and memory n p.

Sources: Breslow, discussion of Cox (1972), and Biometrics 30 (1974), 89-99; Efron, JASA 72 (1977),
557-565. With d deaths at one time, S the sum over all at risk and E that over the deaths, Efron's
l-th denominator is S - (l / d) E for l = 0 ... d - 1; Breslow's is S each time.
"""

from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

Numbers = NDArray[Any]
EFRON, BRESLOW = "efron", "breslow"


@dataclass(frozen=True)
class RiskSets:
    """Sums of exp(eta) and exp(eta) x at each time with a death.

    Attributes
    ----------
    deaths : array of shape (g,)
        How many die at each time.
    at_risk, dying : array of shape (g,)
        The sum of exp(eta) over those at risk, and over those who die.
    at_risk_x, dying_x : array of shape (g, p)
        The sums of exp(eta) x.
    """

    deaths: Numbers
    at_risk: Numbers
    dying: Numbers
    at_risk_x: Numbers
    dying_x: Numbers


@dataclass(frozen=True)
class Denominators:
    """What the risk sets add to the likelihood and its derivatives.

    Attributes
    ----------
    logarithms : float
        The sum of the logarithms of all denominators.
    means : array of shape (p,)
        The sum of the mean covariates of the risk sets, one for each death.
    products : array of shape (p, p)
        The sum of the products of those means.
    hazard : array of shape (g,)
        The sum of 1 / denominator at each time: the step of the cumulative baseline hazard.
    tied : array of shape (g,)
        The sum of (l / d) / denominator.
    """

    logarithms: float
    means: Numbers
    products: Numbers
    hazard: Numbers
    tied: Numbers


def bins(times: Numbers, event_times: Numbers) -> Numbers:
    """For each row, in how many of the risk sets it is: those up to its own time."""
    return numpy.searchsorted(event_times, times, side="right")


def over_risk_sets(values: Numbers, bin_of: Numbers, count: int) -> Numbers:
    """Sums over each risk set of values of rows: shape (n,) or (n, k) becomes (g,) or (g, k)."""
    return over_bins(values, bin_of, count + 1)[::-1].cumsum(axis=0)[::-1][1:]


def over_bins(values: Numbers, bin_of: Numbers, count: int) -> Numbers:
    """Sums of the values of the rows in each bin."""
    columns = values.reshape(len(values), -1).T
    sums = [numpy.bincount(bin_of, weights=column, minlength=count) for column in columns]
    return numpy.array(sums).T.reshape(count, *values.shape[1:])


def denominators(sets: RiskSets, ties: str) -> Denominators:
    """Everything of the partial likelihood that is not a sum over single rows."""
    group = numpy.repeat(numpy.arange(len(sets.deaths)), sets.deaths)
    share = numpy.zeros(len(group))
    if ties == EFRON:
        first = numpy.cumsum(sets.deaths) - sets.deaths
        share = (numpy.arange(len(group)) - first[group]) / sets.deaths[group]
    sums = sets.at_risk[group] - share * sets.dying[group]
    means = (sets.at_risk_x[group] - share[:, None] * sets.dying_x[group]) / sums[:, None]
    groups = len(sets.deaths)
    return Denominators(
        logarithms=float(numpy.log(sums).sum()),
        means=means.sum(axis=0),
        products=means.T @ means,
        hazard=numpy.bincount(group, weights=1 / sums, minlength=groups),
        tied=numpy.bincount(group, weights=share / sums, minlength=groups),
    )
