"""Distributions of an outcome and links of its mean to the predictors.

Source of all formulas: McCullagh and Nelder, Generalized Linear Models (1989), chapters 2 and 4.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy
from numpy.typing import NDArray

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Mean:
    """What a link makes of linear predictors.

    Attributes
    ----------
    mean : array
    complement : array
        1 - mean, computed so that it keeps its digits where the mean is nearly 1.
    slope : array
        The derivative of the mean by the linear predictor.
    """

    mean: Numbers
    complement: Numbers
    slope: Numbers


@dataclass(frozen=True)
class Link:
    """`start` is the linear predictor of a mean; `of` the means of linear predictors."""

    start: Callable[[float], float]
    of: Callable[[Numbers], Mean]


@dataclass(frozen=True)
class Family:
    """A distribution: the variance by the mean, the deviance and the constants of a likelihood.

    Attributes
    ----------
    links : tuple of str
        Those that it may have, the canonical one first.
    variance : callable
        Of a `Mean`.
    deviance : callable
        Of each row: takes outcomes and a `Mean`.
    saturated : callable
        The log-likelihood of each row where its mean is the outcome, dispersion left out.
    ratio : dict
        What the exponential of a coefficient is called, by link.
    """

    links: tuple[str, ...]
    variance: Callable[[Mean], Numbers]
    deviance: Callable[[Numbers, Mean], Numbers]
    saturated: Callable[[Numbers], Numbers]
    ratio: dict[str, str] = field(default_factory=dict)


def _identity(eta: Numbers) -> Mean:
    return Mean(eta, 1 - eta, numpy.ones_like(eta))


def _log(eta: Numbers) -> Mean:
    mean = numpy.exp(eta)
    return Mean(mean, 1 - mean, mean)


def _logit(eta: Numbers) -> Mean:
    small = numpy.exp(-numpy.abs(eta))
    near, far = 1 / (1 + small), small / (1 + small)
    up = eta >= 0
    return Mean(numpy.where(up, near, far), numpy.where(up, far, near), near * far)


def _probit(eta: Numbers) -> Mean:
    from scipy.special import ndtr

    return Mean(ndtr(eta), ndtr(-eta), numpy.exp(-(eta**2) / 2) / math.sqrt(2 * math.pi))


def _cloglog(eta: Numbers) -> Mean:
    rate = numpy.exp(eta)
    return Mean(-numpy.expm1(-rate), numpy.exp(-rate), numpy.exp(eta - rate))


def _probit_start(mean: float) -> float:
    from scipy.special import ndtri

    return float(ndtri(mean))


LINKS = {
    "identity": Link(lambda mean: mean, _identity),
    "log": Link(math.log, _log),
    "logit": Link(lambda mean: math.log(mean / (1 - mean)), _logit),
    "probit": Link(_probit_start, _probit),
    "cloglog": Link(lambda mean: math.log(-math.log1p(-mean)), _cloglog),
}


def _times_log(outcome: Numbers, ratio: Numbers) -> Numbers:
    """Outcome * log(ratio), 0 where the outcome is 0."""
    return numpy.where(outcome > 0, outcome * numpy.log(numpy.where(outcome > 0, ratio, 1)), 0)


def _binomial_deviance(outcome: Numbers, mean: Mean) -> Numbers:
    chance = numpy.where(outcome > 0, mean.mean, mean.complement)
    return -2 * numpy.log(chance)


def _poisson_deviance(outcome: Numbers, mean: Mean) -> Numbers:
    return 2 * (_times_log(outcome, outcome / mean.mean) - (outcome - mean.mean))


def _poisson_saturated(outcome: Numbers) -> Numbers:
    found, place = numpy.unique(outcome, return_inverse=True)
    constants = numpy.array([math.lgamma(count + 1) for count in found])
    return _times_log(outcome, outcome) - outcome - constants[place]


FAMILIES = {
    "gaussian": Family(
        links=("identity",),
        variance=lambda mean: numpy.ones_like(mean.mean),
        deviance=lambda outcome, mean: (outcome - mean.mean) ** 2,
        saturated=numpy.zeros_like,
    ),
    "binomial": Family(
        links=("logit", "probit", "cloglog"),
        variance=lambda mean: mean.mean * mean.complement,
        deviance=_binomial_deviance,
        saturated=numpy.zeros_like,
        ratio={"logit": "odds_ratio", "cloglog": "hazard_ratio"},
    ),
    "poisson": Family(
        links=("log",),
        variance=lambda mean: mean.mean,
        deviance=_poisson_deviance,
        saturated=_poisson_saturated,
        ratio={"log": "rate_ratio"},
    ),
}


def family_and_link(family: str, link: str | None) -> tuple[Family, str]:
    """A family by its name, and the name of its link, the canonical one where none is named.

    Raises
    ------
    ValueError
        When there is no such family, or it has no such link.
    """
    if family not in FAMILIES:
        raise ValueError(f"There is no family {family!r}; there are {', '.join(FAMILIES)}")
    found = FAMILIES[family]
    if link is not None and link not in found.links:
        raise ValueError(f"The family {family!r} has the links {', '.join(found.links)}")
    return found, link or found.links[0]
