"""Folders: a table in several files, or files that an algorithm opens itself."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.tools.exceptions import DatabaseError

if TYPE_CHECKING:
    from pandas import DataFrame

#: Written into a folder by what makes tables of many files, or by desktops.
_MARKS = ("_", ".")


def read(database_uri: str, input_data: dict[str, Any] | None = None) -> "DataFrame | Path":
    """The table that lies in a folder, or the folder itself.

    A folder with nothing in it but CSV files, or nothing but parquet files, is one table: the
    rows of all files in the order of their names. Any other, such as one of scans, is handed
    over as its path. Names that begin with a dot or an underscore do not count.

    Raises
    ------
    DatabaseError
        When the files of a table differ in their columns, or there is no such folder.
    """
    folder = Path(database_uri)
    if not folder.is_dir():
        raise DatabaseError("The folder that the node names is not there")
    files = sorted(path for path in folder.iterdir() if not path.name.startswith(_MARKS))
    suffixes = {path.suffix.lower() if path.is_file() else "" for path in files}
    if suffixes == {".csv"} or suffixes == {".parquet"}:
        return _table(files, suffixes.pop())
    return folder


def _table(files: list[Path], suffix: str) -> "DataFrame":
    import pandas

    from vantage6.tools.readers import csv, parquet

    reader = parquet if suffix == ".parquet" else csv
    parts = [reader.read(str(path)) for path in files]
    if any(set(part.columns) != set(parts[0].columns) for part in parts):
        raise DatabaseError("The files of the folder do not have the same columns")
    return pandas.concat(parts, ignore_index=True)
