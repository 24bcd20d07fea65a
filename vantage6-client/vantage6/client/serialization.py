"""Values into bytes at the classic place, without the name of the format in front."""

from collections.abc import Callable
from typing import Any

from vantage6.common.serialization import Writer, encode, register

__all__ = ["serialize", "serializer"]


def serialize(data: Any, data_format: str) -> bytes:
    """Bytes of a value in a format: `json`, `pickle`, or a registered one.

    Raises
    ------
    ValueError
        For a format that is not known.
    """
    return encode(data, data_format.lower())


def serializer(data_format: str) -> Callable[[Writer], Writer]:
    """Decorator: the function below writes this format."""

    def decorator(write: Writer) -> Writer:
        register(data_format, write=write)
        return write

    return decorator
