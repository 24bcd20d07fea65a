"""Comma separated values."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame


def read(database_uri: str, input_data: dict[str, Any] | None = None) -> "DataFrame":
    """The table in a CSV file."""
    import pandas

    return pandas.read_csv(database_uri)
