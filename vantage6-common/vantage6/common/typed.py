"""The typed form of values in JSON: what comes out of it is what went in.

Plain JSON has no word for dates, tables, arrays, sets, numbers that are not finite, or keys that
are no text. The typed form says such a value as an object with `$type`, and stands in an envelope
that tells it from plain JSON::

    {"$typed": 1, "value": {"mean": {"$type": "float", "value": "NaN"}}}

A value that plain JSON holds as it is needs no envelope, and gets none. The list of types is
closed: nothing in a payload names code. `docs/reference/payloads.md` describes all of them.
"""

import base64
import binascii
import datetime
import decimal
import math
from collections.abc import Callable
from typing import Any

from vantage6.common.exceptions import DeserializationException
from vantage6.common.serialization import ENVELOPE

VERSION = 1
TYPE = "$type"

#: Numbers that are not finite, as words: JSON has none.
NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
#: A decimal of a thousand digits is a number; one of a million is an attack.
_MOST_DIGITS = 10_000


def wrap(value: Any) -> Any:
    """A value as JSON can hold it without loss: plain where that will do, else in the envelope.

    Raises
    ------
    TypeError
        For a value of a type that the typed form does not have.
    """
    tree = to_tree(value)
    # `to_tree` gives back what it was given where nothing had to be said in another way.
    is_plain = tree is value or not _names_a_type(tree)
    return tree if is_plain and not is_wrapped(tree) else {ENVELOPE: VERSION, "value": tree}


def is_wrapped(value: Any) -> bool:
    """Whether something that was read from JSON says that it is in the typed form."""
    return isinstance(value, dict) and ENVELOPE in value and len(value) == 2 and "value" in value


def unwrap(value: Any) -> Any:
    """What was read from JSON, as it was before it was written; plain JSON stays as it is.

    Raises
    ------
    DeserializationException
        When it says that it is typed and does not fit the form.
    """
    if not is_wrapped(value):
        return value
    # Of numbers only 1 itself: True and 1.0 are equal to it.
    if value[ENVELOPE] != VERSION or type(value[ENVELOPE]) is not int:
        raise DeserializationException(
            f"The payload is in a typed form that this version does not know; it knows {VERSION}"
        )
    try:
        return from_tree(value["value"])
    except RecursionError:
        raise DeserializationException("The typed payload is nested too deeply") from None


def to_tree(value: Any) -> Any:
    """A value with `$type` objects for what plain JSON lacks; itself where it lacks nothing."""
    kind = type(value)
    if value is None or kind is str or kind is bool or kind is int:
        return value
    if kind is float:
        return value if math.isfinite(value) else _typed("float", value=not_finite_word(value))
    if isinstance(value, list):
        items = [to_tree(item) for item in value]
        changed = any(new is not old for new, old in zip(items, value, strict=True))
        return items if changed or kind is not list else value
    if isinstance(value, tuple):
        return [to_tree(item) for item in value]
    if isinstance(value, dict):
        return _dict_to_tree(value)
    return _other_to_tree(value)


def from_tree(tree: Any) -> Any:
    """The value that `to_tree` was given; tuples became lists, as in all of JSON.

    Raises
    ------
    DeserializationException
        For a type that is not known, or parts that do not fit it.
    """
    if isinstance(tree, list):
        return [from_tree(item) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if TYPE not in tree:
        return {key: from_tree(item) for key, item in tree.items()}
    name = tree[TYPE]
    read = _READERS.get(name) if isinstance(name, str) else None
    if read is None:
        raise DeserializationException(f"The payload holds a value of an unknown type {name!r:.40}")
    try:
        return read(tree)
    except DeserializationException:
        raise
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        MemoryError,
        TypeError,
        ValueError,
        Warning,
    ) as error:
        raise DeserializationException(
            f"The payload holds a value that is no {name} ({type(error).__name__})"
        ) from error


def not_finite_word(number: float) -> str:
    """What JSON says instead of a number that is not finite."""
    if math.isnan(number):
        return "NaN"
    return "Infinity" if number > 0 else "-Infinity"


def _names_a_type(tree: Any) -> bool:
    if isinstance(tree, dict):
        return TYPE in tree or any(map(_names_a_type, tree.values()))
    return isinstance(tree, list) and any(map(_names_a_type, tree))


def _typed(name: str, **parts: Any) -> dict[str, Any]:
    return {TYPE: name, **parts}


def _dict_to_tree(value: dict[Any, Any]) -> Any:
    if all(type(key) is str for key in value) and TYPE not in value:
        tree = {key: to_tree(item) for key, item in value.items()}
        changed = any(tree[key] is not item for key, item in value.items())
        return tree if changed or type(value) is not dict else value
    pairs = [[key_to_tree(key), to_tree(item)] for key, item in value.items()]
    return _typed("map", items=pairs)


def key_to_tree(key: Any) -> Any:
    if isinstance(key, tuple):
        return _typed("tuple", items=[key_to_tree(part) for part in key])
    return to_tree(key)


def _other_to_tree(value: Any) -> Any:
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    if type(value).__module__.partition(".")[0] in ("numpy", "pandas"):
        from vantage6.common import typed_tables

        return typed_tables.to_tree(value)
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return to_tree(plain(value))
    raise TypeError(f"A value of type {type(value).__name__} cannot be put into JSON")


def _write_datetime(value: datetime.datetime) -> Any:
    # A subclass of pandas, which knows nanoseconds.
    if type(value).__module__.startswith("pandas"):
        from vantage6.common import typed_tables

        return typed_tables.to_tree(value)
    zone = getattr(value.tzinfo, "key", None)
    extra = {"zone": zone} if zone else {}
    return _typed("datetime", value=value.isoformat(), **extra)


def _write_timedelta(value: datetime.timedelta) -> Any:
    if type(value).__module__.startswith("pandas"):
        from vantage6.common import typed_tables

        return typed_tables.to_tree(value)
    parts = {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}
    return _typed("timedelta", **parts)


def _write_set(value: Any) -> Any:
    name = "frozenset" if isinstance(value, frozenset) else "set"
    return _typed(name, items=[key_to_tree(item) for item in value])


_WRITERS: list[tuple[type, Callable[[Any], Any]]] = [
    (datetime.datetime, _write_datetime),
    (datetime.date, lambda value: _typed("date", value=value.isoformat())),
    (datetime.time, lambda value: _typed("time", value=value.isoformat())),
    (datetime.timedelta, _write_timedelta),
    (decimal.Decimal, lambda value: _typed("decimal", value=str(value))),
    (bytes, lambda value: _typed("bytes", value=base64.b64encode(value).decode())),
    (set, _write_set),
    (frozenset, _write_set),
]


def zone_of(name: Any) -> datetime.tzinfo:
    """A zone of the time zone database, by its name.

    Raises
    ------
    DeserializationException
        When there is none of that name.
    """
    import zoneinfo

    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, TypeError, ValueError, OSError) as error:
        raise DeserializationException(f"{name!r:.40} is no time zone known here") from error


def _read_datetime(tree: dict[str, Any]) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(tree["value"])
    if "zone" not in tree:
        return moment
    # The hour that a clock shows twice is told apart by its offset, which the text has.
    return moment.astimezone(zone_of(tree["zone"]))


def _read_decimal(tree: dict[str, Any]) -> decimal.Decimal:
    text = tree["value"]
    if not isinstance(text, str) or len(text) > _MOST_DIGITS:
        raise ValueError("no decimal")
    return decimal.Decimal(text)


def _read_bytes(tree: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(tree["value"], validate=True)
    except binascii.Error as error:
        raise ValueError("no base64") from error


def _read_map(tree: dict[str, Any]) -> dict[Any, Any]:
    pairs = [(key_from_tree(key), from_tree(item)) for key, item in tree["items"]]
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("two items have one key")
    return found


def key_from_tree(tree: Any) -> Any:
    if isinstance(tree, dict) and tree.get(TYPE) == "tuple":
        return tuple(key_from_tree(part) for part in tree["items"])
    key = from_tree(tree)
    hash(key)
    return key


_SCALARS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "float": lambda tree: NOT_FINITE[tree["value"]],
    "datetime": _read_datetime,
    "date": lambda tree: datetime.date.fromisoformat(tree["value"]),
    "time": lambda tree: datetime.time.fromisoformat(tree["value"]),
    "timedelta": lambda tree: datetime.timedelta(
        tree["days"], tree["seconds"], tree["microseconds"]
    ),
    "decimal": _read_decimal,
    "bytes": _read_bytes,
    "set": lambda tree: {key_from_tree(item) for item in tree["items"]},
    "frozenset": lambda tree: frozenset(key_from_tree(item) for item in tree["items"]),
    "tuple": lambda tree: tuple(key_from_tree(item) for item in tree["items"]),
    "map": _read_map,
}


def _table(tree: dict[str, Any]) -> Any:
    """Numpy and pandas are imported when a value of them is in a payload, and not before."""
    try:
        from vantage6.common import typed_tables

        return typed_tables.from_tree(tree)
    except ImportError as error:
        raise DeserializationException(
            f"The payload holds a value that cannot be read without {error.name}"
        ) from error


_TABLES = (
    "frame",
    "series",
    "index",
    "array",
    "scalar",
    "values",
    "timestamp",
    "timedelta64",
    "period",
    "interval",
    "missing",
)
_READERS = _SCALARS | dict.fromkeys(_TABLES, _table)
