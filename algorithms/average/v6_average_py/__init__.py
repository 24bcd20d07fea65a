"""Average of a column over all organizations of a collaboration.

Each organization sends the sum and the number of its values; no value itself leaves it.
"""

import math
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient

__all__ = ["RPC_average_partial", "master"]


class Partial(TypedDict):
    """What one organization sends."""

    sum: float
    count: int
    missing: int


def master(client: "ContainerClient", data: "DataFrame", column_name: str) -> dict[str, Any]:
    """Average of a column over all organizations.

    Parameters
    ----------
    client : ContainerClient
        Reaches the other organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    column_name : str
        A column of numbers.

    Returns
    -------
    dict
        `average`, `count` and `missing` over all rows, and `rows`: how many each organization
        had, by its id.

    Raises
    ------
    TaskFailed
        When an organization could not send its part; the text says which and why.
    ValueError
        When no organization has a value.
    """
    ids = [organization["id"] for organization in client.get_organizations_in_my_collaboration()]
    task = client.create_new_task(
        {"method": "average_partial", "kwargs": {"column_name": column_name}},
        organization_ids=ids,
    )
    partials: list[Partial] = client.wait_for_results(task["id"])
    return {**combine(partials, column_name), "rows": rows_of(ids, partials)}


def RPC_average_partial(data: "DataFrame", column_name: str) -> Partial:  # noqa: N802
    """Sum and number of the values in a column; missing values are counted and left out.

    Raises
    ------
    ValueError
        When there is no such column, or it does not hold finite numbers only.
    """
    if column_name not in data.columns:
        raise ValueError(f"There is no column {column_name!r} in this database")
    column = data[column_name]
    values = column.dropna()
    if len(values) and values.dtype.kind not in "iufb":
        raise ValueError(f"The column {column_name!r} does not hold numbers")
    total = math.fsum(values)
    if not math.isfinite(total):
        raise ValueError(f"The column {column_name!r} holds numbers that are not finite")
    return {"sum": total, "count": len(values), "missing": len(column) - len(values)}


def combine(partials: list[Partial], column_name: str) -> dict[str, Any]:
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


def rows_of(organization_ids: list[int], partials: list[Partial]) -> dict[int, int]:
    """How many rows each organization took part with, the missing values among them."""
    rows = (partial["count"] + partial["missing"] for partial in partials)
    return dict(zip(organization_ids, rows, strict=True))
