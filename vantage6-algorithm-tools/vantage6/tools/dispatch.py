"""From the input to the function it asks for, and to that function's answer."""

import os
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from vantage6.common.serialization import (
    ENVELOPE,
    JSON,
    LEGACY,
    PICKLE,
    can_write,
    deserialize,
    payload_format,
    serialize,
)
from vantage6.tools.exceptions import (
    DeserializationException,
    FunctionFailed,
    InputError,
    MethodNotFound,
    OutputError,
)
from vantage6.tools.failure import describe, tells_no_data, values_in
from vantage6.tools.functions import DECORATED, Wishes, find_function, uses_argument
from vantage6.tools.util import info

if TYPE_CHECKING:
    from vantage6.common.client.container import ContainerClient


class Call(NamedTuple):
    """One call of a function of the algorithm, ready to be made."""

    name: str
    function: Callable[..., Any]
    central: bool
    arguments: list[Any]
    keywords: dict[str, Any]
    #: Import name of the algorithm.
    algorithm: str
    #: What a function of the 4.x line says of itself.
    wishes: Wishes | None = None

    @property
    def needs_data(self) -> bool:
        """Whether the function looks at the data it is handed.

        Central functions mostly do not, and then their container starts without the time
        that it takes to import a data library and to read the database.
        """
        if self.wishes:
            return self.wishes.data
        return not self.central or uses_argument(self.function, 1)

    @property
    def needs_client(self) -> bool:
        """Whether the function asks other organizations."""
        return self.wishes.client if self.wishes else self.central

    def run(self, data: Any, client: Any = None) -> Any:
        """Make the call; central functions get a client in front of the data."""
        if self.wishes:
            wanted = {"mock_client": client} if self.wishes.client else {}
            wanted |= {"mock_data": [data]} if self.wishes.data else {}
            return self.function(*self.arguments, **wanted, **self.keywords)
        leading = [client, data] if self.central else [data]
        return self.function(*leading, *self.arguments, **self.keywords)


def answer(
    payload: bytes,
    module: str,
    *,
    load_data: Callable[[dict[str, Any]], Any],
    connect: Callable[[], "ContainerClient"],
    allow_pickle: bool = False,
) -> bytes:
    """The whole way from the bytes of an input to those of the algorithm's answer.

    Parameters
    ----------
    payload : bytes
        The input as the node wrote it.
    module : str
        Name of the algorithm's package.
    load_data : callable
        Gives the data for an input; called only where the function looks at it.
    connect : callable
        Gives the client for central functions.
    allow_pickle : bool
        Whether a pickled input is read.

    Raises
    ------
    AlgorithmError
        When it cannot be done; the subclass tells what stood in the way.
    """
    input_data = parse_input(payload, allow_pickle)
    call = find_call(module, input_data)
    answer_format = choose_format(input_data, payload)
    data = load_data(input_data) if call.needs_data else None
    client = connect() if call.needs_client else None
    info(f"Calling {call.name}")
    value = call_function(call, data, client)
    info(f"Answering as {answer_format}")
    return _to_bytes(value, answer_format, typed=input_data.get("typed") is True)


def find_call(module_name: str, input_data: dict[str, Any]) -> Call:
    """The call that an input asks for.

    Raises
    ------
    InputError
        When the input names no function, or its arguments are none.
    MethodNotFound
        When the algorithm has no such function.
    """
    method = input_data.get("method")
    if not isinstance(method, str) or not method:
        raise InputError("The input does not name a method")
    central = bool(input_data.get("master"))
    algorithm = import_algorithm(module_name)
    name, function = find_function(algorithm, method, central=central)
    # R sends an empty list where it means no keywords, and the other way round.
    arguments, keywords = input_data.get("args") or [], input_data.get("kwargs") or {}
    if not isinstance(arguments, list | tuple):
        raise InputError("The args of the input are not a list")
    if not isinstance(keywords, dict) or not all(isinstance(key, str) for key in keywords):
        raise InputError("The kwargs of the input are not a dictionary with names as keys")
    return Call(
        name=name,
        function=function,
        central=central,
        arguments=[_argument(value) for value in arguments],
        keywords=_keywords(function, keywords),
        algorithm=algorithm.__name__,
        wishes=getattr(function, DECORATED, None),
    )


def parse_input(payload: bytes, allow_pickle: bool) -> dict[str, Any]:
    """The dictionary in an input.

    Raises
    ------
    InputError
        When there is none, or it is a pickle and those are not allowed.
    """
    try:
        input_data = deserialize(payload, allow_pickle=allow_pickle, unique_keys=True)
    except DeserializationException as error:
        raise InputError(f"The input cannot be read. {error}") from error
    if not isinstance(input_data, dict):
        raise InputError("The input is not a dictionary with a method in it")
    return input_data


def choose_format(input_data: dict[str, Any], payload: bytes) -> str:
    """The format that was asked for, else that of the input.

    Raises
    ------
    OutputError
        When nothing here can write the format asked for.
    """
    asked = input_data.get("output_format")
    if not asked and isinstance(input_data.get("kwargs"), dict):
        asked = input_data["kwargs"].get("data_format")
    if not asked:
        return _format_like(payload)
    if not isinstance(asked, str) or not can_write(asked.lower()):
        raise OutputError(
            f"The answer is asked for in the format {asked!r:.40}, which this image cannot write"
        )
    return asked.lower()


def import_algorithm(module_name: str) -> Any:
    """The package of the algorithm, by its import name or that of its distribution.

    Raises
    ------
    MethodNotFound
        When nothing of that name is installed, or it cannot be imported.
    """
    for name in (module_name, module_name.replace("-", "_")):
        try:
            return import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise _not_importable(module_name, error) from error
        except Exception as error:
            raise _not_importable(module_name, error) from error
    raise MethodNotFound(f"The algorithm package {module_name!r} is not installed in this image")


def call_function(call: Call, data: Any, client: "ContainerClient | None" = None) -> Any:
    """Make a call.

    Raises
    ------
    FunctionFailed
        When the function raised an error. Its text is one line with the kind of that error,
        where it was, and its words where they can show no data; see `failure`.
    """
    try:
        return call.run(data, client)
    except Exception as error:
        known = values_in(call.arguments, call.keywords)
        raise FunctionFailed(
            f"Error encountered while calling {call.name}: "
            f"{describe(error, call.algorithm, known)}",
            error,
        ) from error


def container_client(token: str) -> "ContainerClient":
    """A client that asks the server through the proxy of the node.

    Raises
    ------
    InputError
        When the environment does not tell where the proxy is.
    """
    from vantage6.common.client.container import ContainerClient

    try:
        client = ContainerClient(
            token,
            host=os.environ["HOST"],
            port=os.environ["PORT"],
            path=os.environ.get("API_PATH", ""),
            allow_pickle=pickle_allowed(),
        )
    except KeyError as error:
        raise InputError(
            f"The node does not tell where its proxy is: the variable {error} is not set"
        ) from error
    info(f"Working in collaboration {client.collaboration_id}")
    return client


def pickle_allowed() -> bool:
    """Whether the node lets this run read pickles: `ALLOW_PICKLE` in its environment."""
    return os.environ.get("ALLOW_PICKLE", "").lower() in ("1", "true", "yes")


def _not_importable(module_name: str, error: Exception) -> MethodNotFound:
    # Of what cannot be imported the words name modules only.
    said = f"{type(error).__name__}: {error}" if isinstance(error, ImportError) else ""
    return MethodNotFound(
        f"The algorithm package {module_name!r} cannot be imported "
        f"({said or describe(error, module_name)})"
    )


def _argument(value: Any) -> Any:
    """An argument as it was given, where it came in the typed form."""
    if not (isinstance(value, dict) and ENVELOPE in value):
        return value
    from vantage6.common.typed import unwrap

    try:
        return unwrap(value)
    except DeserializationException as error:
        raise InputError(f"The input has an argument that cannot be read. {error}") from error


def _keywords(function: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    """The keywords for a function, without a `data_format` that it does not know.

    The documentation has researchers ask for the format of the answer there.
    """
    keywords = {name: _argument(value) for name, value in given.items()}
    if "data_format" not in keywords:
        return keywords
    import inspect

    parameters = inspect.signature(function).parameters.values()
    if any(p.name == "data_format" or p.kind is p.VAR_KEYWORD for p in parameters):
        return keywords
    return {name: value for name, value in keywords.items() if name != "data_format"}


def _format_like(payload: bytes) -> str:
    if payload_format(payload) != PICKLE:
        return JSON
    return PICKLE if payload[: len(PICKLE)].lower() == PICKLE.encode() else LEGACY


def _to_bytes(value: Any, answer_format: str, *, typed: bool) -> bytes:
    try:
        return serialize(value, answer_format, typed=typed)
    except Exception as error:
        said = str(error) if tells_no_data(error, __name__) else f"({type(error).__name__})"
        raise OutputError(f"The answer cannot be written. {said}") from error
