"""The rounds of one Cox model over the organizations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from v6_coxph_py.risk_sets import Denominators, RiskSets, denominators
from v6_coxph_py.site import COMMON
from vantage6.tools.design import Design
from vantage6.tools.inference import Maximum, maximize
from vantage6.tools.sums import Sums, pooled, withheld

if TYPE_CHECKING:
    from vantage6.tools.container_client import ContainerClient

Numbers = NDArray[Any]


class Fit:
    """Asks the organizations, and puts together what they say.

    Parameters
    ----------
    client : ContainerClient
    model : dict
        As the sites get it.
    design : Design
    surveys : mapping
        What each organization told first, by its id.
    max_iterations : int
        The most rounds.
    """

    def __init__(
        self,
        client: "ContainerClient",
        model: dict[str, Any],
        design: Design,
        surveys: Mapping[int, Mapping[str, Any]],
        max_iterations: int,
    ) -> None:
        self._client, self._terms = client, design.names
        self._most = max_iterations
        self._common = model["baseline"] == COMMON
        self._organizations = list(surveys)
        # Without an event a site adds nothing to its own likelihood, nor is asked for it.
        if not self._common:
            self._organizations = [id_ for id_ in surveys if surveys[id_]["events"]]
        self._asked: dict[str, Any] = {"model": model, "design": design.as_input()}
        self._ties: str = model["ties"]
        self._times = sorted({t for told in surveys.values() for t in told.get("event_times", ())})
        self._last: tuple[Numbers, Denominators] | None = None

    def run(self) -> Maximum:
        """The maximum of the partial likelihood."""
        ask = self._ask_common if self._common else self._ask_sites
        return maximize(ask, numpy.zeros(len(self._terms)), self._terms, self._most)

    def concordance(self, maximum: Maximum) -> float | None:
        """The share of pairs in the right order, half of those with one risk among them."""
        told = self._ask("coxph_pairs", maximum.coefficients).values()
        pairs = {name: sum(answer[name] for answer in told) for name in next(iter(told))}
        comparable = sum(pairs.values())
        right: float = pairs["concordant"] + pairs["tied_risk"] / 2
        return right / comparable if comparable else None

    def baseline_hazard(self) -> list[dict[str, float]] | None:
        """The hazard of somebody at the center of all terms, where the times are told."""
        if self._last is None:
            return None
        deaths, sums = self._last
        columns = {
            "time": self._times,
            "events": deaths.tolist(),
            "hazard": sums.hazard.tolist(),
            "cumulative_hazard": numpy.cumsum(sums.hazard).tolist(),
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def _ask(self, method: str, coefficients: Numbers, **more: Any) -> dict[int, Any]:
        return self._client.ask(
            method,
            organizations=self._organizations,
            coefficients=coefficients.tolist(),
            **self._asked,
            **more,
        )

    def _ask_sites(self, coefficients: Numbers) -> Sums:
        return pooled(self._ask("coxph_sums", coefficients))

    def _ask_common(self, coefficients: Numbers) -> Sums:
        answers = self._ask("coxph_risk_sets", coefficients, times=self._times)
        if nothing := withheld(answers):
            return nothing
        told = {
            name: numpy.sum([answer[name] for answer in answers.values()], axis=0)
            for name in next(iter(answers.values()))
        }
        names = ("deaths", "at_risk", "dying", "at_risk_x", "dying_x")
        sums = denominators(RiskSets(*(told[name] for name in names)), self._ties)
        self._last = told["deaths"], sums
        squares = sums.hazard @ told["at_risk_xx"] - sums.tied @ told["dying_xx"]
        return Sums(
            float(told["eta"] - sums.logarithms),
            told["x"] - sums.means,
            _symmetric(squares, len(coefficients)) - sums.products,
        )


def _symmetric(upper: Numbers, size: int) -> Numbers:
    whole = numpy.zeros((size, size))
    whole[numpy.triu_indices(size)] = upper
    return whole + numpy.triu(whole, 1).T
