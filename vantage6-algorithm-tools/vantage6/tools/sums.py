"""What a site tells of a likelihood at some coefficients, and the same of all sites together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy
from numpy.typing import NDArray

from vantage6.tools.disclosure import Disclosure, DisclosureRefused
from vantage6.tools.exceptions import InputError

__all__ = ["Sums", "centred", "pooled", "reason_to_withhold", "vector", "withheld"]


@dataclass(frozen=True)
class Sums:
    """What all sites together say at some coefficients.

    Attributes
    ----------
    log_likelihood : float
        Up to a constant; minus infinity where the model cannot be computed there.
    score : array of shape (p,)
        Its first derivatives.
    information : array of shape (p, p)
        Minus its second derivatives, or what is expected of them.
    withheld : str
        Why a site told no sums here; the step was too long then.
    """

    log_likelihood: float
    score: NDArray[Any]
    information: NDArray[Any]
    withheld: str = ""


def vector(coefficients: Sequence[float], size: int) -> NDArray[Any]:
    """Coefficients that a site was given, as an array.

    Raises
    ------
    InputError
        When they are not `size` finite numbers.
    """
    try:
        values = numpy.asarray(coefficients, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError("The coefficients are not numbers") from error
    if values.shape != (size,) or not numpy.isfinite(values).all():
        raise InputError(f"The model needs {size} finite coefficients")
    return values


def centred(columns: NDArray[Any]) -> NDArray[Any]:
    """A constant, and each column less its mean: what leverage is computed of.

    Who asks chooses the center of a design. Far away from all rows, columns would differ from
    the constant by what counts as rounding, and no row would seem to stand alone.
    """
    return numpy.column_stack([numpy.ones(len(columns)), columns - columns.mean(axis=0)])


def reason_to_withhold(columns: NDArray[Any], weights: NDArray[Any], disclosure: Disclosure) -> str:
    """Why sums that are weighted so would tell about one or two rows; nothing where they do not.

    Weights follow from the coefficients, and those from whoever asks: with large ones nearly all
    weight can be laid on one row, whose values the sums then are. A step that is too long does
    the same by accident, so this is an answer, after which a shorter step is tried.

    Parameters
    ----------
    columns : array of shape (n, p)
        Without a constant, which is added.
    weights : array of shape (n,)
    """
    try:
        disclosure.require_no_dominance(weights, "the weights of this fit")
        table = centred(columns) * numpy.sqrt(weights)[:, None]
        disclosure.require_no_leverage(table, "this fit")
    except DisclosureRefused as refusal:
        return f"{refusal}, as where predictors tell the outcome nearly perfectly"
    return ""


def withheld(answers: Mapping[int, Mapping[str, Any]]) -> Sums | None:
    """Sums that say so, where an organization withheld its own."""
    for organization, answer in answers.items():
        if "withheld" in answer:
            reason = f"Organization {organization} tells no sums: {answer['withheld']}"
            return Sums(-math.inf, numpy.zeros(0), numpy.zeros(0), reason)
    return None


def pooled(answers: Mapping[int, Mapping[str, Any]]) -> Sums:
    """The sums over all organizations; none where one of them withholds its own.

    Parameters
    ----------
    answers : mapping
        By organization: `log_likelihood`, `score` and `information`, or `withheld`, a reason.
    """
    told = list(answers.values())
    return withheld(answers) or Sums(
        math.fsum(answer["log_likelihood"] for answer in told),
        numpy.sum([answer["score"] for answer in told], axis=0),
        numpy.sum([answer["information"] for answer in told], axis=0),
    )
