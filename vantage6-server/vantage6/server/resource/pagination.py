"""Lists: always in order, always bounded, cut into pages on request."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar
from urllib.parse import urlencode

from flask import current_app, request
from sqlalchemy import Integer, Select, bindparam, func
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict

from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Model, Task
from vantage6.server.model.task_count import counted

M = TypeVar("M", bound=Model)

DEFAULT_PAGE_SIZE = 10


@dataclass(frozen=True)
class Page:
    """One page of a list."""

    items: Sequence[Any]
    number: int
    size: int
    total: int

    @property
    def headers(self) -> dict[str, str]:
        """The total and the links to the other pages, as headers."""
        links = ",".join(f"<{url}>; rel={name}" for name, url in self.links.items())
        return {"total-count": str(self.total), "Link": links}

    @property
    def links(self) -> dict[str, str]:
        """The pages that can be gone to from here; those that do not exist are left out."""
        last = -(-self.total // self.size)
        pages = {
            "first": 1,
            "previous": self.number - 1 if self.number > 1 else None,
            "self": self.number,
            "next": self.number + 1 if self.number < last else None,
            "last": last or None,
        }
        return {name: self._url(page) for name, page in pages.items() if page}

    def _url(self, page: int) -> str:
        arguments = MultiDict(request.args)
        arguments["page"] = str(page)
        if not request.args.get("page"):
            arguments["per_page"] = str(self.size)
        return f"{request.path}?{urlencode(list(arguments.items(multi=True)))}"


def paginate(
    session: Session, query: Select[M], model: type[M], *, newest_first: bool = False
) -> Page:
    """The page of a query that the current request asks for.

    Raises
    ------
    BadRequest
        When the page cannot be had, or a page has to be asked for.
    """
    ceiling: int = current_app.config["MAX_LIST_SIZE"]
    number, size = _asked_for(ceiling)
    if number == 1 and _is_paged():
        return _first_page(session, query, model, size, newest_first=newest_first)
    total = session.scalar(_total(query, model)) or 0
    if not _is_paged() and total > ceiling:
        raise BadRequest(
            f"The list has {total} items, more than {ceiling}; ask for it by `page`",
            {"page": ["Missing."]},
        )
    found = _slice(query, model, total, size, (number - 1) * size, newest_first=newest_first)
    items = session.scalars(found).all() if total else []
    return Page(sorted(items, key=attrgetter("id"), reverse=newest_first), number, size, total)


def _first_page(
    session: Session, query: Select[M], model: type[M], size: int, *, newest_first: bool
) -> Page:
    """The page that is asked for most, in one statement with the total."""
    # Who may see everything and asks for nothing in particular always asks the same.
    put_together = _with_total if query.whereclause is None else _with_total.__wrapped__
    statement = put_together(query, model, newest_first)
    rows = session.execute(statement, {"size": size}).all()
    return Page([row[0] for row in rows], 1, size, rows[0][1] if rows else 0)


@lru_cache(maxsize=100)
def _with_total(query: Select[Any], model: type[Model], newest_first: bool) -> Select[Any]:
    """The first `size` rows of a query, each with the number of all of them."""
    order = model.id.desc() if newest_first else model.id.asc()
    total = _total(query, model).scalar_subquery().correlate(None)
    return query.add_columns(total).order_by(order).limit(bindparam("size", type_=Integer()))


def _slice(
    query: Select[M], model: type[M], total: int, size: int, skipped: int, *, newest_first: bool
) -> Select[M]:
    """Some rows of a query, found from the end that is nearer: what is skipped takes time."""
    size = max(0, min(size, total - skipped))
    descending, after = newest_first, max(0, total - skipped - size)
    if after < skipped:
        descending, skipped = not newest_first, after
    order = model.id.desc() if descending else model.id.asc()
    found = query.order_by(order).limit(size)
    return found.offset(skipped) if skipped else found


def _is_paged() -> bool:
    return bool(request.args.get("page") or request.args.get("per_page"))


def _asked_for(ceiling: int) -> tuple[int, int]:
    """Number and size of the page; everything is one page of the size of the ceiling."""
    number = _positive("page", 1)
    size = _positive("per_page", DEFAULT_PAGE_SIZE if request.args.get("page") else ceiling)
    if size > ceiling:
        raise BadRequest(f"A page has at most {ceiling} items", {"per_page": ["Too large."]})
    return number, size


def _positive(name: str, default: int) -> int:
    text = request.args.get(name)
    if not text:
        return default
    if not (text.isdecimal() and text.isascii() and 0 < int(text) < 2**31):
        message = f"`{name}` must be a whole number from 1"
        raise BadRequest(message, {name: ["Not a positive number."]})
    return int(text)


def _total(query: Select[M], model: type[M]) -> Select[Any]:
    """What tells how many rows a query finds in all."""
    total: Select[Any] | None = counted(query) if model is Task else None
    if total is None:
        total = query.with_only_columns(func.count(model.id)).order_by(None)
    return total
