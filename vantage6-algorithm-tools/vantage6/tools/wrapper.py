"""The wrappers under the module name of later releases, and those that came later."""

import os
from typing import Any

from vantage6.tools import readers
from vantage6.tools.docker_wrapper import (
    DockerWrapper,
    ParquetWrapper,
    SparqlDockerWrapper,
    WrapperBase,
    docker_wrapper,
    parquet_wrapper,
    sparql_wrapper,
)
from vantage6.tools.readers import choice

__all__ = [
    "AutoWrapper",
    "CSVWrapper",
    "DockerWrapper",
    "ExcelWrapper",
    "FolderWrapper",
    "MultiDBWrapper",
    "ParquetWrapper",
    "SQLWrapper",
    "SparqlDockerWrapper",
    "WrapperBase",
    "auto_wrapper",
    "csv_wrapper",
    "docker_wrapper",
    "excel_wrapper",
    "folder_wrapper",
    "multidb_wrapper",
    "parquet_wrapper",
    "sparql_wrapper",
    "sql_wrapper",
]

_LABEL_SUFFIX = "_DATABASE_URI"


class AutoWrapper(WrapperBase):
    """Runs algorithms on any kind of database: what the node says, else what the address does."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """What the wrapper for this kind of database loads."""
        told = choice.told_kind(os.environ)
        kind = choice.kind_of(database_uri, told, web=choice.SPARQL)
        return readers.read(kind, database_uri, input_data)


class CSVWrapper(WrapperBase):
    """Runs algorithms on CSV files, whatever the node says that they are."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """The table in a CSV file."""
        return readers.read(choice.CSV, database_uri, input_data)


class SQLWrapper(WrapperBase):
    """Runs algorithms on what a SQL database answers."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """The answer to the `query` of the input, or its `table`."""
        return readers.read(choice.SQL, database_uri, input_data)


class ExcelWrapper(WrapperBase):
    """Runs algorithms on workbooks."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """The sheet that `sheet_name` of the input names, else the first."""
        return readers.read(choice.EXCEL, database_uri, input_data)


class FolderWrapper(WrapperBase):
    """Runs algorithms on folders."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """The table in the files of a folder, or the path of the folder."""
        return readers.read(choice.FOLDER, database_uri, input_data)


class MultiDBWrapper(WrapperBase):
    """Runs algorithms that open their databases themselves."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> dict[str, str]:
        """The address of each database that the node lets this run see, by its label."""
        return {
            name.removesuffix(_LABEL_SUFFIX).lower(): uri
            for name, uri in os.environ.items()
            if name.endswith(_LABEL_SUFFIX)
        }


def auto_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on a database of any kind; otherwise like `docker_wrapper`.

    Of `docker_wrapper` it differs in taking a web address for a SPARQL endpoint.
    """
    AutoWrapper(load_data, log_traceback).wrap_algorithm(module)


def csv_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on a CSV file and nothing else; otherwise like `docker_wrapper`."""
    CSVWrapper(load_data, log_traceback).wrap_algorithm(module)


def sql_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on the `query` or the `table` of the input; else like `docker_wrapper`."""
    SQLWrapper(load_data, log_traceback).wrap_algorithm(module)


def excel_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on a sheet of a workbook; otherwise like `docker_wrapper`."""
    ExcelWrapper(load_data, log_traceback).wrap_algorithm(module)


def folder_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on a folder; otherwise like `docker_wrapper`."""
    FolderWrapper(load_data, log_traceback).wrap_algorithm(module)


def multidb_wrapper(module: str) -> None:
    """Run an algorithm whose functions get the addresses of all databases, by label."""
    MultiDBWrapper().wrap_algorithm(module)
