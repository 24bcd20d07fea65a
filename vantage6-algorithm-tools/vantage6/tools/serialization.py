"""The classic way to put values into bytes, without the name of the format in front."""

from collections.abc import Callable
from typing import Any

from vantage6.common.serialization import Writer, encode, register
from vantage6.tools.data_format import DataFormat

__all__ = ["serialize", "serializer"]


def serialize(data: Any, data_format: DataFormat | str) -> bytes:
    """Bytes of a value.

    Raises
    ------
    ValueError
        For a format that is not known.
    TypeError
        For a value that the format cannot hold.
    """
    return encode(data, _name(data_format))


def serializer(data_format: DataFormat | str) -> Callable[[Writer], Writer]:
    """Decorator: the function below writes this format."""

    def decorator(write: Writer) -> Writer:
        register(_name(data_format), write=write)
        return write

    return decorator


def _name(data_format: DataFormat | str) -> str:
    return data_format.value if isinstance(data_format, DataFormat) else data_format.lower()
