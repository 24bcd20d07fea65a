"""Parquet files."""

import os
import sys
from typing import TYPE_CHECKING, Any

from vantage6.tools.exceptions import DatabaseError

if TYPE_CHECKING:
    from pandas import DataFrame

#: Where an image has the library, if that is aside.
_FOLDER = "VANTAGE6_PARQUET_LIBRARY"


def read(database_uri: str, input_data: dict[str, Any] | None = None) -> "DataFrame":
    """The table in a parquet file.

    Raises
    ------
    DatabaseError
        When the image holds no library for it.
    """
    _find_library()
    import pandas

    try:
        return pandas.read_parquet(database_uri)
    except ImportError as error:
        raise DatabaseError(
            "This image cannot read parquet files: "
            "it needs vantage6-algorithm-tools[parquet] to be installed"
        ) from error


def _find_library() -> None:
    """Have the library found where the image keeps it.

    Pandas imports pyarrow whenever it can, which would cost every run some 50 ms. So our base
    image keeps it where nobody finds it by chance.
    """
    folder = os.environ.get(_FOLDER)
    if folder and folder not in sys.path:
        sys.path.append(folder)
