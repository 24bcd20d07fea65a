"""The OpenAPI document: written from the contracts, schemas and admissions that the server runs on.

Nothing is said here that is not said there. What this module adds is the translation: links,
pages and refusals look the same everywhere.
"""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any, cast

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, class_registry, fields

from vantage6.common import __version__
from vantage6.server.permission.catalogue import ADMISSION, Admitted, Kind
from vantage6.server.resource import RESOURCES
from vantage6.server.resource.base import Resource
from vantage6.server.resource.contract import Contract, Shape
from vantage6.server.schema.answer import RefusalOutput
from vantage6.server.schema.base import MAXIMUM_INTEGER, Input, Output

Words = dict[str, Any]

# 3.1 is newer, but the browsable pages cannot show it.
VERSION = "3.0.3"

_COUNT = {"type": "integer", "minimum": 1, "maximum": MAXIMUM_INTEGER}
_EMPTY = {"type": "string", "enum": [""]}
_BYTES = {"type": "string", "format": "binary"}
_ID = {"type": "integer", "minimum": 0, "maximum": MAXIMUM_INTEGER}
_NULL = {"type": "object", "nullable": True, "enum": [None]}
_PAGE_HEADERS = {
    "total-count": "How many there are on all pages together",
    "Link": "The links to the other pages",
}
_PAGE_LINKS = ("first", "previous", "self", "next", "last")
_SECURITY = {
    "accessToken": "The access token of a user, node or container",
    "refreshToken": "The refresh token of a user or node",
}


@cache
def document(api_path: str) -> Words:
    """The document of a server whose routes lie below this path."""
    plugin = MarshmallowPlugin(schema_name_resolver=_component_name)
    spec = APISpec(
        title="vantage6 server",
        version=__version__,
        openapi_version=VERSION,
        plugins=[plugin],
        info={"description": "The central server of a federation of organizations and nodes."},
    )
    assert plugin.converter is not None
    plugin.converter.add_attribute_function(_own_words)
    _add_components(spec)
    for resource in RESOURCES:
        spec.path(path=_path(api_path, resource.route), operations=_operations(spec, resource))
    return spec.to_dict()


def _add_components(spec: APISpec) -> None:
    spec.components.schema("Link", _link())
    spec.components.schema("PageLinks", _page_links())
    for name, description in _SECURITY.items():
        scheme = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        spec.components.security_scheme(name, {**scheme, "description": description})


def _operations(spec: APISpec, resource: type[Resource]) -> Words:
    return {
        method.lower(): _operation(spec, resource, method, contract)
        for method, contract in resource.contracts.items()
    }


def _operation(spec: APISpec, resource: type[Resource], method: str, contract: Contract) -> Words:
    admitted = ADMISSION[resource.route][method]
    operation: Words = {
        "operationId": f"{method.lower()}{resource.__name__}",
        "tags": [resource.route.split("/")[1]],
        "summary": (getattr(resource, method.lower()).__doc__ or "").splitlines()[0],
        "description": _admitted(admitted),
        "security": _security(resource, admitted),
        "parameters": [*_path_parameters(resource.route), *_parameters(contract)],
        "responses": _responses(spec, resource, admitted, contract),
    }
    if contract.takes:
        body = _body(spec, contract)
        operation["requestBody"] = {"required": True, "content": {"application/json": body}}
    if contract.takes_bytes:
        content = {contract.takes_bytes: {"schema": _BYTES}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _admitted(admitted: Admitted) -> str:
    if not admitted:
        return "Open to everybody."
    kinds = [kind.value for kind in Kind if kind in admitted]
    return f"For: {', '.join(kinds)}."


def _security(resource: type[Resource], admitted: Admitted) -> list[Words]:
    if not admitted:
        return []
    return [{"refreshToken" if resource.takes_refresh_token else "accessToken": []}]


# What comes in


def _path(api_path: str, route: str) -> str:
    return api_path + re.sub(r"<(\w+)>", r"{\1}", route)


def _path_parameters(route: str) -> list[Words]:
    return [
        {"name": name, "in": "path", "required": True, "schema": _ID}
        for name in re.findall(r"<(\w+)>", route)
    ]


def _parameters(contract: Contract) -> list[Words]:
    found = [
        _argument(name, wanted.value.schema, wanted.description)
        for name, wanted in contract.filters.items()
    ]
    found += [
        _argument(name, value.schema, value.description, required=value.required)
        for name, value in contract.arguments.items()
    ]
    if contract.all_includes:
        lines = [f"`{name}`: {brings}." for name, brings in contract.all_includes.items()]
        words = {"type": "string", "enum": ["", *contract.all_includes]}
        found.append(_argument("include", _many(words), " ".join(lines)))
    if contract.shape is Shape.PAGE:
        number = {"anyOf": [_COUNT, _EMPTY]}
        found.append(_argument("page", number, "The page, from 1; without it there is one page."))
        found.append(_argument("per_page", number, "How many are on one page; 10 by default."))
    found += [
        _argument(name, value.schema, value.description, required=value.required, where="header")
        for name, value in contract.takes_headers.items()
    ]
    return found


def _argument(
    name: str,
    schema: Mapping[str, Any],
    description: str,
    *,
    required: bool = False,
    where: str = "query",
) -> Words:
    argument = {"name": name, "in": where, "required": required}
    return {**argument, "description": description, "schema": dict(schema)}


def _many(schema: Mapping[str, Any]) -> Words:
    return {"type": "array", "items": dict(schema)}


def _body(spec: APISpec, contract: Contract) -> Words:
    assert contract.takes is not None
    name = _component_name(contract.takes)
    if contract.partial:
        name = name.removesuffix("Input").removesuffix("Change") + "Change"
    if name not in spec.components.schemas:
        spec.components.schema(name, _input(spec, contract.takes, partial=contract.partial))
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _input(spec: APISpec, schema: type[Input], *, partial: bool) -> Words:
    """The words for a body: null is the same as left out, and so is what clients send besides."""
    words = _converter(spec).schema2jsonschema(schema(partial=partial))
    required = words.get("required", [])
    for name, property_ in words["properties"].items():
        if partial:
            property_.pop("default", None)
        if name not in required:
            words["properties"][name] = _or_null(property_)
    words["properties"].update({name: {} for name in sorted(schema.known_extras)})
    return {"description": _first_line(schema), **words}


# What goes out


def _responses(
    spec: APISpec, resource: type[Resource], admitted: Admitted, contract: Contract
) -> Words:
    found: Words = {str(contract.status): _success(spec, contract)}
    if contract.gives_bytes:
        found["206"] = {**_success(spec, contract), "description": "Partial Content"}
        found["304"] = {"description": "Not Modified"}
    for status in sorted(_refusals(resource, admitted, contract)):
        found[str(status)] = _refusal(spec, HTTPStatus(status))
    return found


def _refusal(spec: APISpec, status: HTTPStatus) -> Words:
    """The reference to the words for a refusal, which are added if need be."""
    name = status.phrase.title().replace(" ", "")
    if name not in spec.components.responses:
        content = {"application/json": {"schema": _refer(spec, RefusalOutput)}}
        spec.components.response(name, {"description": status.phrase, "content": content})
    return {"$ref": f"#/components/responses/{name}"}


def _refusals(resource: type[Resource], admitted: Admitted, contract: Contract) -> set[int]:
    """The statuses that a caller has to count with when all is not well."""
    found = {400, 500, 503, *contract.refusals}
    if admitted:
        found |= {401, 403, 429}
    if "<" in resource.route:
        found.add(404)
    if contract.takes:
        found.add(413)
    if contract.gives_bytes:
        found |= {410, 416}
    return found


def _success(spec: APISpec, contract: Contract) -> Words:
    headers = {**contract.headers, **(_PAGE_HEADERS if contract.shape is Shape.PAGE else {})}
    content = {"application/json": {"schema": _answer(spec, contract)}}
    if contract.gives_bytes:
        content = {"application/octet-stream": {"schema": _BYTES}}
    found: Words = {"description": HTTPStatus(contract.status).phrase, "content": content}
    if headers:
        found["headers"] = {
            name: {
                "description": description,
                "required": name not in contract.sometimes,
                "schema": {"type": "string"},
            }
            for name, description in headers.items()
        }
    return found


def _answer(spec: APISpec, contract: Contract) -> Words:
    if contract.gives is None:
        return _NULL
    schemas = contract.gives if isinstance(contract.gives, tuple) else (contract.gives,)
    choices = [_refer(spec, schema) for schema in schemas]
    one = choices[0] if len(choices) == 1 else {"anyOf": choices}
    match contract.shape:
        case Shape.ONE:
            return one
        case Shape.ALL:
            return _many(one)
    envelope = {"data": _many(one), "links": {"$ref": "#/components/schemas/PageLinks"}}
    return {"oneOf": [_many(one), _object(envelope, envelope)]}


def _refer(spec: APISpec, schema: type[Schema]) -> Words:
    """The reference to the words for something that goes out, which are added if need be."""
    name = _component_name(schema)
    if name not in spec.components.schemas:
        spec.components.schema(name, {})
        spec.components.schemas[name] = _output(spec, schema)
    return {"$ref": f"#/components/schemas/{name}"}


def _output(spec: APISpec, schema: type[Schema]) -> Words:
    if issubclass(schema, Output):
        instance: Schema = schema(cast(Any, None), cast(Any, None))
    else:
        instance = schema()
    words = _converter(spec).schema2jsonschema(instance)
    for name, other in getattr(schema, "embedded", {}).items():
        if name in words["properties"]:
            # What the caller may ask for in the place of links
            embedded = _refer(spec, class_registry.get_class(other))
            words["properties"][name] = _embedded(words["properties"][name], embedded)
    if schema is not RefusalOutput:
        may_lack = getattr(schema, "excludable", ())
        words["required"] = [name for name in words["properties"] if name not in may_lack]
    return {"description": _first_line(schema), **words}


def _embedded(links: Words, embedded: Words) -> Words:
    is_list = links.get("type") == "array"
    return {"anyOf": [links, _many(embedded) if is_list else embedded]}


def _link() -> Words:
    properties = {
        "id": {"type": "integer"},
        "link": {"type": "string"},
        "methods": {"type": "array", "items": {"type": "string"}},
    }
    return {"description": "A reference to another object.", **_object(properties, properties)}


def _page_links() -> Words:
    properties = {name: {"type": "string"} for name in _PAGE_LINKS}
    return {"description": "The pages that can be gone to.", **_object(properties, ("self",))}


def _object(properties: Words, required: Iterable[str]) -> Words:
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


# Schemas and fields


def _converter(spec: APISpec) -> Any:
    return next(
        plugin.converter for plugin in spec.plugins if isinstance(plugin, MarshmallowPlugin)
    )


def _component_name(schema: Any) -> str:
    kind = schema if isinstance(schema, type) else type(schema)
    return str(kind.__name__).removesuffix("Output")


def _first_line(schema: type[Schema]) -> str:
    return (schema.__doc__ or "").splitlines()[0]


def _own_words(_converter: Any, field: fields.Field, ret: Words) -> Words:
    """What a field of our own says of itself, in the place of what can be guessed."""
    own = getattr(field, "openapi", None)
    if own is None:
        return {}
    kept = {name: ret[name] for name in ("default", "description") if name in ret}
    ret.clear()
    return {**own, **kept}


def _or_null(words: Words) -> Words:
    if not words:
        return words
    if "anyOf" in words:
        first, *others = words["anyOf"]
        return {**words, "anyOf": [_or_null(first), *others]}
    if "enum" in words:
        words = {**words, "enum": [*words["enum"], None]}
    return {**words, "nullable": True}
