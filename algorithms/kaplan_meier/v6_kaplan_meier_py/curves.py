"""Survival curves and their test, from counts of people at times."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy
from numpy.typing import NDArray

Numbers = NDArray[numpy.floating[Any]]

# A survival of one half that is computed as a product may miss it by the last bits.
HAIR = 1e-9


@dataclass(frozen=True)
class Life:
    """The people of one group, all organizations together.

    Attributes
    ----------
    times : array of float
        Distinct times in order, from 0.
    events, censored : array of float
        How many people had the event, or were last seen, at each time.
    """

    times: Numbers
    events: Numbers
    censored: Numbers

    @classmethod
    def of(cls, tables: list[dict[str, Any]]) -> "Life":
        """The counts of several organizations, added."""
        times = numpy.unique([0.0, *(time for table in tables for time in table["times"])])
        sums = {name: numpy.zeros(len(times)) for name in ("events", "censored")}
        for table in tables:
            positions = numpy.searchsorted(times, table["times"])
            for name, total in sums.items():
                total[positions] += table[name]
        return cls(times, **sums)

    @property
    def at_risk(self) -> Numbers:
        """How many people are followed until each time or longer."""
        return numpy.cumsum((self.events + self.censored)[::-1])[::-1]

    @property
    def last(self) -> float:
        """The last time at which somebody was seen."""
        return float(self.times[-1])


@dataclass(frozen=True)
class Curve:
    """The Kaplan-Meier estimate of one group, an array of numbers for each column.

    Sources: Kaplan and Meier (1958) for `survival`; Greenwood (1926) for `standard_error`;
    Kalbfleisch and Prentice, The statistical analysis of failure time data (1980), section 1.3,
    for the bounds, which are symmetric on the scale of log(-log S).
    """

    life: Life
    survival: Numbers
    standard_error: Numbers
    lower: Numbers
    upper: Numbers

    @classmethod
    def of(cls, life: Life, confidence: float) -> "Curve":
        """Estimate the curve."""
        at_risk = life.at_risk
        survival = numpy.cumprod(1 - life.events / at_risk)
        z = NormalDist().inv_cdf((1 + confidence) / 2)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            relative = numpy.sqrt(numpy.cumsum(life.events / (at_risk * (at_risk - life.events))))
            reach = z * relative / numpy.log(survival)
            lower, upper = (survival ** numpy.exp(side * reach) for side in (-1, 1))
            error = survival * relative
        certain = survival == 1
        return cls(
            life,
            survival,
            standard_error=error,
            lower=numpy.where(certain, 1.0, lower),
            upper=numpy.where(certain, 1.0, upper),
        )

    def records(self) -> list[dict[str, Any]]:
        """One dict for each time; a bound that does not exist is None."""
        life = self.life
        columns: dict[str, Numbers] = {
            "time": life.times,
            "at_risk": life.at_risk.astype(int),
            "events": life.events.astype(int),
            "censored": life.censored.astype(int),
            "survival": self.survival,
            "standard_error": self.standard_error,
            "lower": self.lower,
            "upper": self.upper,
        }
        rows = zip(*(column.tolist() for column in columns.values()), strict=True)
        return [dict(zip(columns, map(or_none, row), strict=True)) for row in rows]

    def summary(self, restriction: float) -> dict[str, Any]:
        """Totals, median with bounds, and the mean time until `restriction`."""
        mean, error = self._restricted_mean(restriction)
        return {
            "rows": int(self.life.at_risk[0]),
            "events": int(self.life.events.sum()),
            "median": self._first_below_half(self.survival),
            "median_lower": self._first_below_half(self.lower),
            "median_upper": self._first_below_half(self.upper),
            "restricted_mean": mean,
            "restricted_mean_standard_error": error,
        }

    def _first_below_half(self, curve: Numbers) -> float | None:
        below = numpy.flatnonzero(curve <= 0.5 + HAIR)
        return float(self.life.times[below[0]]) if len(below) else None

    def _restricted_mean(self, restriction: float) -> tuple[float, float]:
        """Area below the curve until a time, and its standard error as in R's `survival`."""
        life, at_risk = self.life, self.life.at_risk
        ends = numpy.clip([*life.times[1:], restriction], None, restriction)
        areas = numpy.maximum(ends - life.times, 0) * self.survival
        left = numpy.cumsum(areas[::-1])[::-1]
        some_left = (at_risk > life.events) & (life.times < restriction)
        spread = life.events[some_left] / (at_risk * (at_risk - life.events))[some_left]
        return float(left[0]), math.sqrt(float(left[some_left] ** 2 @ spread))


def log_rank(lives: dict[Any, Life]) -> dict[str, Any] | None:
    """Test whether groups have the same survival; None where nothing can be compared.

    Parameters
    ----------
    lives : dict
        The people of each group, by its level.

    Returns
    -------
    dict
        `statistic` (chi-squared), `degrees_of_freedom`, `p_value`, and `groups`: `observed` and
        `expected` events of each.

    Notes
    -----
    Mantel (1966): at each time the events are hypergeometric over the groups at risk; the sum of
    observed minus expected is compared with its covariance.
    """
    from scipy.stats import chi2

    times = numpy.unique(numpy.concatenate([life.times for life in lives.values()]))
    events = numpy.array([_at(life, times) for life in lives.values()])
    at_risk = numpy.array([_followed(life, times) for life in lives.values()])
    died, alive = events.sum(axis=0), at_risk.sum(axis=0)
    share = at_risk / alive
    expected = (died * share).sum(axis=1)
    factor = died * (alive - died) / numpy.maximum(alive - 1, 1)
    covariance = numpy.diag((factor * share).sum(axis=1)) - (factor * share) @ share.T
    compared = numpy.flatnonzero(expected > 0)[:-1]
    if not len(compared):
        return None
    excess = (events.sum(axis=1) - expected)[compared]
    inverse = numpy.linalg.pinv(covariance[numpy.ix_(compared, compared)])
    statistic = max(float(excess @ inverse @ excess), 0.0)
    return {
        "statistic": statistic,
        "degrees_of_freedom": len(compared),
        "p_value": float(chi2.sf(statistic, len(compared))),
        "groups": [
            {"group": level, "observed": int(observed), "expected": float(number)}
            for level, observed, number in zip(lives, events.sum(axis=1), expected, strict=True)
        ],
    }


def or_none(number: float) -> float | None:
    """JSON has no NaN."""
    return number if math.isfinite(number) else None


def _at(life: Life, times: Numbers) -> Numbers:
    total = numpy.zeros(len(times))
    total[numpy.searchsorted(times, life.times)] = life.events
    return total


def _followed(life: Life, times: Numbers) -> Numbers:
    """How many are at risk at any times, not only at those of the life itself."""
    return numpy.append(life.at_risk, 0.0)[numpy.searchsorted(life.times, times)]
