"""Filters of lists, declared as data: the name of an argument and what it compares."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, or_
from sqlalchemy.orm import InstrumentedAttribute
from werkzeug.datastructures import MultiDict

from vantage6.server.exceptions import BadRequest

Column = ColumnElement[Any] | InstrumentedAttribute[Any]
Query = TypeVar("Query", bound=Select[Any])


@dataclass(frozen=True)
class Value:
    """What one value of an argument may be.

    Attributes
    ----------
    read : callable
        From the text of the argument; raises ValueError or KeyError for what cannot be used.
    schema : mapping
        The same for readers: in the words of OpenAPI.
    description : str
        What it is for.
    required : bool
        Whether the request is nothing without it.
    """

    read: Callable[[str], Any]
    schema: Mapping[str, Any]
    description: str = ""
    required: bool = False


@dataclass(frozen=True)
class Filter:
    """What an argument that may be repeated asks of the rows of a list.

    Attributes
    ----------
    condition : callable
        From all values of the argument.
    value : Value
        What each of them may be.
    description : str
    """

    condition: Callable[[list[str]], ColumnElement[bool]]
    value: Value
    description: str = field(default="Of several values, one must fit.", kw_only=True)


def apply(query: Query, filters: Mapping[str, Filter], arguments: MultiDict[str, str]) -> Query:
    """Narrow a query by the arguments of a request.

    Raises
    ------
    BadRequest
        When a value is not of its type.
    """
    for name, wanted in filters.items():
        if name in arguments:
            query = query.where(use(name, wanted.condition, arguments.getlist(name)))
    return query


def use(name: str, read: Callable[[Any], Any], values: Any) -> Any:
    """What `read` makes of the values of an argument; BadRequest when it makes nothing of them."""
    try:
        return read(values)
    except (ValueError, KeyError, OverflowError) as error:
        raise BadRequest(f"The value of `{name}` cannot be used", {name: ["Not valid."]}) from error


def _integer(text: str) -> int:
    """A whole number that fits a column."""
    if not (text.isascii() and text.removeprefix("-").isdecimal()):
        raise ValueError(text)
    number = int(text)
    if not -(2**31) <= number < 2**31:
        raise ValueError("out of range")
    return number


_MOST_BYTES = 2**53


def _size(text: str) -> int:
    """A number of bytes."""
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > _MOST_BYTES:
        raise ValueError(text)
    return int(text[:20])


def _moment(text: str) -> datetime:
    value = datetime.fromisoformat(text)
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


_BOOLEANS = {
    **dict.fromkeys(("1", "true", "True", "TRUE"), True),
    **dict.fromkeys(("0", "false", "False", "FALSE"), False),
}

text = Value(str, {"type": "string"})
integer = Value(_integer, {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1})
boolean = Value(_BOOLEANS.__getitem__, {"type": "string", "enum": [*_BOOLEANS]})
moment = Value(
    _moment,
    {"type": "string", "description": "A date or moment in ISO form; without an offset in UTC."},
)


def one_of(*words: str) -> Value:
    """One of some words."""
    return Value({word: word for word in words}.__getitem__, {"type": "string", "enum": [*words]})


def value_of(kind: type[Enum]) -> Value:
    """A member of an enumeration, by its value."""
    return Value(kind, {"type": "string", "enum": [member.value for member in kind]})


def member_of(kind: type[Enum]) -> Value:
    """A member of an enumeration, by its name."""
    names = [member.name for member in kind]
    return Value(
        lambda text: kind[text.upper()],
        {"type": "string", "enum": [*names, *(name.lower() for name in names)]},
    )


def seconds(maximum: float, description: str) -> Value:
    """A number of seconds; none when it is empty."""

    def read(text: str) -> float:
        number = float(text or 0)
        if "_" in text or not 0 <= number <= maximum:
            raise ValueError(text)
        return number

    number = {"type": "number", "minimum": 0, "maximum": maximum}
    return Value(read, {"anyOf": [number, {"type": "string", "enum": [""]}]}, description)


INLINE = Value(
    _size,
    {"type": "integer", "minimum": 0, "maximum": _MOST_BYTES},
    "Bytes up to which an input or result is shown; of a larger one only how large it is.",
)


def id_of(description: str) -> Value:
    """The id of something, which the request is about."""
    return Value(_integer, {**integer.schema, "minimum": 0}, description, required=True)


def like(column: Column) -> Filter:
    """Compare with SQL patterns from the caller; of several, one must fit."""
    return Filter(
        lambda values: or_(*(column.ilike(value) for value in values)),
        text,
        description="An SQL pattern with `%` and `_`; of several, one must fit.",
    )


def equal(column: Column, value: Value = integer) -> Filter:
    """Compare for equality; of several values, one must fit."""
    return where(lambda wanted: column == wanted, value)


def since(column: Column) -> Filter:
    """At this moment or later."""
    return where(lambda wanted: column >= wanted, moment)


def until(column: Column) -> Filter:
    """At this moment or earlier."""
    return where(lambda wanted: column <= wanted, moment)


def where(condition: Callable[[Any], ColumnElement[bool]], value: Value = integer) -> Filter:
    """A condition of one's own on a converted value; of several, one must hold."""
    return Filter(lambda values: or_(*(condition(value.read(one)) for one in values)), value)
