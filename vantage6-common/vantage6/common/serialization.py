"""Payloads of tasks and results: `<format>.<bytes>`.

JSON unless asked otherwise. A bare pickle without a format in front of it is the legacy
default of classic clients and wrappers; it is recognised, but only read where the caller
allows it, since reading a pickle runs what its sender put into it.
"""

import json
import math
import sys
from collections.abc import Callable
from typing import Any

from vantage6.common.exceptions import DeserializationException

SEPARATOR = "."
JSON = "json"
PICKLE = "pickle"
LEGACY = "legacy"

Writer = Callable[[Any], bytes]
Reader = Callable[[bytes], Any]

_MAX_FORMAT_LENGTH = 10


def payload_format(data: bytes) -> str:
    """The format a payload is in, read from its first bytes and never from its content.

    Returns
    -------
    str
        "json", "pickle" (with or without the prefix), another lower-case prefix such as
        "rds", or "" when the payload is empty.
    """
    if not data:
        return ""
    head = data[:_MAX_FORMAT_LENGTH]
    try:
        name, separator, _ = head.decode("utf-8").partition(SEPARATOR)
    except UnicodeDecodeError:
        name, separator = head.partition(b".")[0].decode("ascii", "replace"), ""
        if head.partition(b".")[1] and name.isalnum() and name.isascii():
            separator = SEPARATOR
    # Classic wrappers end the name at a letter beyond ASCII, and read what is there as a pickle.
    if separator and name.isalnum() and name.isascii():
        return name.lower()
    if head.lstrip()[:1] in (b"{", b"["):
        return JSON
    return PICKLE


def serialize(value: Any, data_format: str = JSON) -> bytes:
    """Bytes of a value with the name of their format in front.

    Parameters
    ----------
    value : object
        For JSON: what JSON knows, numpy scalars and arrays, pandas objects, dates. Numbers
        that are not finite become null, since JSON has no word for them; a data frame
        becomes an object of its columns, each an object by index; dates become ISO text.
    data_format : str
        "json", "pickle", "legacy" (a pickle without a prefix), or a registered one.

    Raises
    ------
    ValueError
        For a format that is not known.
    TypeError
        For a value that the format cannot hold.
    """
    if data_format == LEGACY:
        return encode(value, PICKLE)
    return f"{data_format}{SEPARATOR}".encode() + encode(value, data_format)


def encode(value: Any, data_format: str) -> bytes:
    """Bytes of a value, without the name of the format in front.

    Raises
    ------
    ValueError
        For a format that is not known.
    TypeError
        For a value that the format cannot hold.
    """
    if data_format not in _writers:
        known = ", ".join(sorted(_writers))
        raise ValueError(f"{data_format!r} is not a known data format; known are {known}")
    return _writers[data_format](value)


def register(data_format: str, *, write: Writer | None = None, read: Reader | None = None) -> None:
    """Add a format, or replace how one is written or read.

    Parameters
    ----------
    data_format : str
        Its name, as it stands in front of payloads: up to nine letters and digits.
    write, read : callable, optional
        From a value to bytes without the name in front, and back.
    """
    if write:
        _writers[data_format] = write
    if read:
        _readers[data_format] = read


def can_write(data_format: str) -> bool:
    """Whether a value can be put into this format."""
    return data_format == LEGACY or data_format in _writers


def deserialize(data: bytes, *, allow_pickle: bool = False) -> Any:
    """The value of a payload, whatever format it says it is in.

    Parameters
    ----------
    data : bytes
        The payload, with or without a format in front.
    allow_pickle : bool
        Whether to read pickles. Only for payloads of people you would let run programs
        on this machine.

    Raises
    ------
    DeserializationException
        When the format is not known or not allowed, or the bytes do not fit it.
    """
    kind = payload_format(data)
    if not kind:
        raise DeserializationException("The payload is empty")
    if kind == PICKLE and not allow_pickle:
        raise DeserializationException(
            "The payload is a pickle, which can run programs when it is read; "
            "ask for JSON, or allow it with allow_pickle=True if you trust its sender"
        )
    return decode(_without_prefix(data, kind), kind)


def decode(body: bytes, data_format: str) -> Any:
    """The value of bytes that are in a format, without its name in front; pickles too.

    Raises
    ------
    DeserializationException
        When the format is not known, or the bytes do not fit it.
    """
    if data_format not in _readers:
        raise DeserializationException(
            f"The payload is in the format {data_format!r}, which is not known"
        )
    return _readers[data_format](body)


def _without_prefix(data: bytes, kind: str) -> bytes:
    prefix = data[: len(kind) + 1]
    return data[len(prefix) :] if prefix.lower() == f"{kind}.".encode() else data


def _write_json(value: Any) -> bytes:
    try:
        return json.dumps(value, allow_nan=False, default=_plain).encode()
    except (ValueError, TypeError):
        # Only now: a walk through every payload for what JSON lacks words for costs time.
        return json.dumps(_tree(value), allow_nan=False, default=_plain).encode()


def _read_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise DeserializationException(f"The payload is not valid JSON: {error}") from error


def _write_pickle(value: Any) -> bytes:
    import pickle

    return pickle.dumps(value)


def _read_pickle(body: bytes) -> Any:
    import pickle

    try:
        return pickle.loads(body)  # only where the caller allowed it
    except Exception as error:
        raise DeserializationException(f"The pickle cannot be read: {error}") from error


def _plain(value: Any) -> Any:
    """What JSON can hold in place of a value that it does not know."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return _plain_pandas(value)
    if module == "numpy":
        # Dates and spans become text: their numbers say nothing without the unit.
        return _tree((value.astype(str) if value.dtype.kind in "mM" else value).tolist())
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return _tree(sorted(value))
    raise TypeError(f"A value of type {type(value).__name__} cannot be put into JSON")


def _plain_pandas(value: Any) -> Any:
    # Not pandas' own to_json: it cuts numbers after ten decimals.
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = {_key(name): column for name, column in value.items()}
        _refuse_duplicates(columns, value.columns)
        return {name: _plain_pandas(column) for name, column in columns.items()}
    if isinstance(value, pandas.Series):
        rows = dict(zip(map(_key, value.index), _tree(value.tolist()), strict=True))
        _refuse_duplicates(rows, value.index)
        return rows
    if hasattr(value, "tolist"):
        return _tree(value.tolist())
    if value is pandas.NaT or value is pandas.NA:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _refuse_duplicates(keyed: dict[str, Any], labels: Any) -> None:
    if len(keyed) != len(labels):
        raise TypeError(
            "Rows or columns that share a name cannot be put into JSON; reset_index() may help"
        )


def _tree(value: Any) -> Any:
    """A copy with None for numbers that are not finite, and keys that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {_key(key): _tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_tree(item) for item in value]
    return value


def _key(key: Any) -> str:
    """A key as JSON writes it; what it has no word for becomes text."""
    if isinstance(key, str):
        return key
    if hasattr(key, "isoformat"):
        return str(key.isoformat())
    plain = key.item() if hasattr(key, "item") else key
    known = plain is None or isinstance(plain, bool | int)
    return json.dumps(plain) if known else str(plain)


_writers: dict[str, Writer] = {JSON: _write_json, PICKLE: _write_pickle}
_readers: dict[str, Reader] = {JSON: _read_json, PICKLE: _read_pickle}
