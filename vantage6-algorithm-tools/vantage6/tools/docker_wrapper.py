"""Entries of algorithm containers: read the input, load the data, call, write the answer.

Third parties end their Dockerfile with a call of one of the functions below. Every container
imports this module, so it pulls in no library before one is needed.
"""

import os
import sys
from pathlib import Path
from typing import IO, Any

from vantage6.common.serialization import LEGACY, deserialize, serialize
from vantage6.tools import readers
from vantage6.tools.dispatch import answer, container_client, pickle_allowed
from vantage6.tools.exceptions import (
    AlgorithmError,
    DatabaseError,
    DeserializationException,
    FunctionFailed,
    InputError,
    OutputError,
)
from vantage6.tools.failure import describe, frames
from vantage6.tools.readers import choice
from vantage6.tools.util import error, info, warn

_DATA_FORMAT_SEPARATOR = "."
_MAX_FORMAT_STRING_LENGTH = 10
_YES = ("1", "true", "yes")


def docker_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on the database of its task, which its functions get as a data frame.

    That is a CSV file, unless the node says another kind, or the address can be no CSV file.

    Parameters
    ----------
    module : str
        Import name of the algorithm.
    load_data : bool
        False for algorithms that have no use for a database: their functions get None.
    use_new_client : bool
        Accepted as in later releases; there is one client, which has the methods of both.
    log_traceback : bool
        Whether the log tells the way to an error through the sources. Its words are told as
        ever: where they can show no data.
    """
    DockerWrapper(load_data, log_traceback).wrap_algorithm(module)


def parquet_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on a parquet file; otherwise like `docker_wrapper`."""
    ParquetWrapper(load_data, log_traceback).wrap_algorithm(module)


def sparql_wrapper(
    module: str,
    load_data: bool = True,
    use_new_client: bool = False,
    log_traceback: bool = False,
) -> None:
    """Run an algorithm on what a SPARQL endpoint answers to the `query` of the input."""
    SparqlDockerWrapper(load_data, log_traceback).wrap_algorithm(module)


class WrapperBase:
    """One run of an algorithm; a subclass says how its database is loaded.

    Parameters
    ----------
    needs_database : bool
        False where the functions of the algorithm have no use for a database.
    log_traceback : bool
        Whether the log tells the way to an error through the sources.
    """

    def __init__(self, needs_database: bool = True, log_traceback: bool = False) -> None:
        self.needs_database = needs_database
        self.log_traceback = log_traceback

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """What the functions of the algorithm get as their data.

        Parameters
        ----------
        database_uri : str
            Path or address of the database.
        input_data : dict
            The input of the run.
        """
        raise NotImplementedError

    def wrap_algorithm(self, module: str) -> None:
        """Run an algorithm from the files that the node names to the file it asks for.

        Raises
        ------
        SystemExit
            With the status of `exceptions`, after one line on the reason, when that did not work.
        """
        info(f"{type(self).__name__} for {module}")
        try:
            self._run(module)
        except FunctionFailed as failure:
            warn(str(failure))
            self._end(failure, failure.exit_code)
        except AlgorithmError as failure:
            error(str(failure))
            self._end(failure, failure.exit_code)
        except Exception as failure:  # noqa: BLE001 - its words could show data
            error(f"The wrapper failed: {describe(failure, module)}")
            self._end(failure, AlgorithmError.exit_code)

    def _end(self, failure: Exception, exit_code: int) -> None:
        """End the program; before that, tell more where that is wanted."""
        cause = failure.__cause__ or failure
        if os.environ.get("LOG_TRACEBACK", "").lower() in _YES:
            import traceback

            # The owner of the data has said so, and it is they who may.
            traceback.print_exception(cause)
        elif self.log_traceback:
            for line in frames(cause):
                info(f"  {line}")
        sys.exit(exit_code)

    def _run(self, module: str) -> None:
        content = answer(
            _read_file("INPUT_FILE", "input"),
            module,
            load_data=self._load if self.needs_database else _no_data,
            connect=lambda: container_client(_read_token()),
            allow_pickle=pickle_allowed(),
        )
        try:
            _path("OUTPUT_FILE").write_bytes(content)
        except OSError as failure:
            raise OutputError(f"The answer cannot be written: {failure.strerror}") from failure

    def _load(self, input_data: dict[str, Any]) -> Any:
        """The data; a failure is told without the words of the library, which can show data."""
        uri = _environment("DATABASE_URI", "The node names no database for this task")
        try:
            return self.load_data(uri, input_data)
        except AlgorithmError:
            raise
        except FileNotFoundError as missing:
            raise DatabaseError("The database file that the node names is not there") from missing
        except Exception as failure:
            raise DatabaseError(
                f"The database could not be read by {type(self).__name__} "
                f"({type(failure).__name__})"
            ) from failure


class DockerWrapper(WrapperBase):
    """Runs algorithms on CSV files, and on whatever else the node says that it has."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """What is in the database of the task."""
        kind = choice.kind_of(database_uri, choice.told_kind(os.environ))
        return readers.read(kind, database_uri, input_data)


class ParquetWrapper(WrapperBase):
    """Runs algorithms on parquet files."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """The table in a parquet file."""
        return readers.read(choice.PARQUET, database_uri, input_data)


class SparqlDockerWrapper(WrapperBase):
    """Runs algorithms on what a SPARQL endpoint answers."""

    @staticmethod
    def load_data(database_uri: str, input_data: dict[str, Any]) -> Any:
        """The endpoint's answer to the `query` of the input."""
        return readers.read(choice.SPARQL, database_uri, input_data)


def load_input(input_file: str) -> Any:
    """The value in an input file.

    Raises
    ------
    DeserializationException
        When it cannot be read, or is a pickle and the node does not allow those.
    """
    return deserialize(Path(input_file).read_bytes(), allow_pickle=pickle_allowed())


# The name of the 2.x line
_load_data = load_input


def write_output(output_format: str | None, output: Any, output_file: str) -> None:
    """Write an answer with its format in front; without a format, as a bare pickle.

    Raises
    ------
    ValueError
        For a format that is not known; the file is left as it was.
    """
    Path(output_file).write_bytes(serialize(output, (output_format or LEGACY).lower()))


def _read_formatted(file: IO[bytes]) -> Any:
    """The value in an open file that names its format."""
    return deserialize(file.read(), allow_pickle=pickle_allowed())


def _read_data_format(file: IO[bytes]) -> str:
    """The name of the format in front of an open file, which is then read up to its separator."""
    head = file.read(_MAX_FORMAT_STRING_LENGTH)
    name, separator, _ = head.partition(_DATA_FORMAT_SEPARATOR.encode())
    if not separator or not name.isalnum():
        raise DeserializationException("The file does not name its format")
    file.seek(len(name) + len(separator) - len(head), os.SEEK_CUR)
    return name.decode()


def _no_data(input_data: dict[str, Any]) -> None:
    """For algorithms that have no use for a database."""


def _read_token() -> str:
    return _read_file("TOKEN_FILE", "token").decode().strip()


def _read_file(variable: str, what: str) -> bytes:
    path = _path(variable)
    try:
        return path.read_bytes()
    except OSError as failure:
        raise InputError(f"The {what} file {path} cannot be read: {failure.strerror}") from failure


def _path(variable: str) -> Path:
    return Path(_environment(variable, "This program is started by a node"))


def _environment(variable: str, reason: str) -> str:
    value = os.environ.get(variable)
    if not value:
        raise InputError(f"{reason}: the variable {variable} is not set")
    return value
