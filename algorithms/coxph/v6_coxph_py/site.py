"""What happens beside the data: the federated functions, and the checks before they tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from v6_coxph_py.concordance import count_pairs
from v6_coxph_py.likelihood import Position, Rows, partial_likelihood, risk_set_sums
from v6_coxph_py.risk_sets import BRESLOW, EFRON
from vantage6.tools import design as designs
from vantage6.tools.columns import complete_rows, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import DisclosureRefused, InputError
from vantage6.tools.sums import centred, reason_to_withhold, vector

if TYPE_CHECKING:
    from pandas import DataFrame

Numbers = NDArray[Any]
SITE, COMMON = "site", "common"
OVERFLOW = "The model cannot be computed at these coefficients"


@dataclass(frozen=True)
class Model:
    """Which columns play which part; the same at every site."""

    time: str
    event: str
    predictors: list[str]
    ties: str = EFRON
    baseline: str = SITE


def RPC_coxph_survey(  # noqa: N802
    data: "DataFrame", model: Mapping[str, Any], categorical: Sequence[str] = ()
) -> dict[str, Any]:
    """What a site tells before the model is fitted.

    Returns
    -------
    dict
        `rows`, `events`, `missing` (None where it is a small count), `predictors` as
        `vantage6.tools.design.survey` tells them; for a common baseline, where the data owner
        allows it, `event_times`: the different ones.

    Raises
    ------
    InputError
        When the columns do not fit the model.
    DisclosureRefused
        When a threshold of the data owner forbids it.
    """
    asked = _model(model)
    disclosure = Disclosure.at_this_site()
    rows = _usable_rows(data, asked, disclosure)
    told = {
        "rows": len(rows.times),
        "events": int(rows.events.sum()),
        "missing": disclosure.told(len(data) - len(rows.times)),
        "predictors": designs.survey(rows.table, asked.predictors, categorical, disclosure),
    }
    if asked.baseline == COMMON:
        told["event_times"] = numpy.unique(rows.times[rows.events]).tolist()
    return told


def RPC_coxph_sums(  # noqa: N802
    data: "DataFrame",
    model: Mapping[str, Any],
    design: Mapping[str, Any],
    coefficients: Sequence[float],
) -> dict[str, Any]:
    """The partial likelihood of this site alone, as a stratum of its own, and its derivatives.

    Parameters
    ----------
    data : DataFrame
        The data of this site.
    model, design : mapping
        As agreed by all sites.
    coefficients : sequence of float
        One for each term in its centered and scaled form.

    Returns
    -------
    dict
        `log_likelihood`, `score` (p numbers) and `information` (p x p numbers), or `withheld`: why
        they are not told at these coefficients, although they may be at others.

    Raises
    ------
    InputError
        When the columns do not fit the model.
    DisclosureRefused
        When a threshold of the data owner forbids it.
    """
    asked = _model(model)
    disclosure = Disclosure.at_this_site()
    position = _position(data, asked, design, coefficients, disclosure)
    # A factor in all exponentials cancels, so the largest may be 1.
    eta = position.eta - position.eta.max()
    if reason := _reason(position.columns, numpy.exp(eta), disclosure):
        return {"withheld": reason}
    with numpy.errstate(all="ignore"):
        told = partial_likelihood(position, eta, asked.ties)
    if not all(numpy.isfinite(part).all() for part in told.values()):
        return {"withheld": OVERFLOW}
    return {name: part.tolist() for name, part in told.items()}


def RPC_coxph_risk_sets(  # noqa: N802
    data: "DataFrame",
    model: Mapping[str, Any],
    design: Mapping[str, Any],
    coefficients: Sequence[float],
    times: Sequence[float],
) -> dict[str, Any]:
    """Sums over the risk sets of this site, for a baseline that all sites have in common.

    Parameters
    ----------
    data : DataFrame
        The data of this site.
    model, design : mapping
        As agreed by all sites.
    coefficients : sequence of float
        One for each term in its centered and scaled form.
    times : sequence of float
        All times at which somebody has the event anywhere, ascending.

    Returns
    -------
    dict
        Of each time (g): `deaths`, `at_risk`, `dying` (g numbers), `at_risk_x`, `dying_x` (g x p),
        `at_risk_xx`, `dying_xx` (g x p (p + 1) / 2: the upper triangles); over all events
        `eta` and `x` (p numbers). Or `withheld`, a reason.

    Raises
    ------
    InputError
        When the columns do not fit the model.
    DisclosureRefused
        When the data owner does not allow the times of events, or another threshold forbids it.
    """
    asked = _model({**model, "baseline": COMMON})
    disclosure = Disclosure.at_this_site()
    position = _position(data, asked, design, coefficients, disclosure)
    with numpy.errstate(over="ignore"):
        risks = numpy.exp(position.eta)
    if not (numpy.isfinite(risks).all() and (risks > 0).all()):
        return {"withheld": OVERFLOW}
    if reason := _reason(position.columns, risks, disclosure):
        return {"withheld": reason}
    told = risk_set_sums(position, risks, _ascending(times))
    return {name: part.tolist() for name, part in told.items()}


def RPC_coxph_pairs(  # noqa: N802
    data: "DataFrame",
    model: Mapping[str, Any],
    design: Mapping[str, Any],
    coefficients: Sequence[float],
) -> dict[str, int]:
    """How many pairs of rows of this site the model puts into the right order.

    Returns
    -------
    dict
        `concordant`, `discordant`, `tied_risk`.

    Raises
    ------
    InputError
        When the columns do not fit the model.
    DisclosureRefused
        When a threshold of the data owner forbids it.
    """
    asked = _model(model)
    disclosure = Disclosure.at_this_site()
    position = _position(data, asked, design, coefficients, disclosure)
    risks = numpy.exp(position.eta - position.eta.max())
    if reason := _reason(position.columns, risks, disclosure):
        raise DisclosureRefused(reason)
    return count_pairs(position.rows.times, position.rows.events, position.eta)


def _model(model: Mapping[str, Any]) -> Model:
    try:
        asked = Model(**model)
    except TypeError as error:
        raise InputError(f"This is no model: {error}") from error
    if asked.ties not in (EFRON, BRESLOW) or asked.baseline not in (SITE, COMMON):
        raise InputError("This is no model: its ties or its baseline are not known")
    return asked


def _usable_rows(data: "DataFrame", model: Model, disclosure: Disclosure) -> Rows:
    if model.baseline == COMMON:
        disclosure.require_event_times(
            "ask with baseline='site', which gives every site a baseline of its own"
        )
    table = complete_rows(data, [model.time, model.event, *model.predictors])
    disclosure.require_rows(len(table))
    events = numbers(table[model.event])
    if not numpy.isin(events, (0, 1)).all():
        raise InputError(
            f"The column {model.event!r} holds other values than 0 (not yet) and 1 (it happened)"
        )
    happened = int(events.sum())
    disclosure.require_cells([happened, len(events) - happened], f"rows with {model.event!r}")
    times = numbers(table[model.time])
    if (times < 0).any():
        raise InputError(f"The column {model.time!r} holds times below 0")
    return Rows(table, times, events == 1)


def _position(
    data: "DataFrame",
    model: Model,
    design: Mapping[str, Any],
    coefficients: Sequence[float],
    disclosure: Disclosure,
) -> Position:
    agreed = designs.Design.from_input(design, model.predictors)
    rows = _usable_rows(data, model, disclosure)
    columns = designs.matrix(rows.table, agreed, disclosure)
    disclosure.require_parameters(columns.shape[1], len(columns))
    disclosure.require_no_leverage(centred(columns))
    return Position(rows, columns, columns @ vector(coefficients, columns.shape[1]))


def _reason(columns: Numbers, risks: Numbers, disclosure: Disclosure) -> str:
    return reason_to_withhold(columns, risks, disclosure)


def _ascending(times: Sequence[float]) -> Numbers:
    values = numpy.asarray(times, dtype=float)
    if values.ndim != 1 or not (numpy.diff(values) > 0).all():
        raise InputError("The times are not numbers that ascend")
    return values
