"""What a method of a resource takes and answers: said once, used by the code and the document.

A method reads its body and arguments, and answers, by way of its contract; `/openapi.json` is
written from the same one. So neither can say something else than the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from marshmallow import Schema

from vantage6.server.resource.filter import Filter, Value
from vantage6.server.schema.base import Input

METHODS = ("get", "post", "patch", "delete")

F = TypeVar("F", bound=Callable[..., Any])


class Shape(Enum):
    """How many objects an answer holds."""

    ONE = "one"
    ALL = "all of them"
    PAGE = "a page of them"


@dataclass(frozen=True)
class Contract:
    """What one method takes and answers.

    Attributes
    ----------
    takes : type of Input, optional
        What the body must be.
    partial : bool
        Whether nothing in the body is required.
    takes_bytes : str, optional
        The media type of a body that is not JSON.
    gives : type of Schema, or several
        What the answer holds; none for null.
    gives_bytes : bool
        Whether it holds bytes in place of JSON, of which a range may be asked for.
    shape : Shape
        How many of them.
    status : int
        Of the answer when all is well.
    filters : mapping
        What narrows a list.
    includes : mapping
        What a caller may ask to be included, and what that brings.
    arguments : mapping
        Other arguments in the address.
    takes_headers : mapping
        What a request may carry besides its body.
    refusals : tuple of int
        The statuses of refusals besides those that follow from who is admitted, and from what is
        in the path and taken.
    headers : mapping
        What an answer carries besides its body.
    sometimes : tuple of str
        Those of the headers that not every answer carries.
    """

    takes: type[Input] | None = None
    partial: bool = False
    takes_bytes: str | None = None
    gives: type[Schema] | tuple[type[Schema], ...] | None = None
    gives_bytes: bool = False
    shape: Shape = Shape.ONE
    status: int = 200
    filters: Mapping[str, Filter] = field(default_factory=dict)
    includes: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Value] = field(default_factory=dict)
    takes_headers: Mapping[str, Value] = field(default_factory=dict)
    refusals: tuple[int, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    sometimes: tuple[str, ...] = ()

    @property
    def all_includes(self) -> Mapping[str, str]:
        """Everything that can be included; pages also with the links to the others."""
        if self.shape is Shape.PAGE:
            return {"metadata": "The links between the pages, around the list", **self.includes}
        return self.includes

    @property
    def all_arguments(self) -> frozenset[str]:
        """The names of everything that may stand in the address."""
        names = {*self.filters, *self.arguments}
        if self.all_includes:
            names.add("include")
        if self.shape is Shape.PAGE:
            names |= {"page", "per_page"}
        return frozenset(names)


def contract(**terms: Any) -> Callable[[F], F]:
    """Declare the contract of a method; the terms are those of `Contract`."""

    def declare(method: F) -> F:
        method.contract = Contract(**terms)  # type: ignore[attr-defined]
        return method

    return declare


def contracts_of(resource: type) -> dict[str, Contract]:
    """The contracts of all methods of a resource, by the names of HTTP."""
    declared = {name.upper(): _terms(getattr(resource, name, None)) for name in METHODS}
    return {name: terms for name, terms in declared.items() if terms}


def _terms(method: object) -> Contract | None:
    return getattr(method, "contract", None)
