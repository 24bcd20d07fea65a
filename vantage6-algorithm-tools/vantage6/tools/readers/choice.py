"""Which reader suits a database: by the kind that its owner told, else by its address."""

import os
from collections.abc import Mapping
from pathlib import PurePath

CSV, EXCEL, FOLDER, PARQUET, SPARQL, SQL = "csv", "excel", "folder", "parquet", "sparql", "sql"

#: What owners call the kinds. What is not here is read as CSV, as ever.
_KINDS = {
    **dict.fromkeys(("excel", "xls", "xlsx", "xlsm"), EXCEL),
    **dict.fromkeys(("folder", "directory", "dir"), FOLDER),
    **dict.fromkeys(("parquet", "pq"), PARQUET),
    **dict.fromkeys(("sparql", "rdf"), SPARQL),
    **dict.fromkeys(
        ("sql", "postgresql", "postgres", "sqlite", "mysql", "mariadb", "omop", "database"), SQL
    ),
}
_SUFFIXES = {
    **dict.fromkeys((".parquet", ".pq"), PARQUET),
    **dict.fromkeys((".xlsx", ".xlsm"), EXCEL),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), SQL),
}
_WEB = ("http", "https")


def kind_of(uri: str, told: str = "", *, web: str = CSV) -> str:
    """The kind of a database, which is the name of its reader.

    Parameters
    ----------
    uri : str
        Path or address.
    told : str
        What the owner calls it; "" where nothing was said.
    web : str
        What a web address is where nothing was said.
    """
    if told:
        return _KINDS.get(told.lower(), CSV)
    scheme, separator, _ = uri.partition("://")
    if separator and scheme != "file":
        return web if scheme.lower() in _WEB else SQL
    if os.path.isdir(uri):
        return FOLDER
    return _SUFFIXES.get(PurePath(uri).suffix.lower(), CSV)


def told_kind(environment: Mapping[str, str]) -> str:
    """What the node says of the kind of the task's database; "" where it says nothing."""
    label = environment.get("USER_REQUESTED_DATABASE_LABEL", "default")
    return environment.get(f"{label.upper()}_DATABASE_TYPE", "")
