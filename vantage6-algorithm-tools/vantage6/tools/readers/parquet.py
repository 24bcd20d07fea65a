"""Parquet files."""

from typing import TYPE_CHECKING, Any

from vantage6.tools.exceptions import DatabaseError

if TYPE_CHECKING:
    from pandas import DataFrame


def read(database_uri: str, input_data: dict[str, Any] | None = None) -> "DataFrame":
    """The table in a parquet file.

    Raises
    ------
    DatabaseError
        When the image holds no library for it.
    """
    import pandas

    try:
        return pandas.read_parquet(database_uri)
    except ImportError as error:
        raise DatabaseError(
            "This image cannot read parquet files: "
            "it needs vantage6-algorithm-tools[parquet] to be installed"
        ) from error
