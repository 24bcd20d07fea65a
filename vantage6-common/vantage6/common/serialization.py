"""Payloads of tasks and results: `<format>.<bytes>`.

JSON unless asked otherwise. A bare pickle without a format in front of it is the legacy
default of classic clients and wrappers; it is recognised, but only read where the caller
allows it, since reading a pickle runs what its sender put into it.
"""

import json
from collections.abc import Callable
from typing import Any

from vantage6.common.exceptions import DeserializationException

SEPARATOR = "."
JSON = "json"
PICKLE = "pickle"
LEGACY = "legacy"
#: The key by which JSON says that it is in the typed form, see `typed`.
ENVELOPE = "$typed"
#: Formats whose reading can run what the sender put into them, and what to call such a payload.
RUNS_CODE = {PICKLE: "a pickle", "rds": "in R's own format"}

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


def serialize(value: Any, data_format: str = JSON, *, typed: bool = False) -> bytes:
    """Bytes of a value with the name of their format in front.

    Parameters
    ----------
    value : object
        For JSON: what JSON knows, numpy scalars and arrays, pandas objects, dates. Numbers
        that are not finite become null, since JSON has no word for them; a data frame
        becomes an object of its columns, each an object by index; dates and spans of time
        become ISO text, bytes base64, a set a list.
    data_format : str
        "json", "pickle", "legacy" (a pickle without a prefix), or a registered one.
    typed : bool
        For JSON: whether what plain JSON lacks is written in the typed form, of which
        `deserialize` makes again what it was. Only for readers that know it.

    Raises
    ------
    ValueError
        For a format that is not known.
    TypeError
        For a value that the format cannot hold.
    """
    if data_format == LEGACY:
        return encode(value, PICKLE)
    if typed and data_format == JSON:
        from vantage6.common.typed import wrap

        value = _without_depth(wrap, value)
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


def deserialize(data: bytes, *, allow_pickle: bool = False, unique_keys: bool = False) -> Any:
    """The value of a payload, whatever format it says it is in.

    Parameters
    ----------
    data : bytes
        The payload, with or without a format in front. JSON in the typed form is read as such.
    allow_pickle : bool
        Whether to read pickles. Only for payloads of people you would let run programs
        on this machine.
    unique_keys : bool
        Whether JSON with an object that has one key twice is refused: of the two, another
        reader may take the other one.

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
    body = _without_prefix(data, kind)
    # A large one is not to be there twice while it is read.
    del data
    if unique_keys and kind == JSON and _readers[JSON] is _read_json:
        return _read_json(body, _object_of_unique_keys)
    return decode(body, kind)


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
        from vantage6.common.plain import tree

        copy = _without_depth(tree, value)
        return json.dumps(copy, allow_nan=False, default=_plain).encode()
    except RecursionError:
        raise TypeError("A value that is nested so deeply cannot be put into JSON") from None


def _plain(value: Any) -> Any:
    from vantage6.common.plain import plain

    return plain(value)


def _read_json(body: bytes, make_object: Callable[[Any], Any] | None = None) -> Any:
    try:
        value = json.loads(body, object_pairs_hook=make_object)
    except RecursionError:
        raise DeserializationException("The payload is nested too deeply") from None
    except DeserializationException:
        raise
    except ValueError as error:
        raise DeserializationException(f"The payload is not valid JSON: {_place(error)}") from None
    if isinstance(value, dict) and ENVELOPE in value:
        from vantage6.common.typed import unwrap

        return unwrap(value)
    return value


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise DeserializationException("The payload has a key twice in one of its objects")
    return found


def _place(error: ValueError) -> str:
    """What is wrong with JSON and where, without what stands there."""
    if isinstance(error, json.JSONDecodeError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not UTF-8"
    return "a number in it is too long"


def _without_depth(walk: Callable[[Any], Any], value: Any) -> Any:
    try:
        return walk(value)
    except RecursionError:
        raise TypeError("A value that is nested so deeply cannot be put into JSON") from None


def _write_pickle(value: Any) -> bytes:
    import pickle

    return pickle.dumps(value)


def _read_pickle(body: bytes) -> Any:
    import pickle

    try:
        return pickle.loads(body)  # only where the caller allowed it
    except Exception as error:
        raise DeserializationException(
            f"The pickle cannot be read ({type(error).__name__})"
        ) from error


_writers: dict[str, Writer] = {JSON: _write_json, PICKLE: _write_pickle}
_readers: dict[str, Reader] = {JSON: _read_json, PICKLE: _read_pickle}
