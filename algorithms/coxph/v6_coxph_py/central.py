"""What runs at one organization: asks the sites, and makes tables of the fit."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy

from v6_coxph_py.fit import Fit
from v6_coxph_py.risk_sets import BRESLOW, EFRON
from v6_coxph_py.site import COMMON, SITE
from vantage6.tools.design import Design, agree, named
from vantage6.tools.inference import (
    Maximum,
    check_confidence,
    chi_square_test,
    coefficient_table,
    inverse,
)
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient


def coxph(
    client: "ContainerClient",
    data: "DataFrame",
    time: str,
    event: str,
    predictors: Sequence[str] | str,
    ties: str = EFRON,
    baseline: str = SITE,
    categorical: Sequence[str] = (),
    levels: Mapping[str, Sequence[Any]] | None = None,
    confidence: float = 0.95,
    max_iterations: int = 25,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Cox proportional hazards model over the rows of all organizations.

    Parameters
    ----------
    client : ContainerClient
        Reaches the other organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    time : str
        A column of times until the event, or until the last news.
    event : str
        A column of 1 where the event happened then, 0 where it had not yet.
    predictors : sequence of str
        Columns of numbers, or of text, which are categories.
    ties : str
        `efron` or `breslow`: what is done where several events share a time.
    baseline : str
        `site`: each site has a baseline hazard of its own, as with `strata(site)` in R. `common`:
        one for all; every data owner has to allow `event_times` for that.
    categorical : sequence of str
        Predictors that are categories although they hold numbers.
    levels : mapping, optional
        The levels of categories in the order wanted, the one to compare with first.
    confidence : float
        The chance with which the bounds hold the true coefficient.
    max_iterations : int
        The most rounds over the organizations.
    organizations : list of int, optional
        Their ids; all of the collaboration where nothing is said.

    Returns
    -------
    dict
        `coefficients`: a record of `term`, `coefficient`, `standard_error`, `statistic` (z),
        `p_value`, `lower`, `upper`, `hazard_ratio`, `hazard_ratio_lower`, `hazard_ratio_upper`
        each; `covariance` (rows and columns as in `coefficients`), `log_likelihood`,
        `null_log_likelihood`, `tests` (`likelihood_ratio`, `wald`, `score`, each with `statistic`,
        `degrees_of_freedom`, `p_value`), `concordance` (over pairs of the same site),
        `baseline_hazard` (None, or with a common baseline a record of `time`, `events`, `hazard`,
        `cumulative_hazard` each, of somebody whose terms are as in `baseline_at`),
        `reference` (the level that others are compared with, by category), `rows`, `events`,
        `organizations` (a record of `organization`, `rows`, `events`, `missing` each, None for a
        small count), `ties`, `baseline`, `iterations`, `converged` (True: what does not converge
        is an error).

    Raises
    ------
    TaskFailed
        When an organization refuses or fails; the text says which and why.
    ValueError
        For a model that there is not, or that does not fit the data; NoMaximum, one of them, for
        collinear predictors, coefficients without a bound, and when it takes too long.
    """
    columns, as_levels = named(predictors, categorical, levels)
    check_confidence(confidence)
    _require_sense(columns, ties, baseline)
    model = {
        "time": time,
        "event": event,
        "predictors": columns,
        "ties": ties,
        "baseline": baseline,
    }
    surveys = client.ask(
        "coxph_survey", organizations=organizations, model=model, categorical=as_levels
    )
    rows = {id_: survey["rows"] for id_, survey in surveys.items()}
    if not any(survey["events"] for survey in surveys.values()):
        raise ValueError(f"No organization has a row where {event!r} is 1")
    design = agree({id_: told["predictors"] for id_, told in surveys.items()}, levels)
    fit = Fit(client, model, design, surveys, max_iterations)
    maximum = fit.run()
    coefficients = maximum.coefficients / design.scales
    covariance = maximum.covariance / numpy.outer(design.scales, design.scales)
    return {
        "coefficients": coefficient_table(
            design.names, coefficients, covariance, confidence=confidence, ratio="hazard_ratio"
        ),
        "covariance": covariance.tolist(),
        "log_likelihood": maximum.end.log_likelihood,
        "null_log_likelihood": maximum.start.log_likelihood,
        "tests": _tests(maximum, design),
        "concordance": fit.concordance(maximum),
        "baseline_hazard": fit.baseline_hazard(),
        "baseline_at": dict(zip(design.names, design.centers.tolist(), strict=True)),
        "reference": design.reference,
        "rows": sum(rows.values()),
        "events": sum(survey["events"] for survey in surveys.values()),
        "organizations": of_organizations(surveys, "rows", "events", "missing"),
        "ties": ties,
        "baseline": baseline,
        "iterations": maximum.iterations,
        "converged": True,
    }


def _require_sense(columns: list[str], ties: str, baseline: str) -> None:
    if not columns:
        raise ValueError("A Cox model needs at least one predictor")
    if ties not in (EFRON, BRESLOW):
        raise ValueError(f"Ties are treated as in {EFRON!r} or {BRESLOW!r}, not {ties!r}")
    if baseline not in (SITE, COMMON):
        raise ValueError(f"The baseline is {SITE!r} or {COMMON!r}, not {baseline!r}")


def _tests(maximum: Maximum, design: Design) -> dict[str, dict[str, Any]]:
    """The three tests of all coefficients together being 0."""
    start, end = maximum.start, maximum.end
    statistics = {
        "likelihood_ratio": 2 * (end.log_likelihood - start.log_likelihood),
        "wald": maximum.coefficients @ end.information @ maximum.coefficients,
        "score": start.score @ inverse(start.information, design.names) @ start.score,
    }
    terms = len(design.terms)
    return {name: chi_square_test(value, terms) for name, value in statistics.items()}
