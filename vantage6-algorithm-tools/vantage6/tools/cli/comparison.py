"""Whether two answers are the same, and where they differ."""

import math
from collections.abc import Iterator
from typing import Any


def difference(one: Any, other: Any, tolerance: float) -> str:
    """The first place at which two plain values differ, with both; empty when there is none.

    Parameters
    ----------
    one, other
        What JSON knows.
    tolerance : float
        How far two numbers may differ, relative where they are larger than 1.
    """
    return next(_differences(one, other, tolerance, ""), "")


def _differences(one: Any, other: Any, tolerance: float, where: str) -> Iterator[str]:
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            place = f"{where}.{key}" if where else str(key)
            if key not in one or key not in other:
                yield f"{place} is in one of them only"
            else:
                yield from _differences(one[key], other[key], tolerance, place)
    elif isinstance(one, list) and isinstance(other, list):
        if len(one) != len(other):
            yield f"{where or 'the list'} has {len(one)} and {len(other)} entries"
            return
        for number, (mine, yours) in enumerate(zip(one, other, strict=True)):
            yield from _differences(mine, yours, tolerance, f"{where}[{number}]")
    elif not _same(one, other, tolerance):
        yield f"{where or 'the value'} is {one!r} and {other!r}"


def _same(one: Any, other: Any, tolerance: float) -> bool:
    if _is_number(one) and _is_number(other):
        allowed = tolerance * max(1.0, abs(one), abs(other))
        return abs(one - other) <= allowed or (math.isnan(one) and math.isnan(other))
    return type(one) is type(other) and bool(one == other)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
