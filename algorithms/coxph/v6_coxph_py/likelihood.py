"""What the rows of one site say at some coefficients, as a stratum of its own or as a part."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

from v6_coxph_py.risk_sets import RiskSets, bins, denominators, over_bins, over_risk_sets
from vantage6.tools.exceptions import InputError

if TYPE_CHECKING:
    from pandas import DataFrame

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Rows:
    """The usable rows of one site."""

    table: "DataFrame"
    times: Numbers
    events: Numbers


@dataclass(frozen=True)
class Position:
    """One site at some coefficients.

    Attributes
    ----------
    rows : Rows
    columns : array of shape (n, p)
    eta : array of shape (n,)
    """

    rows: Rows
    columns: Numbers
    eta: Numbers


def partial_likelihood(position: Position, eta: Numbers, ties: str) -> dict[str, Numbers]:
    """The likelihood of the rows of a site among themselves, its score and its information."""
    times, events, columns = position.rows.times, position.rows.events, position.columns
    event_times, group, deaths = numpy.unique(
        times[events], return_inverse=True, return_counts=True
    )
    risks, groups = numpy.exp(eta), len(event_times)
    bin_of = bins(times, event_times)
    weighted = risks[:, None] * columns
    sets = RiskSets(
        deaths,
        over_risk_sets(risks, bin_of, groups),
        over_bins(risks[events], group, groups),
        over_risk_sets(weighted, bin_of, groups),
        over_bins(weighted[events], group, groups),
    )
    sums = denominators(sets, ties)
    # Each row counts in all risk sets up to its own time; one that dies there, a little less.
    counted = numpy.concatenate([[0.0], numpy.cumsum(sums.hazard)])[bin_of]
    counted[events] -= sums.tied[group]
    return {
        "log_likelihood": eta[events].sum() - sums.logarithms,
        "score": columns[events].sum(axis=0) - sums.means,
        "information": weighted.T @ (columns * counted[:, None]) - sums.products,
    }


def risk_set_sums(position: Position, risks: Numbers, event_times: Numbers) -> dict[str, Numbers]:
    """Sums over those at risk and those who die at each time, by the names in which they are told.

    Raises
    ------
    InputError
        When there are events at other times.
    """
    times, events, columns = position.rows.times, position.rows.events, position.columns
    if not numpy.isin(times[events], event_times).all():
        raise InputError("The times lack some at which there are events here")
    groups, bin_of = len(event_times), bins(times, event_times)
    group = bin_of[events] - 1
    upper = numpy.triu_indices(columns.shape[1])
    weighted = risks[:, None] * columns
    products = weighted[:, upper[0]] * columns[:, upper[1]]
    return {
        "deaths": numpy.bincount(group, minlength=groups),
        "at_risk": over_risk_sets(risks, bin_of, groups),
        "dying": over_bins(risks[events], group, groups),
        "at_risk_x": over_risk_sets(weighted, bin_of, groups),
        "dying_x": over_bins(weighted[events], group, groups),
        "at_risk_xx": over_risk_sets(products, bin_of, groups),
        "dying_xx": over_bins(products[events], group, groups),
        "eta": position.eta[events].sum(),
        "x": columns[events].sum(axis=0),
    }
