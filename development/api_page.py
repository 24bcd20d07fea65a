"""The page of the API, made from its OpenAPI document for people who read rather than browse."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from development.markdown import table
from vantage6.server.openapi import document

Words = dict[str, Any]
Operation = tuple[str, Words]

INTRODUCTION = (
    "Every path lies below the `api_path` of the server. A running server has the same as an "
    "OpenAPI document at `/openapi.json`, to browse and try out at `/apidocs`. A refusal is "
    '`{"msg": "…"}`, with `errors` by field where fields are at fault. How many objects there are '
    "on all pages of a list together is in the header `total-count`; with `include=metadata` the "
    "page is in `data`, with the `links` to the others beside it."
)
# Bounds that every number has to fit into a column say nothing.
_BOUNDS = (-(2**31), 2**31 - 1)


def parts() -> Iterator[str]:
    """The page in parts: all routes, then all objects."""
    written = document("")
    yield INTRODUCTION
    yield "## Routes"
    for tag, operations in groupby(_operations(written), lambda one: one[1]["tags"][0]):
        yield f"### {tag}"
        for title, operation in operations:
            yield from _operation(title, operation)
    yield "## Objects"
    for name, words in sorted(written["components"]["schemas"].items()):
        yield from _object(name, words)


def _operations(written: Words) -> list[Operation]:
    found = [
        (f"{method.upper()} `{path}`", operation)
        for path, operations in written["paths"].items()
        for method, operation in operations.items()
    ]
    tags = list(dict.fromkeys(operation["tags"][0] for _, operation in found))
    return sorted(found, key=lambda one: tags.index(one[1]["tags"][0]))


def _operation(title: str, operation: Words) -> Iterator[str]:
    yield f"#### {title}"
    yield f"{operation['summary']} {operation['description']}"
    if "requestBody" in operation:
        yield f"Body: {_content(operation['requestBody']['content'])}"
    for place, title in (("query", "argument"), ("header", "header")):
        arguments = [one for one in operation["parameters"] if one["in"] == place]
        if arguments:
            yield table([title, "what it may be", "meaning"], map(_argument, arguments))
    yield f"Answers: {'; '.join(_answers(operation['responses']))}"


def _content(content: Words) -> str:
    """What a body is: one of the objects, or bytes of a media type."""
    ((media_type, body),) = content.items()
    kind = _type(body["schema"])
    return kind if media_type == "application/json" else f"`{media_type}`, {kind}"


def _argument(argument: Words) -> list[str]:
    required = " (required)" if argument["required"] else ""
    schema = argument["schema"]
    meaning = " ".join(filter(None, (argument["description"], schema.get("description"))))
    return [f"`{argument['name']}`{required}", _type(schema), _cell(meaning)]


def _answers(responses: Words) -> Iterator[str]:
    for status, answer in responses.items():
        if "content" in answer:
            yield f"**{status}** {_content(answer['content'])}"
    refusals = [status for status, answer in responses.items() if "$ref" in answer]
    yield f"refused with {', '.join(refusals)}"


def _object(name: str, words: Words) -> Iterator[str]:
    yield f"### {name}"
    yield words.get("description", "")
    required = words.get("required", ())
    rows = [
        [f"`{field}`", _type(value), "x" if field in required else ""]
        for field, value in words.get("properties", {}).items()
    ]
    yield table(["field", "what it may be", "always"], rows)


def _type(words: Words) -> str:
    """What a value may be, in one cell of a table."""
    if "$ref" in words:
        name = words["$ref"].split("/")[-1]
        return f"[{name}](#{name.lower()})"
    if "oneOf" in words:
        return f"page of {_type(words['oneOf'][0]['items'])}"
    if "anyOf" in words:
        return _null(words, " or ".join(map(_type, words["anyOf"])))
    if "allOf" in words:
        return _null(words, _type(words["allOf"][0]))
    if "enum" in words:
        shown = [f"`{value}`" if value != "" else "empty" for value in words["enum"] if value]
        return _null(words, ", ".join(shown) or ("empty" if "" in words["enum"] else "null"))
    if words.get("type") == "array":
        return _null(words, f"list of {_type(words['items'])}")
    return _null(words, _plain(words))


def _plain(words: Words) -> str:
    if not words:
        return "anything"
    lowest, highest = words.get("minimum", _BOUNDS[0]), words.get("maximum", _BOUNDS[1])
    said = [
        words.get("format", ""),
        f"from {lowest}" if lowest != _BOUNDS[0] else "",
        f"up to {highest}" if highest != _BOUNDS[1] else "",
    ]
    details = " ".join(filter(None, said))
    kind = str(words.get("type", "object"))
    return f"{kind} ({details})" if details else kind


def _null(words: Words, text: str) -> str:
    return f"{text} or null" if words.get("nullable") and text != "null" else text


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
