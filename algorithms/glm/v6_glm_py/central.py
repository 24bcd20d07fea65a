"""What runs at one organization: asks the sites for their sums, and fits the model to them."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from v6_glm_py.family import LINKS, family_and_link
from vantage6.tools.design import Design, agree, named
from vantage6.tools.inference import (
    Maximum,
    NoMaximum,
    check_confidence,
    coefficient_table,
    maximize,
)
from vantage6.tools.records import of_organizations
from vantage6.tools.sums import Sums, pooled

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient

INTERCEPT = "intercept"
#: A deviance below this share of that without predictors is a perfect fit.
PERFECT = 1e-20


def glm(
    client: "ContainerClient",
    data: "DataFrame",
    outcome: str,
    predictors: Sequence[str] | str,
    family: str = "gaussian",
    link: str | None = None,
    offset: str | None = None,
    exposure: str | None = None,
    weights: str | None = None,
    categorical: Sequence[str] = (),
    levels: Mapping[str, Sequence[Any]] | None = None,
    confidence: float = 0.95,
    max_iterations: int = 25,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Generalized linear model with an intercept over the rows of all organizations.

    Parameters
    ----------
    client : ContainerClient
        Reaches the other organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    outcome : str
        A column of numbers; of 0 and 1 for `binomial`, of counts for `poisson`.
    predictors : sequence of str
        Columns of numbers, or of text, which are categories.
    family : str
        `gaussian` (linear regression), `binomial` (logistic) or `poisson`.
    link : str, optional
        `identity` for gaussian; `logit` (the default), `probit` or `cloglog` for binomial; `log`
        for poisson.
    offset : str, optional
        A column that is added to the linear predictor.
    exposure : str, optional
        For poisson: a column of times or sizes, the logarithm of which is added.
    weights : str, optional
        A column of prior weights above 0, as in `glm` of R.
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
        `coefficients`: a record of `term`, `coefficient`, `standard_error`, `statistic`,
        `p_value`, `lower`, `upper` each, with `odds_ratio` or `rate_ratio` and its bounds where
        the exponential is one; `statistic` (`t` or `z`), `covariance` (rows and columns as in
        `coefficients`), `deviance`, `null_deviance`, `log_likelihood`, `aic`, `dispersion`,
        `degrees_of_freedom`, `reference` (the level that others are compared with, by category),
        `rows`, `organizations` (a record of `organization`, `rows`, `missing` each, None for a
        small count), `family`, `link`, `iterations`, `converged` (True: what does not converge
        is an error).

    Raises
    ------
    TaskFailed
        When an organization refuses or fails; the text says which and why.
    ValueError
        For a model that there is not, or that does not fit the data; NoMaximum, one of them, for
        collinear predictors, perfect separation, and when it takes too long.
    """
    known, chosen = family_and_link(family, link)
    check_confidence(confidence)
    if exposure is not None and chosen != "log":
        raise ValueError("An exposure needs the link log, that of the family 'poisson'")
    columns, as_levels = named(predictors, categorical, levels)
    model = {
        "outcome": outcome,
        "predictors": columns,
        "family": family,
        "link": chosen,
        "offset": offset,
        "exposure": exposure,
        "weights": weights,
    }
    surveys = client.ask(
        "glm_survey", organizations=organizations, model=model, categorical=as_levels
    )
    rows = {id_: survey["rows"] for id_, survey in surveys.items()}
    design = agree({id_: told["predictors"] for id_, told in surveys.items()}, levels)
    fit = _Fit(client, model, design, surveys, max_iterations)
    null_deviance, maximum = fit.run()
    deviance = -2 * maximum.end.log_likelihood
    if deviance <= PERFECT * null_deviance:
        raise NoMaximum("The predictors tell the outcome exactly, which leaves nothing to estimate")
    free = sum(rows.values()) - len(fit.terms)
    is_gaussian = family == "gaussian"
    dispersion = deviance / free if is_gaussian else 1.0
    coefficients, covariance = _original_scale(maximum, design)
    log_likelihood = _log_likelihood(surveys, deviance, is_gaussian)
    return {
        "coefficients": coefficient_table(
            fit.terms,
            coefficients,
            dispersion * covariance,
            confidence=confidence,
            degrees_of_freedom=free if is_gaussian else None,
            ratio=known.ratio.get(chosen, ""),
        ),
        "statistic": "t" if is_gaussian else "z",
        "covariance": (dispersion * covariance).tolist(),
        "deviance": deviance,
        "null_deviance": null_deviance,
        "log_likelihood": log_likelihood,
        # As in R, the dispersion of the gaussian family counts as one more parameter.
        "aic": 2 * (len(fit.terms) + is_gaussian) - 2 * log_likelihood,
        "dispersion": dispersion,
        "degrees_of_freedom": free,
        "reference": design.reference,
        "rows": sum(rows.values()),
        "organizations": of_organizations(surveys, "rows", "missing"),
        "family": family,
        "link": chosen,
        "iterations": fit.rounds,
        "converged": True,
    }


class _Fit:
    """The rounds of one model over the organizations."""

    def __init__(
        self,
        client: "ContainerClient",
        model: dict[str, Any],
        design: Design,
        surveys: Mapping[int, Mapping[str, Any]],
        max_iterations: int,
    ) -> None:
        self._client, self._model, self._surveys = client, model, surveys
        self._design, self._max_iterations = design.as_input(), max_iterations
        self.terms = [INTERCEPT, *design.names]
        self.rounds = 0
        if self._total("rows") <= len(self.terms):
            raise ValueError("There are not more rows than coefficients")

    def run(self) -> tuple[float, Maximum]:
        """The deviance without predictors, and the maximum with them."""
        start = numpy.zeros(len(self.terms))
        start[0] = self._intercept()
        if self._model["family"] == "binomial" and self._model["offset"] is not None:
            null = maximize(self._ask_intercept, start[:1], self.terms[:1], self._max_iterations)
            start[0] = null.coefficients[0]
        maximum = maximize(self._ask, start, self.terms, self._max_iterations)
        return -2 * maximum.start.log_likelihood, maximum

    def _intercept(self) -> float:
        """The intercept without predictors, which all sums of the outcome tell at once."""
        family, mean = self._model["family"], self._total("outcome") / self._total("expected")
        one_value = {"binomial": mean in (0, 1), "poisson": mean == 0}
        if one_value.get(family) and self._model["offset"] is None:
            raise ValueError(f"The outcome {self._model['outcome']!r} has one value only")
        if family == "binomial" and not 0 < mean < 1:
            return 0.0
        return LINKS[self._model["link"]].start(mean)

    def _total(self, sum_: str) -> float:
        return math.fsum(survey[sum_] for survey in self._surveys.values())

    def _ask(self, coefficients: NDArray[Any]) -> Sums:
        self.rounds += 1
        answers = self._client.ask(
            "glm_sums",
            organizations=list(self._surveys),
            model=self._model,
            design=self._design,
            coefficients=coefficients.tolist(),
        )
        return pooled(answers)

    def _ask_intercept(self, coefficients: NDArray[Any]) -> Sums:
        whole = numpy.zeros(len(self.terms))
        whole[:1] = coefficients
        sums = self._ask(whole)
        return Sums(sums.log_likelihood, sums.score[:1], sums.information[:1, :1], sums.withheld)


def _original_scale(maximum: Maximum, design: Design) -> tuple[NDArray[Any], NDArray[Any]]:
    """Coefficients and covariance of the columns as they are, not centered and scaled."""
    change = numpy.diag([1.0, *(1 / design.scales)])
    change[0, 1:] = -design.centers / design.scales
    return change @ maximum.coefficients, change @ maximum.covariance @ change.T


def _log_likelihood(
    surveys: Mapping[int, Mapping[str, Any]], deviance: float, is_gaussian: bool
) -> float:
    told = list(surveys.values())
    if not is_gaussian:
        return math.fsum(survey["saturated"] for survey in told) - deviance / 2
    rows = sum(survey["rows"] for survey in told)
    log_weights = math.fsum(survey["log_weights"] for survey in told)
    return (log_weights - rows * (math.log(2 * math.pi * deviance / rows) + 1)) / 2
