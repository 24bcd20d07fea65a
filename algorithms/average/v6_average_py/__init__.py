"""Average of a column over all organizations of a collaboration.

Each organization sends the sum and the number of its values; no value itself leaves it, and no
sum that would tell one.
"""

import math
from typing import TYPE_CHECKING, Any, TypedDict

from vantage6.tools.columns import find, numbers
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient

__all__ = ["RPC_average_partial", "master"]


class Partial(TypedDict):
    """What one organization sends."""

    sum: float
    count: int
    missing: int


def master(
    client: "ContainerClient",
    data: "DataFrame",
    column_name: str,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Average of a column over organizations.

    Parameters
    ----------
    client : ContainerClient
        Reaches the other organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    column_name : str
        A column of numbers.
    organizations : list of int, optional
        Their ids; all of the collaboration where nothing is said.

    Returns
    -------
    dict
        `average`, `count` and `missing` over all rows, and `organizations`: a record of
        `organization` (its id), `count`, `missing` each.

    Raises
    ------
    TaskFailed
        When an organization could not send its part; the text says which and why.
    ValueError
        When no organization has a value.
    """
    partials: dict[int, Partial] = client.ask(
        "average_partial", organizations=organizations, column_name=column_name
    )
    return {
        **_combine(list(partials.values()), column_name),
        "organizations": of_organizations(partials, "count", "missing"),
    }


def RPC_average_partial(data: "DataFrame", column_name: str) -> Partial:  # noqa: N802
    """Sum and number of the values in a column; missing values are counted and left out.

    Raises
    ------
    InputError
        When there is no such column, or it does not hold finite numbers only.
    DisclosureRefused
        When the sum would tell too much of a single row.
    """
    column = find(data, column_name)
    values = numbers(column)
    Disclosure.at_this_site().require_sum(values, f"the column {column_name!r}")
    return {
        "sum": _sum(values, column_name),
        "count": len(values),
        "missing": len(column) - len(values),
    }


def _sum(values: "NDArray[float64]", column_name: str) -> float:
    try:
        return math.fsum(values)
    except OverflowError as error:
        raise InputError(f"The numbers of the column {column_name!r} are too large") from error


def _combine(partials: list[Partial], column_name: str) -> dict[str, Any]:
    """The average over all organizations, from what they sent."""
    count = sum(partial["count"] for partial in partials)
    if not count:
        raise ValueError(f"No organization has a value in the column {column_name!r}")
    return {
        # fsum loses nothing on the way, however different the organizations are in size.
        "average": math.fsum(partial["sum"] for partial in partials) / count,
        "count": count,
        "missing": sum(partial["missing"] for partial in partials),
    }
