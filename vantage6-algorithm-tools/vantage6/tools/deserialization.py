"""The classic way to read values from files, without the name of the format in front."""

from collections.abc import Callable
from typing import IO, Any

from vantage6.common.serialization import JSON, PICKLE, decode, register
from vantage6.tools.data_format import DataFormat

__all__ = ["deserialize", "deserialize_json", "deserialize_pickle", "deserializer"]

FileReader = Callable[[IO[Any]], Any]


def deserialize(file: IO[Any], data_format: DataFormat | str) -> Any:
    """The value in a file that is in a given format.

    Raises
    ------
    DeserializationException
        When the format is not known, or the file does not fit it.
    """
    name = data_format.value if isinstance(data_format, DataFormat) else data_format.lower()
    content = file.read()
    return decode(content.encode() if isinstance(content, str) else content, name)


def deserialize_json(file: IO[Any]) -> Any:
    """The value in a JSON file."""
    return deserialize(file, JSON)


def deserialize_pickle(file: IO[Any]) -> Any:
    """The value in a pickle; only for files whose writer you trust with this machine."""
    return deserialize(file, PICKLE)


def deserializer(data_format: DataFormat | str) -> Callable[[FileReader], FileReader]:
    """Decorator: the function below reads files in this format."""

    def decorator(read: FileReader) -> FileReader:
        from io import BytesIO

        name = data_format.value if isinstance(data_format, DataFormat) else data_format.lower()
        register(name, read=lambda body: read(BytesIO(body)))
        return read

    return decorator
