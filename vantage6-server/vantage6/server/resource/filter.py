"""Filters of lists, declared as data: the name of an argument and what it compares."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, or_
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.datastructures import MultiDict

from vantage6.server.exceptions import BadRequest

Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Condition = Callable[[list[str]], ColumnElement[bool]]
Query = TypeVar("Query", bound=Select[Any])

# Arguments that every list takes beside its filters.
COMMON = frozenset({"page", "per_page", "include"})


def apply(query: Query, filters: Mapping[str, Condition], arguments: MultiDict[str, str]) -> Query:
    """Narrow a query by the arguments of a request.

    Raises
    ------
    BadRequest
        When an argument is not known, or its value is not of its type.
    """
    unknown = sorted(set(arguments) - set(filters) - COMMON)
    if unknown:
        raise BadRequest(
            f"Unknown filter: {', '.join(unknown)}", {name: ["Unknown field."] for name in unknown}
        )
    for name in filters:
        if name in arguments:
            query = query.where(_condition(filters[name], name, arguments.getlist(name)))
    return query


def like(column: Column) -> Condition:
    """Compare with SQL patterns from the caller; of several, one must fit."""
    return lambda values: or_(*(column.ilike(value) for value in values))


def equal(column: Column, convert: Callable[[str], Any] | None = None) -> Condition:
    """Compare for equality; of several values, one must fit."""
    return where(lambda value: column == value, convert or integer)


def since(column: Column) -> Condition:
    """At this moment or later."""
    return where(lambda value: column >= value, moment)


def until(column: Column) -> Condition:
    """At this moment or earlier."""
    return where(lambda value: column <= value, moment)


def where(
    condition: Callable[[Any], ColumnElement[bool]], convert: Callable[[str], Any] | None = None
) -> Condition:
    """A condition of one's own on a converted value; of several, one must hold."""
    read = convert or integer
    return lambda values: or_(*(condition(read(value)) for value in values))


def integer(text: str) -> int:
    """A whole number that fits a column."""
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise ValueError("out of range")
    return number


def boolean(text: str) -> bool:
    """1 or true, 0 or false."""
    return {"1": True, "true": True, "0": False, "false": False}[text.lower()]


def moment(text: str) -> datetime:
    """A date or a moment in ISO form; one without an offset is UTC."""
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def member_of(kind: type[Enum]) -> Callable[[str], Enum]:
    """A member of an enumeration, by its name."""
    return lambda text: kind[text.upper()]


def includes(arguments: MultiDict[str, str], names: Iterable[str]) -> bool:
    """Whether a request asks to include something, under any of its names."""
    return not set(names).isdisjoint(arguments.getlist("include"))


def _condition(condition: Condition, name: str, values: list[str]) -> ColumnElement[bool]:
    try:
        return condition(values)
    except (ValueError, KeyError, OverflowError) as error:
        raise BadRequest(f"The value of `{name}` cannot be used", {name: ["Not valid."]}) from error
