"""The wrappers under the module name of later releases, and those that came later."""

import os
from pathlib import PurePath
from typing import Any

from vantage6.tools.docker_wrapper import (
    DockerWrapper,
    ParquetWrapper,
    SparqlDockerWrapper,
    WrapperBase,
    docker_wrapper,
    parquet_wrapper,
    sparql_wrapper,
)

__all__ = [
    "AutoWrapper",
    "CSVWrapper",
    "DockerWrapper",
    "MultiDBWrapper",
    "ParquetWrapper",
    "SparqlDockerWrapper",
    "WrapperBase",
    "auto_wrapper",
    "docker_wrapper",
    "multidb_wrapper",
    "parquet_wrapper",
    "sparql_wrapper",
]

CSVWrapper = DockerWrapper

_LABEL_SUFFIX = "_DATABASE_URI"


def auto_wrapper(module: str, load_data: bool = True) -> None:
    """Run an algorithm on a database of any known kind, told by its address."""
    AutoWrapper(load_data).wrap_algorithm(module)


def multidb_wrapper(module: str) -> None:
    """Run an algorithm whose functions get the addresses of all databases, by label."""
    MultiDBWrapper().wrap_algorithm(module)


class AutoWrapper(WrapperBase):
    """Runs algorithms on CSV files, parquet files and SPARQL endpoints."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """What the wrapper for this kind of database loads."""
        wrapper: type[WrapperBase] = DockerWrapper
        if database_uri.startswith(("http://", "https://")):
            wrapper = SparqlDockerWrapper
        elif PurePath(database_uri).suffix in (".parquet", ".pq"):
            wrapper = ParquetWrapper
        return wrapper.load_data(database_uri, input_data)


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
