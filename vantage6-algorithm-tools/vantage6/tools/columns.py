"""Columns of a database as numbers or as levels of a category, the same at every site.

One site reads a column as whole numbers, the next one with a missing value among them as numbers
with a point, and a third as text. What algorithms count and add up has to be alike all the same.
"""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from vantage6.tools.exceptions import InputError

if TYPE_CHECKING:
    from numpy import float64
    from numpy.typing import NDArray
    from pandas import DataFrame, Series

__all__ = ["complete_rows", "find", "is_numeric", "labels", "level_order", "numbers"]


def find(data: "DataFrame", name: str) -> "Series":
    """The column of a name.

    Raises
    ------
    InputError
        When there is none, or more than one.
    """
    found = int((data.columns == name).sum())
    if found != 1:
        number = "no column" if not found else "more than one column"
        raise InputError(f"There is {number} {name!r} in this database")
    return data[name]


def complete_rows(data: "DataFrame", columns: Iterable[str]) -> "DataFrame":
    """The rows without a missing value in these columns, and no other columns.

    Raises
    ------
    InputError
        When a column is not there once, or is named twice.
    """
    wanted = list(columns)
    for place, column in enumerate(wanted):
        find(data, column)
        if column in wanted[:place]:
            raise InputError(f"The column {column!r} is named twice")
    return data[wanted].dropna()


def is_numeric(column: "Series") -> bool:
    """Whether all that is there are numbers, or true and false."""
    return column.dropna().infer_objects().dtype.kind in "iufb" or not column.notna().any()


def numbers(column: "Series") -> "NDArray[float64]":
    """The values of a column that are there, as numbers.

    Raises
    ------
    InputError
        When they are no finite numbers.
    """
    import numpy

    if not is_numeric(column):
        raise InputError(f"The column {column.name!r} does not hold numbers")
    values: NDArray[float64] = column.dropna().to_numpy(dtype=float)
    if not numpy.isfinite(values).all():
        raise InputError(f"The column {column.name!r} holds numbers that are not finite")
    return values


def labels(column: "Series") -> "Series":
    """The values of a column as texts, None where there is none.

    A whole number is written without a point, however the site read it.
    """
    import pandas

    codes, values = pandas.factorize(column)
    texts = pandas.Series([*map(_text, values), None], dtype=object)
    # The code of a missing value is -1, which is the last one.
    return pandas.Series(
        texts.to_numpy()[codes], index=column.index, name=column.name, dtype=object
    )


def level_order(level: str | None) -> tuple[int, float, str]:
    """The key by which levels are sorted: numbers by size, then texts, then what is missing."""
    if level is None:
        return 2, 0.0, ""
    try:
        number = float(level)
    except ValueError:
        return 1, 0.0, level
    return (0, number, level) if math.isfinite(number) else (1, 0.0, level)


def _text(value: Any) -> str:
    plain = value.item() if hasattr(value, "item") else value
    return str(int(plain)) if isinstance(plain, float) and plain.is_integer() else str(plain)
