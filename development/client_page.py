"""The page of the researcher's client, made from its signatures and docstrings."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from development.markdown import table
from vantage6.client import Client
from vantage6.client.base import SubClient
from vantage6.client.profile import Profile
from vantage6.common import exceptions

INTRODUCTION = (
    "`from vantage6.client import Client`. Methods return what the server sends: dictionaries. A "
    'refusal is `{"msg": "…"}`, or an exception with `raise_errors=True`. `field=` and `fields=` '
    "keep keys of what a method returns, `filter_=(key, value)` and `filters=[…]` keep items of "
    "lists; a page that is chosen from becomes a plain list. Identifiers are whole numbers, "
    "moments are text in UTC. See [how to use it](../howto/use-the-client.md)."
)
SELECTION = ("field", "fields", "filter_", "filters")
_UNDERLINE = re.compile(r"^-{3,}$")
_SUB_CLIENTS = (
    *("util", "collaboration", "organization", "node", "user", "role", "rule", "task", "result"),
)


def parts() -> Iterator[str]:
    """The page in parts: the client, its sub-clients, profiles, exceptions."""
    client = Client("http://server.example", None)
    yield INTRODUCTION
    yield from _of_class("client", "Client", Client)
    for name in _SUB_CLIENTS:
        part = getattr(client, name)
        assert isinstance(part, SubClient)
        yield f"## `client.{name}`"
        yield _summary(type(part))
        yield from _methods(f"client.{name}", part)
    yield "## The keys of a profile"
    yield table(["key", "what it may be", "meaning"], _attributes(inspect.getdoc(Profile) or ""))
    yield "## Exceptions"
    yield "All are in `vantage6.common.exceptions`; to catch one catches those below it."
    tree = (exceptions.__doc__ or "").partition("::\n\n")[2]
    yield f"```text\n{inspect.cleandoc(tree)}\n```"


def _of_class(owner: str, name: str, kind: type) -> Iterator[str]:
    yield f"## `{name}`"
    yield from _text(inspect.getdoc(kind) or "")
    yield from _methods(owner, kind)


def _methods(owner: str, thing: Any) -> Iterator[str]:
    for name, method in inspect.getmembers(thing, callable):
        if name.startswith("_") or inspect.isclass(method):
            continue
        yield f"### `{owner}.{name}`"
        yield f"```text\n{owner}.{name}{_signature(method)}\n```"
        yield from _text(inspect.getdoc(method) or "")


def _signature(method: Any) -> str:
    """What may be given, one parameter a line where there are many."""
    words = []
    starred = False
    for parameter in inspect.signature(method).parameters.values():
        if parameter.name == "self" or parameter.name in SELECTION:
            continue
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            starred = True
            words.append("*")
        starred = starred or parameter.kind is inspect.Parameter.VAR_POSITIONAL
        words.append(_parameter(parameter))
    line = f"({', '.join(words)})"
    if len(line) <= 70:
        return line
    return "(\n" + "".join(f"    {word},\n" for word in words) + ")"


def _parameter(parameter: inspect.Parameter) -> str:
    # As Python writes it, but without the types: those are in the table.
    bare = parameter.replace(annotation=inspect.Parameter.empty)
    return str(bare)


def _summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def _text(docstring: str) -> Iterator[str]:
    """A docstring, with its sections as tables and its examples as code."""
    plain, *sections = _sections(docstring)
    if plain[1].strip():
        yield plain[1].strip()
    for title, body in sections:
        if title == "Examples":
            yield f"```text\n{body.strip()}\n```"
        elif title in ("Raises", "Returns"):
            yield table([title.lower(), "when" if title == "Raises" else "what"], _pairs(body))
        else:
            yield table([title.lower(), "what it may be", "meaning"], list(_entries(body)))


def _attributes(docstring: str) -> list[list[str]]:
    return [row for title, body in _sections(docstring) if title == "Attributes"
            for row in _entries(body)]  # fmt: skip


def _sections(docstring: str) -> list[tuple[str, str]]:
    """The text in front of the first section, then the sections by their titles."""
    lines = docstring.split("\n")
    found: list[tuple[str, list[str]]] = [("", [])]
    for line, after in zip(lines, [*lines[1:], ""], strict=True):
        if _UNDERLINE.match(after) and line:
            found.append((line, []))
        elif not _UNDERLINE.match(line):
            found[-1][1].append(line)
    return [(title, "\n".join(body)) for title, body in found]


def _pairs(body: str) -> list[list[str]]:
    return [[kind or name, meaning] for name, kind, meaning in _entries(body)]


def _entries(body: str) -> Iterator[list[str]]:
    """The entries of a section: names, type, meaning."""
    head, meaning = "", list[str]()
    for line in [*body.strip("\n").split("\n"), "end"]:
        if line.startswith(" ") or not line:
            meaning.append(line.strip())
            continue
        if head:
            name, _, kind = head.partition(" : ")
            yield [f"`{name}`", kind.replace("|", "\\|"), " ".join(filter(None, meaning))]
        head, meaning = line, []
