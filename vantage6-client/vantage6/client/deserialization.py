"""Bytes into values at the classic place."""

from collections.abc import Callable
from typing import Any

from vantage6.common.serialization import PICKLE, Reader, decode, register
from vantage6.common.serialization import deserialize as deserialize_payload

__all__ = ["deserialize", "deserializer", "load_data", "unpack_legacy_results"]


def load_data(input_bytes: bytes, *, allow_pickle: bool = False) -> Any:
    """The value of a payload that names its format.

    Parameters
    ----------
    input_bytes : bytes
        The payload, such as `json.{"a": 1}`.
    allow_pickle : bool
        Whether to read pickles: only from people you would let run programs here.

    Raises
    ------
    DeserializationException
        When it cannot be read, or is a pickle and those are not allowed.
    """
    return deserialize_payload(input_bytes, allow_pickle=allow_pickle)


def deserialize(data: bytes, data_format: str) -> Any:
    """The value of bytes in a format, without its name in front."""
    return decode(data, data_format.lower())


def unpack_legacy_results(result: list[dict[str, Any]]) -> list[Any]:
    """The values of results that are bare pickles; only from people you trust."""
    return [decode(item["result"], PICKLE) for item in result]


def deserializer(data_format: str) -> Callable[[Reader], Reader]:
    """Decorator: the function below reads this format."""

    def decorator(read: Reader) -> Reader:
        register(data_format, read=read)
        return read

    return decorator
