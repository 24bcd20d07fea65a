"""Tables, arrays and their values in the typed form; importing this imports numpy.

Pandas is imported where a payload holds something of it. See `typed` for the form as a whole.
"""

from typing import Any

import numpy

from vantage6.common import typed, typed_columns
from vantage6.common.typed import TYPE

#: A range costs nothing until somebody makes a table of it, so a payload may not name any range.
LONGEST_RANGE = 1_000_000


def to_tree(value: Any) -> Any:
    """A value of numpy or pandas as the typed form has it; numbers of numpy become plain ones.

    Raises
    ------
    TypeError
        For what the typed form does not have.
    """
    if isinstance(value, numpy.generic):
        return _write_scalar(value)
    if isinstance(value, numpy.ndarray):
        return _write_array(value)
    return _write_pandas(value)


def from_tree(tree: dict[str, Any]) -> Any:
    """The table, the array or the value of a `$type` object."""
    return _READERS[tree[TYPE]](tree)


def index_to_tree(index: Any) -> dict[str, Any]:
    """The labels of rows or columns: a column, a `range` or a `multi` of several levels."""
    import pandas

    if isinstance(index, pandas.MultiIndex):
        return {
            "dtype": "multi",
            "levels": [index_to_tree(level.rename(None)) for level in index.levels],
            "codes": [codes.tolist() for codes in index.codes],
            "names": [_label(name) for name in index.names],
        }
    name = {} if index.name is None else {"name": _label(index.name)}
    if isinstance(index, pandas.RangeIndex):
        return {
            "dtype": "range", "start": index.start, "stop": index.stop, "step": index.step, **name
        }  # fmt: skip
    if index.dtype == object:
        return {"dtype": "object", "values": [_label(value) for value in index], **name}
    return {**typed_columns.write(typed_columns.bare(index)), **name}


def index_from_tree(tree: dict[str, Any], length: int | None = None) -> Any:
    """The labels of rows or columns.

    Parameters
    ----------
    tree : dict
    length : int, optional
        How many there have to be.

    Raises
    ------
    ValueError
        When there are not so many.
    """
    import pandas

    if tree["dtype"] == "multi":
        index: Any = pandas.MultiIndex(
            levels=[index_from_tree(level) for level in tree["levels"]],
            codes=tree["codes"],
            names=[_label_of(name) for name in tree["names"]],
        )
    elif tree["dtype"] == "range":
        numbers = range(*typed_columns.every([tree[x] for x in ("start", "stop", "step")], int))
        if length is None and len(numbers) > LONGEST_RANGE:
            raise ValueError("the range is too long")
        index = pandas.RangeIndex(numbers, name=_label_of(tree.get("name")))
    else:
        if tree["dtype"] == "object":
            values = typed_columns.objects([_label_of(value) for value in tree["values"]])
        else:
            values = typed_columns.read(tree)
        index = pandas.Index(
            values, dtype=values.dtype, name=_label_of(tree.get("name")), tupleize_cols=False
        )
    if length is not None and len(index) != length:
        raise ValueError("there are more or fewer labels than values")
    return index


def _label(name: Any) -> Any:
    return typed.key_to_tree(name)


def _label_of(tree: Any) -> Any:
    return typed.key_from_tree(tree)


def _write_scalar(value: Any) -> Any:
    if value.dtype.kind in "mM":
        return {TYPE: "scalar", **typed_columns.write(value.reshape(1))}
    if (value.dtype.kind in "biufU" and value.dtype.itemsize <= 8) or value.dtype.kind == "U":
        return typed.to_tree(value.item())
    raise TypeError(f"A value of type {value.dtype.name} cannot be put into JSON")


def _write_array(array: Any) -> dict[str, Any]:
    if isinstance(array, numpy.ma.MaskedArray):
        raise TypeError("A masked array cannot be put into JSON; filled() may help")
    return {
        TYPE: "array",
        "shape": list(array.shape),
        **typed_columns.write(numpy.asarray(array).reshape(-1)),
    }


def _write_pandas(value: Any) -> Any:
    import pandas

    if isinstance(value, pandas.DataFrame):
        columns = (value.iloc[:, position] for position in range(value.shape[1]))
        return {
            TYPE: "frame",
            "columns": index_to_tree(value.columns),
            "index": index_to_tree(value.index),
            "data": [typed_columns.write(typed_columns.bare(column)) for column in columns],
        }
    if isinstance(value, pandas.Series):
        name = {} if value.name is None else {"name": _label(value.name)}
        column = typed_columns.write(typed_columns.bare(value))
        return {TYPE: "series", **name, "index": index_to_tree(value.index), **column}
    if isinstance(value, pandas.Index):
        return {TYPE: "index", **_short_index(value)}
    if isinstance(value, pandas.api.extensions.ExtensionArray):
        return {TYPE: "values", **typed_columns.write(value)}
    return _write_value(value)


def _short_index(index: Any) -> dict[str, Any]:
    """An index that stands alone; a long range with all its numbers, as those who read ask."""
    import pandas

    if isinstance(index, pandas.RangeIndex) and len(index) > LONGEST_RANGE:
        index = pandas.Index(index.to_numpy(), name=index.name)
    return index_to_tree(index)


def _write_value(value: Any) -> Any:
    import pandas

    if value is pandas.NA or value is pandas.NaT:
        return {TYPE: "missing", "value": "NA" if value is pandas.NA else "NaT"}
    if isinstance(value, pandas.Timestamp):
        zone = {} if value.tz is None else {"zone": typed_columns.zone_name(value.tz)}
        moment = value.tz_convert("UTC").tz_localize(None) if zone else value
        text = str(numpy.datetime_as_string(moment.to_datetime64()))
        return {TYPE: "timestamp", "value": text, "unit": value.unit, **zone}
    if isinstance(value, pandas.Timedelta):
        count = int(value.to_timedelta64().astype(f"timedelta64[{value.unit}]").astype("int64"))
        return {TYPE: "timedelta64", "value": count, "unit": value.unit}
    if isinstance(value, pandas.Period):
        return {TYPE: "period", "value": value.ordinal, "frequency": value.freqstr}
    if isinstance(value, pandas.Interval):
        sides = {side: typed.to_tree(getattr(value, side)) for side in ("left", "right")}
        return {TYPE: "interval", **sides, "closed": value.closed}
    raise TypeError(f"A value of type {type(value).__name__} cannot be put into JSON")


def _read_frame(tree: dict[str, Any]) -> Any:
    import pandas

    columns = [typed_columns.read(parts) for parts in tree["data"]]
    rows = len(columns[0]) if columns else None
    index = index_from_tree(tree["index"], rows)
    series = {
        position: pandas.Series(column, index=index, dtype=column.dtype)
        for position, column in enumerate(columns)
    }
    frame = pandas.DataFrame(series, index=index)
    frame.columns = index_from_tree(tree["columns"], len(columns))
    return frame


def _read_series(tree: dict[str, Any]) -> Any:
    import pandas

    column = typed_columns.read(tree)
    index = index_from_tree(tree["index"], len(column))
    return pandas.Series(column, index=index, dtype=column.dtype, name=_label_of(tree.get("name")))


def _read_array(tree: dict[str, Any]) -> Any:
    values, shape = typed_columns.read(tree), tree["shape"]
    if typed_columns.product(shape) != len(values):
        raise ValueError("the shape does not fit the values")
    return numpy.asarray(values).reshape(shape)


def _read_scalar(tree: dict[str, Any]) -> Any:
    (value,) = typed_columns.read(tree)
    return value


def _read_timestamp(tree: dict[str, Any]) -> Any:
    import pandas

    moment = pandas.Timestamp(typed_columns.check_moment(tree["value"])).as_unit(tree["unit"])
    if "zone" not in tree:
        return moment
    return moment.tz_localize("UTC").tz_convert(typed_columns.zone_named(tree["zone"]))


def _read_timedelta(tree: dict[str, Any]) -> Any:
    import pandas

    count, unit = typed_columns.every([tree["value"]], int)[0], tree["unit"]
    if unit not in ("s", "ms", "us", "ns"):
        raise ValueError("no unit")
    return pandas.Timedelta(numpy.timedelta64(count, unit))


def _read_period(tree: dict[str, Any]) -> Any:
    import pandas

    (ordinal,) = typed_columns.every([tree["value"]], int)
    return pandas.Period(ordinal=ordinal, freq=typed_columns.frequency(tree["frequency"]))


def _read_interval(tree: dict[str, Any]) -> Any:
    import pandas

    left, right = (typed.from_tree(tree[side]) for side in ("left", "right"))
    return pandas.Interval(left, right, closed=tree["closed"])


def _read_missing(tree: dict[str, Any]) -> Any:
    import pandas

    return {"NA": pandas.NA, "NaT": pandas.NaT}[tree["value"]]


def _read_values(tree: dict[str, Any]) -> Any:
    import pandas

    values = typed_columns.read(tree)
    return pandas.array(values) if isinstance(values, numpy.ndarray) else values


_READERS = {
    "frame": _read_frame,
    "series": _read_series,
    "index": index_from_tree,
    "array": _read_array,
    "scalar": _read_scalar,
    "values": _read_values,
    "timestamp": _read_timestamp,
    "timedelta64": _read_timedelta,
    "period": _read_period,
    "interval": _read_interval,
    "missing": _read_missing,
}
