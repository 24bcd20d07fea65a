"""Columns of the typed form: an array of one kind of values, as `dtype` and what it needs."""

import itertools
import math
import re
from typing import TYPE_CHECKING, Any

import numpy

from vantage6.common.exceptions import DeserializationException
from vantage6.common.typed import NOT_FINITE, from_tree, not_finite_word, to_tree, zone_of

if TYPE_CHECKING:
    from datetime import tzinfo

_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_FLOATS = {"float16", "float32", "float64"}
_TIMES = re.compile(r"(datetime64|timedelta64)\[(Y|M|D|h|m|s|ms|us|ns)\]")
_NULLABLE_INTEGERS = {name.replace("i", "I", 1).replace("uI", "UI") for name in _INTEGERS}
_NULLABLE_FLOATS = {"Float32", "Float64"}
_MOMENT = re.compile(r"-?\d{4,6}(-\d\d(-\d\d(T\d\d(:\d\d(:\d\d(\.\d{1,9})?)?)?)?)?)?")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_FREQUENCY = re.compile(r"[A-Za-z0-9-]{1,16}")
#: An array of texts gives each the room of the longest; past this, that has to be worth it.
_FREE_CHARACTERS = 10_000_000


def write(array: Any) -> dict[str, Any]:
    """The parts of a column: `dtype`, mostly `values`, and what else its kind needs.

    Parameters
    ----------
    array : ndarray of one dimension, or array of pandas

    Raises
    ------
    TypeError
        For a kind of values that the typed form does not have.
    """
    if isinstance(array, numpy.ndarray):
        return _write_numpy(array)
    pandas = _pandas()
    dtype = array.dtype
    if isinstance(dtype, pandas.DatetimeTZDtype):
        moments = numpy.asarray(array.tz_convert("UTC").tz_localize(None))
        return {**_write_numpy(moments), "zone": zone_name(dtype.tz)}
    if isinstance(dtype, pandas.CategoricalDtype):
        return _write_categories(array)
    if isinstance(dtype, pandas.PeriodDtype):
        values = _with_none(array.view("int64").tolist(), array.isna())
        return {"dtype": "period", "frequency": dtype.name[7:-1], "values": values}
    if isinstance(dtype, pandas.IntervalDtype):
        sides = {side: write(bare(getattr(array, side))) for side in ("left", "right")}
        return {"dtype": "interval", "closed": dtype.closed, **sides}
    if isinstance(dtype, pandas.StringDtype):
        name = "string" if dtype.na_value is pandas.NA else "str"
        return {"dtype": name, "values": _with_none(array.tolist(), array.isna())}
    if dtype.name in _NULLABLE_INTEGERS | _NULLABLE_FLOATS | {"boolean"}:
        plain = array.to_numpy(dtype=dtype.numpy_dtype, na_value=0)
        values = [_finite(value) for value in plain.tolist()]
        return {"dtype": dtype.name, "values": _with_none(values, array.isna())}
    if isinstance(array, pandas.arrays.NumpyExtensionArray):
        return _write_numpy(array.to_numpy())
    raise TypeError(f"A column of type {dtype} cannot be put into JSON with its type")


def read(parts: dict[str, Any]) -> Any:
    """The array of a column: of numpy where numpy has the kind, else of pandas.

    Raises
    ------
    DeserializationException
        For a kind that is not known.
    LookupError, TypeError, ValueError
        For parts that do not fit it.
    """
    name = parts["dtype"]
    if not isinstance(name, str):
        raise TypeError("the kind of a column is a text")
    if name == "category":
        return _read_categories(parts)
    if name == "interval":
        return _read_intervals(parts)
    values = parts["values"]
    if not isinstance(values, list):
        raise TypeError("values are a list")
    if name == "period":
        return _read_periods(parts, values)
    if name in ("str", "string"):
        return _read_strings(name, values)
    if name in _NULLABLE_INTEGERS | _NULLABLE_FLOATS | {"boolean"}:
        return _read_nullable(name, values)
    array = _read_numpy(name, values)
    return _at(array, parts["zone"]) if "zone" in parts else array


def zone_name(zone: "tzinfo | None") -> str:
    """How a time zone is named: as in the time zone database, or by its distance from UTC.

    Raises
    ------
    TypeError
        For one that has neither.
    """
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name:
        return str(name)
    text = str(zone)
    if text == "UTC":
        return text
    if text.startswith("UTC") and _OFFSET.fullmatch(text[3:]):
        return text[3:]
    raise TypeError("A time zone without a name cannot be put into JSON")


def zone_named(name: Any) -> "tzinfo":
    """The time zone that `zone_name` has named."""
    import datetime

    if name == "UTC":
        return datetime.UTC
    offset = _OFFSET.fullmatch(name)
    if not offset:
        return zone_of(name)
    away = datetime.timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return datetime.timezone(away if offset[1] == "+" else -away)


def check_moment(text: Any) -> str:
    """A moment as the typed form writes it; numpy and pandas would also take "now".

    Raises
    ------
    ValueError
        When it is none.
    """
    if not isinstance(text, str) or not _MOMENT.fullmatch(text):
        raise ValueError("no moment")
    return text


def frequency(text: Any) -> str:
    """The length of a period, such as `M` or `W-SUN`; ValueError for what cannot be one."""
    if not isinstance(text, str) or not _FREQUENCY.fullmatch(text):
        raise ValueError("no frequency")
    return text


def objects(items: list[Any]) -> Any:
    """An array of any values, each as it is: numpy itself would make lists into more axes."""
    array = numpy.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        array[position] = item
    return array


def _pandas() -> Any:
    import pandas

    return pandas


def bare(index: Any) -> Any:
    """The values of an index or a series, without the coat that pandas puts on numpy's."""
    return index.to_numpy() if isinstance(index.dtype, numpy.dtype) else index.array


def _write_numpy(array: Any) -> dict[str, Any]:
    dtype = array.dtype
    name = dtype.name
    if name in _INTEGERS or name == "bool":
        return {"dtype": name, "values": array.tolist()}
    if name in _FLOATS:
        values = array.tolist()
        if not numpy.isfinite(array).all():
            values = [None if math.isnan(value) else _finite(value) for value in values]
        return {"dtype": name, "values": values}
    if name == "object":
        return {"dtype": name, "values": [to_tree(value) for value in array]}
    if dtype.kind == "U":
        return {"dtype": "text", "values": array.tolist()}
    if _TIMES.fullmatch(name):
        plain = numpy.datetime_as_string(array) if dtype.kind == "M" else array.astype("int64")
        return {"dtype": name, "values": _with_none(plain.tolist(), numpy.isnat(array))}
    raise TypeError(f"An array of type {name} cannot be put into JSON with its type")


def _read_numpy(name: str, values: list[Any]) -> Any:
    if name in _INTEGERS:
        return numpy.array(every(values, int), dtype=name)
    if name == "bool":
        return numpy.array(every(values, bool), dtype=name)
    if name in _FLOATS:
        return numpy.array([_number(value, none=math.nan) for value in values], dtype=name)
    if name == "object":
        return objects([from_tree(value) for value in values])
    if name == "text":
        _check_room(every(values, str))
        return numpy.array(values, dtype="U")
    found = _TIMES.fullmatch(name)
    if not found:
        raise DeserializationException(
            f"The payload holds a column of an unknown type {name!r:.40}"
        )
    if found[1] == "datetime64":
        moments = ["NaT" if value is None else check_moment(value) for value in values]
        return numpy.array(moments, dtype=name)
    missing = [value is None for value in values]
    spans = numpy.array(every([value or 0 for value in values], int), dtype="int64").astype(name)
    spans[missing] = numpy.array("NaT", dtype=name)
    return spans


def _write_categories(array: Any) -> dict[str, Any]:
    from vantage6.common.typed_tables import index_to_tree

    codes = array.codes
    return {
        "dtype": "category",
        "categories": index_to_tree(array.categories),
        "ordered": bool(array.ordered),
        "values": _with_none(codes.tolist(), codes < 0),
    }


def _read_categories(parts: dict[str, Any]) -> Any:
    from vantage6.common.typed_tables import index_from_tree

    codes = every([-1 if code is None else code for code in parts["values"]], int)
    categories = index_from_tree(parts["categories"])
    (ordered,) = every([parts["ordered"]], bool)
    return _pandas().Categorical.from_codes(codes, categories=categories, ordered=ordered)


def _read_intervals(parts: dict[str, Any]) -> Any:
    pandas = _pandas()
    left, right = read(parts["left"]), read(parts["right"])
    return pandas.arrays.IntervalArray.from_arrays(left, right, closed=parts["closed"])


def _read_periods(parts: dict[str, Any], values: list[Any]) -> Any:
    pandas = _pandas()
    dtype = pandas.PeriodDtype(frequency(parts["frequency"]))
    ordinals = numpy.array(
        every([pandas.NaT._value if value is None else value for value in values], int),
        dtype="int64",
    )
    return pandas.arrays.PeriodArray(ordinals, dtype=dtype)


def _read_strings(name: str, values: list[Any]) -> Any:
    pandas = _pandas()
    every([value for value in values if value is not None], str)
    dtype = pandas.StringDtype(na_value=pandas.NA if name == "string" else math.nan)
    return pandas.array(values, dtype=dtype)


def _read_nullable(name: str, values: list[Any]) -> Any:
    mask = numpy.array([value is None for value in values], dtype=bool)
    arrays = _pandas().arrays
    if name == "boolean":
        plain = numpy.array(every([value or False for value in values], bool), dtype=bool)
        return arrays.BooleanArray(plain, mask)
    if name in _NULLABLE_INTEGERS:
        plain = numpy.array(every([value or 0 for value in values], int), dtype=name.lower())
        return arrays.IntegerArray(plain, mask)
    plain = numpy.array([_number(value, none=0.0) for value in values], dtype=name.lower())
    return arrays.FloatingArray(plain, mask)


def _at(moments: Any, zone: Any) -> Any:
    """Moments in UTC as moments of a time zone."""
    pandas = _pandas()
    return pandas.DatetimeIndex(moments).tz_localize("UTC").tz_convert(zone_named(zone)).array


def _with_none(values: list[Any], missing: Any) -> list[Any]:
    if not missing.any():
        return values
    return [None if gone else value for value, gone in zip(values, missing, strict=True)]


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return not_finite_word(value)
    return value


def _number(value: Any, *, none: float) -> float:
    if value is None:
        return none
    if isinstance(value, str):
        return NOT_FINITE[value]
    if type(value) not in (int, float):
        raise TypeError("no number")
    return float(value)


def every(values: list[Any], kind: type) -> list[Any]:
    """The values, if all are of one kind: numpy would make numbers of texts, and of bools."""
    if any(type(value) is not kind for value in values):
        raise TypeError(f"a value is no {kind.__name__}")
    return values


def _check_room(texts: list[str]) -> None:
    lengths = [len(text) for text in texts]
    room = len(texts) * max(lengths, default=0)
    if room > _FREE_CHARACTERS and room > 100 * sum(lengths):
        raise ValueError("one text is so long that all would need too much room")


def product(shape: list[Any]) -> int:
    """How many values an array of a shape has; ValueError for what is no shape."""
    if any(type(length) is not int or length < 0 for length in shape):
        raise ValueError("no shape")
    *_, total = itertools.accumulate(shape, lambda one, other: one * other, initial=1)
    return total
