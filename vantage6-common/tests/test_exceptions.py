"""The tree of exceptions is as it is drawn."""

import re

import pytest

from vantage6.common import exceptions
from vantage6.common.exceptions import ServerError, Vantage6Error


def drawn() -> dict[str, str | None]:
    """Each exception of the drawing, with the one that it hangs on."""
    parents: dict[str, str | None] = {}
    branch: list[str] = []
    for line in (exceptions.__doc__ or "").partition("::\n\n")[2].splitlines():
        found = re.match(r"^    ((?:│   |    )*(?:├── |└── )?)(\w+)", line)
        if found:
            depth = len(found[1]) // 4
            branch = [*branch[:depth], found[2]]
            parents[found[2]] = branch[depth - 1] if depth else None
    return parents


def defined() -> dict[str, type]:
    return {
        name: kind
        for name, kind in vars(exceptions).items()
        if isinstance(kind, type) and issubclass(kind, BaseException)
    }


def test_every_exception_is_drawn():
    assert set(drawn()) == set(defined())


@pytest.mark.parametrize(("name", "parent"), drawn().items(), ids=list(drawn()))
def test_an_exception_hangs_where_it_is_drawn(name, parent):
    kinds = defined()
    if parent is None:
        assert kinds[name] is Vantage6Error
    else:
        assert kinds[name].__bases__[0] is kinds[parent]


@pytest.mark.parametrize("name", sorted(defined()))
def test_an_exception_says_what_it_is(name):
    assert defined()[name].__doc__


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"msg": "No such thing"}, "No such thing"),
        ({"msg": "Not valid", "errors": {"name": ["Missing."]}}, "Not valid .*name.*Missing"),
        ({}, "status 400"),
        (None, "status 400"),
        ("<html>", "status 400"),
    ],
    ids=["message", "fields", "empty", "nothing", "page"],
)
def test_a_refusal_has_the_words_of_the_server(body, text):
    error = ServerError.from_response(400, body)
    assert re.search(text, str(error))
    assert (error.status, error.body) == (400, body)
