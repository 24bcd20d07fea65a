"""Keep only some fields, or some items, of what a method returns."""

import inspect
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any

Match = tuple[str, Any]
Item = dict[str, Any]

SELECTION: dict[str, Any] = {
    "field": str | None,
    "fields": list[str] | None,
    "filter_": Match | None,
    "filters": list[Match] | None,
}


def post_filtering(iterable: bool = True) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator that gives a method keywords to choose from what it returns.

    Parameters
    ----------
    iterable : bool
        Whether the method returns many items: then `filter_` and `filters` keep those that
        match (key, value) pairs. `field` and `fields` keep keys in either case. A page that
        is chosen from becomes a plain list.
    """
    names = list(SELECTION) if iterable else ["field", "fields"]

    def decorator(method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            chosen = {name: kwargs.pop(name, None) for name in names}
            return select(method(*args, **kwargs), **chosen)

        wrapper.__signature__ = _with_keywords(method, names)  # type: ignore[attr-defined]
        return wrapper

    return decorator


def select(
    reply: Any,
    field: str | None = None,
    fields: Iterable[str] | None = None,
    filter_: Match | None = None,
    filters: Iterable[Match] | None = None,
) -> Any:
    """Choose from a reply of the server: an item, a list of items, or a page of them.

    Raises
    ------
    KeyError
        When the items do not have a key to filter by.
    """
    keys = [*(fields or []), *([field] if field else [])]
    matches = [*(filters or []), *([filter_] if filter_ else [])]
    if (not keys and not matches) or is_refusal(reply):
        return reply
    if isinstance(reply, dict) and "data" not in reply:
        return keep_fields(reply, keys)
    items = reply["data"] if isinstance(reply, dict) else reply
    items = [item for item in items if all(matching(item, match) for match in matches)]
    return [keep_fields(item, keys) for item in items] if keys else items


def keep_fields(item: Item, keys: Iterable[str]) -> Item:
    """The item with these keys only."""
    return {key: item[key] for key in keys if key in item}


def matching(item: Item, match: Match) -> bool:
    """Whether an item has a value under a key."""
    key, value = match
    if key not in item:
        raise KeyError(f"There is no {key!r} to filter by; there is {', '.join(item)}")
    return bool(item[key] == value)


def is_refusal(reply: Any) -> bool:
    """Whether a reply is the server's `{"msg": ...}` in place of what was asked for."""
    return isinstance(reply, dict) and "msg" in reply and "id" not in reply


def _with_keywords(method: Callable[..., Any], names: list[str]) -> inspect.Signature:
    signature = inspect.signature(method)
    extra = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=SELECTION[name]
        )
        for name in names
    ]
    return signature.replace(parameters=[*signature.parameters.values(), *extra])
