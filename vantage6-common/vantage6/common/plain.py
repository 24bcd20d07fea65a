"""What plain JSON holds in place of values that it has no word for, as it always was.

The types are lost on the way; `typed` is the form that keeps them.
"""

import base64
import datetime
import decimal
import json
import math
import sys
from typing import Any

#: Up to here a whole decimal is written with all its digits.
_MOST_DIGITS = 300


def plain(value: Any) -> Any:
    """What JSON can hold in place of a value that it does not know."""
    module = type(value).__module__.partition(".")[0]
    if module == "pandas":
        return _plain_pandas(value)
    if module == "numpy":
        return _plain_numpy(value)
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return _duration(value.days, value.seconds, value.microseconds * 1000)
    if isinstance(value, decimal.Decimal):
        return _number(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, set | frozenset):
        return tree(_in_order(value))
    raise TypeError(f"A value of type {type(value).__name__} cannot be put into JSON")


def _plain_numpy(value: Any) -> Any:
    # Dates and spans become text: their numbers say nothing without the unit.
    if value.dtype.kind in "mM":
        numpy = sys.modules["numpy"]
        if value.dtype.kind == "M":
            texts = numpy.datetime_as_string(value)
        else:
            pieces = numpy.asarray(value).astype("timedelta64[ns]").astype("int64")
            texts = numpy.vectorize(_nanoseconds, otypes=[object])(pieces)
        return numpy.where(numpy.isnat(value), None, texts).tolist()
    return tree(value.tolist())


def _plain_pandas(value: Any) -> Any:
    # Not pandas' own to_json: it cuts numbers after ten decimals.
    pandas = sys.modules["pandas"]
    if isinstance(value, pandas.DataFrame):
        columns = {_key(name): column for name, column in value.items()}
        _refuse_duplicates(columns, value.columns)
        return {name: _plain_pandas(column) for name, column in columns.items()}
    if isinstance(value, pandas.Series):
        rows = dict(zip(map(_key, value.index), tree(value.tolist()), strict=True))
        _refuse_duplicates(rows, value.index)
        return rows
    if hasattr(value, "tolist"):
        return tree(value.tolist())
    if value is pandas.NaT or value is pandas.NA:
        return None
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _nanoseconds(count: int) -> str:
    days, rest = divmod(int(count), 86_400_000_000_000)
    return _duration(days, rest // 1_000_000_000, rest % 1_000_000_000)


def _duration(days: int, seconds: int, nanoseconds: int) -> str:
    """A span of time as ISO 8601 has it, and pandas writes it."""
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{nanoseconds:09}".rstrip("0") if nanoseconds else ""
    return f"P{days}DT{hours}H{minutes}M{seconds}{fraction}S"


def _number(value: decimal.Decimal) -> int | float | None:
    """The number nearest to a decimal, as languages with one kind of number read it."""
    if not value.is_finite():
        return None
    # A whole one of many digits is short as text: its digits are not written out.
    is_whole = value.adjusted() < _MOST_DIGITS and value == value.to_integral_value()
    number = int(value) if is_whole else float(value)
    return number if math.isfinite(number) else None


def _in_order(values: Any) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=lambda value: (type(value).__name__, str(value)))


def _refuse_duplicates(keyed: dict[str, Any], labels: Any) -> None:
    if len(keyed) != len(labels):
        raise TypeError(
            "Rows or columns that share a name cannot be put into JSON; reset_index() may help"
        )


def tree(value: Any) -> Any:
    """A copy with None for numbers that are not finite, and keys that JSON can hold."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        items = {_key(key): tree(item) for key, item in value.items()}
        if len(items) != len(value):
            raise TypeError("Two keys that are one in JSON cannot be put into it")
        return items
    if isinstance(value, list | tuple):
        return [tree(item) for item in value]
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
