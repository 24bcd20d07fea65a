"""What a data owner lets algorithms say about few people, and how containers are told.

The node writes the thresholds of its owner into the environment of each container; the checks
themselves are made beside the data, by `vantage6.tools.disclosure`. The defaults are those of
DataSHIELD's dsBase (`nfilter.tab`, `nfilter.subset`, `nfilter.glm`, `nfilter.levels.max`,
`nfilter.levels.density`); dominance and event times, which it lacks, are ours.
"""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self

from vantage6.common.exceptions import ConfigurationError

PREFIX = "DISCLOSURE_"


def _threshold(default: Any, description: str, least: float = 0, most: float = math.inf) -> Any:
    return field(
        default=default, metadata={"description": description, "least": least, "most": most}
    )


@dataclass(frozen=True)
class Thresholds:
    """What a data owner lets algorithms say; `variables` and `from_environment` are inverse.

    Raises
    ------
    ConfigurationError
        When a threshold is beyond what it can be, and would allow anything, or nothing.
    """

    minimum_rows: int = _threshold(
        3, "The fewest rows, missing values left out, that anything is computed from.", least=1
    )
    minimum_cell: int = _threshold(
        3,
        "The smallest count of people that is told; 0 is told too, what lies between is not.",
        least=1,
    )
    parameters_per_row: float = _threshold(
        0.33, "The most parameters of a model for each row that it is fitted to.", most=1
    )
    maximum_levels: int = _threshold(40, "The most levels of a category that are named.")
    levels_per_row: float = _threshold(
        0.33,
        "The most levels of a category for each row; more would be names of people.",
        most=1,
    )
    dominance: float = _threshold(
        0.1,
        "The p of the p% rule: a sum is told only if all but its two largest parts together are "
        "at least this share of the largest one.",
        most=1,
    )
    event_times: bool = _threshold(
        False,
        "Whether the times of single events are told, with sums over those at risk: what an exact "
        "survival curve and a Cox model with one baseline for all sites need. From them the "
        "values of single people can be computed.",
    )
    cluster_sums: bool = _threshold(
        False,
        "Whether sums over the rows that are nearest to chosen points are told: what k-means over "
        "the rows themselves needs. Who moves a point a little learns the row that changes sides.",
    )
    own_queries: bool = _threshold(
        False,
        "Whether researchers write the queries of SQL databases, in place of naming a table or "
        "view. Who writes them chooses the rows, and passes every other threshold: three copies "
        "of one person are three rows.",
    )
    largest_update: float = _threshold(
        0.0,
        "The longest change of a model's weights that a round of federated averaging tells; a "
        "longer one is shortened to it. 0: each is told as it is.",
    )
    update_noise: float = _threshold(
        0.0,
        "The standard deviation of normal noise on each weight that a round of federated "
        "averaging tells.",
    )

    def __post_init__(self) -> None:
        for known in fields(self):
            value, limits = getattr(self, known.name), known.metadata
            # Written so that a NaN, with which every comparison is false, is refused too.
            if not limits["least"] <= value <= limits["most"]:
                raise ConfigurationError(
                    f"The disclosure threshold {known.name} is {value}, which is not "
                    f"{limits['least']} to {limits['most']}"
                )

    def variables(self) -> dict[str, str]:
        """The environment of a container that is told these thresholds."""
        return {
            _variable(name): str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in vars(self).items()
        }

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The thresholds that an environment tells; what it leaves out is as by default.

        Raises
        ------
        ConfigurationError
            When a variable does not hold what it should.
        """
        told = {
            known.name: _value(_variable(known.name), environment, type(known.default))
            for known in fields(cls)
            if _variable(known.name) in environment
        }
        return cls(**told)


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _value(variable: str, environment: Mapping[str, str], kind: type) -> Any:
    text = environment[variable].strip().lower()
    try:
        return {"true": True, "false": False}[text] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise ConfigurationError(f"The variable {variable} holds {text!r}") from error
