"""Comma separated values."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def read(database_uri: str) -> "DataFrame":
    """The table in a CSV file."""
    import pandas

    return pandas.read_csv(database_uri)
