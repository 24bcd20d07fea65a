"""Payloads of tasks and results: `<format>.<bytes>`.

JSON unless asked otherwise. A bare pickle without a format in front of it is the legacy
default of classic clients and wrappers; it is recognised, but only read where the caller
allows it, since reading a pickle runs what its sender put into it.
"""

import json
import math
import pickle
import sys
from typing import Any

from vantage6.common.exceptions import DeserializationException

SEPARATOR = "."
JSON = "json"
PICKLE = "pickle"
LEGACY = "legacy"

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
    if separator and name.isalnum():
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
        that are not finite become null, since JSON has no word for them.
    data_format : str
        "json", "pickle", or "legacy" (a pickle without a prefix).

    Raises
    ------
    ValueError
        For a format that is not known.
    TypeError
        For a value that the format cannot hold.
    """
    if data_format == JSON:
        return b"json." + dump_json(value)
    if data_format == PICKLE:
        return b"pickle." + pickle.dumps(value)
    if data_format == LEGACY:
        return pickle.dumps(value)
    raise ValueError(f"{data_format!r} is not a known data format; use 'json' or 'pickle'")


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
    body = _without_prefix(data, kind)
    if kind == JSON:
        return _load_json(body)
    if kind == PICKLE:
        return _load_pickle(body, allow_pickle)
    if not kind:
        raise DeserializationException("The payload is empty")
    raise DeserializationException(f"The payload is in the format {kind!r}, which is not known")


def dump_json(value: Any) -> bytes:
    """JSON text of a value, numpy and pandas included."""
    try:
        return json.dumps(value, allow_nan=False, default=_plain).encode()
    except ValueError:
        # Only now: walking through every payload to find what is not finite costs time.
        return json.dumps(_finite(value), allow_nan=False, default=_plain).encode()


def _without_prefix(data: bytes, kind: str) -> bytes:
    prefix = data[: len(kind) + 1]
    return data[len(prefix) :] if prefix.lower() == f"{kind}.".encode() else data


def _load_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise DeserializationException(f"The payload is not valid JSON: {error}") from error


def _load_pickle(body: bytes, allowed: bool) -> Any:
    if not allowed:
        raise DeserializationException(
            "The payload is a pickle, which can run programs when it is read; "
            "ask for JSON, or allow it with allow_pickle=True if you trust its sender"
        )
    try:
        return pickle.loads(body)
    except Exception as error:  # a pickle may raise anything at all
        raise DeserializationException(f"The pickle cannot be read: {error}") from error


def _plain(value: Any) -> Any:
    """What JSON can hold in place of a value that it does not know."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return _plain_pandas(value)
    if module == "numpy":
        return _plain_numpy(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"A value of type {type(value).__name__} cannot be put into JSON")


def _plain_pandas(value: Any) -> Any:
    pandas = sys.modules["pandas"]
    if value is pandas.NaT or value is pandas.NA:
        return None
    if hasattr(value, "to_json"):
        return json.loads(value.to_json())
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _plain_numpy(value: Any) -> Any:
    if value.dtype.kind in "mM":
        return _finite(value.astype(str).tolist())
    return _finite(value.tolist())


def _finite(value: Any) -> Any:
    """A copy in which numbers that are not finite are None."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
