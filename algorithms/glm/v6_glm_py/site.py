"""What happens beside the data: two federated functions, and the checks before they tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from v6_glm_py.family import FAMILIES, LINKS, family_and_link
from vantage6.tools import design as designs
from vantage6.tools.columns import complete_rows, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError
from vantage6.tools.sums import centred, reason_to_withhold, vector

if TYPE_CHECKING:
    from pandas import DataFrame

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Model:
    """Which columns play which part; the same at every site.

    Attributes
    ----------
    outcome : str
    predictors : list of str
    family, link : str
    offset, exposure, weights : str, optional
    """

    outcome: str
    predictors: list[str]
    family: str
    link: str
    offset: str | None = None
    exposure: str | None = None
    weights: str | None = None

    def columns(self) -> list[str]:
        """All columns that are used."""
        optional = [self.offset, self.exposure, self.weights]
        return [self.outcome, *self.predictors, *(name for name in optional if name is not None)]


@dataclass(frozen=True)
class Rows:
    """The usable rows of one site."""

    table: "DataFrame"
    outcome: Numbers
    offset: Numbers
    weights: Numbers


def RPC_glm_survey(  # noqa: N802
    data: "DataFrame", model: Mapping[str, Any], categorical: Sequence[str] = ()
) -> dict[str, Any]:
    """What a site tells before the model is fitted.

    Returns
    -------
    dict
        `rows`, `missing` (None where it is a small count), `predictors` as
        `vantage6.tools.design.survey` tells them, and sums of the outcome: `weight`, `outcome`,
        `expected` (what the outcome is compared with where the intercept is found from offsets),
        `saturated` (constants of the likelihood).

    Raises
    ------
    InputError
        When the columns do not fit the model.
    DisclosureRefused
        When a threshold of the data owner forbids it.
    """
    asked = _model(model)
    disclosure = Disclosure.at_this_site()
    rows = usable_rows(data, asked, disclosure)
    family = FAMILIES[asked.family]
    weights, outcome = rows.weights, rows.outcome
    is_log = asked.link == "log"
    with numpy.errstate(over="ignore"):
        parts = {
            "outcome": weights * (outcome if is_log else outcome - rows.offset),
            "expected": weights * (numpy.exp(rows.offset) if is_log else 1),
            "saturated": weights * family.saturated(outcome),
            "log_weights": numpy.log(weights),
        }
    # Products and exponentials of columns of which each alone may be summed.
    for name, values in parts.items():
        disclosure.require_no_dominance(values, f"{name}, of this model")
    return {
        "rows": len(outcome),
        "missing": disclosure.told(len(data) - len(outcome)),
        "predictors": designs.survey(rows.table, asked.predictors, categorical, disclosure),
        "weight": math.fsum(weights),
        **{name: math.fsum(values) for name, values in parts.items()},
    }


def RPC_glm_sums(  # noqa: N802
    data: "DataFrame",
    model: Mapping[str, Any],
    design: Mapping[str, Any],
    coefficients: Sequence[float],
) -> dict[str, Any]:
    """The sums over the rows of a site at some coefficients: one step of the fit.

    Parameters
    ----------
    data : DataFrame
        The data of this site.
    model, design : mapping
        As agreed by all sites.
    coefficients : sequence of float
        The intercept, and one for each term in its centered and scaled form.

    Returns
    -------
    dict
        `log_likelihood` (minus half the deviance), `score` (p numbers) and `information`
        (p x p numbers), or `withheld`: why the sums are not told at these coefficients, although
        they may be at others.

    Raises
    ------
    InputError
        When the columns do not fit the model.
    DisclosureRefused
        When a threshold of the data owner forbids it.
    """
    asked = _model(model)
    agreed = designs.Design.from_input(design, asked.predictors)
    disclosure = Disclosure.at_this_site()
    rows = usable_rows(data, asked, disclosure)
    columns = designs.matrix(rows.table, agreed, disclosure)
    _require_groups(columns, asked, rows, disclosure)
    disclosure.require_no_leverage(centred(columns))
    columns = numpy.column_stack([numpy.ones(len(columns)), columns])
    disclosure.require_parameters(columns.shape[1], len(columns))
    return _sums(columns, rows, asked, vector(coefficients, columns.shape[1]), disclosure)


def _model(model: Mapping[str, Any]) -> Model:
    try:
        asked = Model(**model)
        family_and_link(asked.family, asked.link)
    except (TypeError, ValueError) as error:
        raise InputError(f"This is no model: {error}") from error
    return asked


def usable_rows(data: "DataFrame", model: Model, disclosure: Disclosure) -> Rows:
    """The rows without missing values, checked for what the model needs of them."""
    table = complete_rows(data, model.columns())
    disclosure.require_rows(len(table))
    outcome = numbers(table[model.outcome])
    _require_outcome(outcome, model, disclosure)
    offset = numpy.zeros(len(table))
    if model.offset is not None:
        offset = numbers(table[model.offset])
        disclosure.require_moments(offset, repr(model.offset))
    if model.exposure is not None:
        offset = offset + numpy.log(_positive(table, model.exposure, disclosure))
    weights = numpy.ones(len(table))
    if model.weights is not None:
        weights = _positive(table, model.weights, disclosure)
    return Rows(table, outcome, offset, weights)


def _positive(table: "DataFrame", column: str, disclosure: Disclosure) -> Numbers:
    values = numbers(table[column])
    if not (values > 0).all():
        raise InputError(f"The column {column!r} holds values that are not above 0")
    disclosure.require_moments(values, repr(column))
    return values


def _require_outcome(outcome: Numbers, model: Model, disclosure: Disclosure) -> None:
    if model.family == "binomial":
        if not numpy.isin(outcome, (0, 1)).all():
            raise InputError(f"The outcome {model.outcome!r} holds other values than 0 and 1")
        ones = int(outcome.sum())
        disclosure.require_cells([ones, len(outcome) - ones], f"rows with {model.outcome!r}")
        return
    if model.family == "poisson" and (outcome < 0).any():
        raise InputError(f"The outcome {model.outcome!r} holds counts below 0")
    disclosure.require_moments(outcome, repr(model.outcome))


def _require_groups(columns: Numbers, model: Model, rows: Rows, disclosure: Disclosure) -> None:
    """Refuse groups of one or two people: products of two columns of 0 and 1 count them."""
    candidates = list(columns.T)
    if model.family == "binomial":
        candidates.append(rows.outcome)
    marks = [values == values.max() for values in candidates if len(numpy.unique(values)) == 2]
    if not marks:
        return
    ones = numpy.array(marks, dtype=float)
    zeros = 1 - ones
    for left, right in ((ones, ones), (ones, zeros), (zeros, zeros)):
        counts = (left @ right.T).astype(int).ravel().tolist()
        disclosure.require_cells(counts, "rows in a group of two categories")


def _sums(
    columns: Numbers, rows: Rows, model: Model, coefficients: Numbers, disclosure: Disclosure
) -> dict[str, Any]:
    family, link = FAMILIES[model.family], LINKS[model.link]
    # Where numbers overflow the sums are withheld below, so nothing is said about it here.
    with numpy.errstate(all="ignore"):
        mean = link.of(columns @ coefficients + rows.offset)
        variance = family.variance(mean)
        # Both are 0 where a mean has reached its bound: such a row adds nothing, or, where its
        # outcome lies elsewhere, an infinite deviance.
        share = numpy.where(variance > 0, mean.slope / variance, 0)
        working = rows.weights * mean.slope * share
        pull = rows.weights * share * (rows.outcome - mean.mean)
        score = columns.T @ pull
        information = columns.T @ (columns * working[:, None])
        deviance = numpy.sum(rows.weights * family.deviance(rows.outcome, mean))
    if not all(numpy.isfinite(part).all() for part in (score, information, deviance, working)):
        return {"withheld": "The model cannot be computed at these coefficients"}
    if reason := reason_to_withhold(columns[:, 1:], working, disclosure):
        return {"withheld": reason}
    # Not with every link are rows that weigh little in the information also so in the score.
    if disclosure.has_dominance(pull):
        return {"withheld": "A few rows are most of the score at these coefficients"}
    return {
        "log_likelihood": -float(deviance) / 2,
        "score": score.tolist(),
        "information": information.tolist(),
    }
