"""Kinds of values that keys of the configuration can have; see `configuration.py`."""

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from vantage6.common.disclosure import PREFIX as DISCLOSURE
from vantage6.node.databases import variable_names
from vantage6.node.destinations import (
    NoDestination,
    check_alias,
    parse_destination,
    parse_service,
)

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# What the loader of programs, shells and interpreters take code from, and where data would go.
_RESERVED = re.compile(
    r"LD_.*|GLIBC_.*|MALLOC_.*|PATH|IFS|BASH_ENV|BASH_FUNC_.*|SHELLOPTS|PYTHON(PATH|HOME|STARTUP"
    r"|BREAKPOINT|INSPECT|USERBASE|PLATLIBDIR)|PERL5(LIB|OPT)|RUBY(LIB|OPT)|NODE_OPTIONS"
    r"|R_(HOME|LIBS|LIBS_SITE|LIBS_USER|PROFILE|PROFILE_USER|ENVIRON|ENVIRON_USER)"
    r"|JAVA_TOOL_OPTIONS|_JAVA_OPTIONS|.*_PROXY"
)


class Size(fields.Field[int]):
    """A number of bytes, also written as `512m` or `4g`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int:
        match = _SIZE.fullmatch(str(value).strip())
        if match is None:
            raise ValidationError("Write a size like 512m or 4g")
        return int(float(match[1]) * _UNITS[match[2].lower()])


class Pattern(fields.String):
    """A regular expression."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        pattern: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValidationError(f"{pattern!r} is not a regular expression: {error}") from error
        return pattern


class Duration(fields.Field[float]):
    """A number of seconds, also written as `30s`, `15m`, `2h` or `1d`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> float:
        match = _DURATION.fullmatch(str(value).strip())
        if match is None:
            raise ValidationError("Write a duration like 30s, 15m, 2h or 1d")
        return float(match[1]) * _SECONDS[match[2]]


class Name(fields.Field[int | str]):
    """A name, or an id: a number is an id, a text a name, and never the one for the other."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> int | str:
        if isinstance(value, bool) or not isinstance(value, int | str) or value == "":
            raise ValidationError("Write a name, or an id as a number")
        return value


class Text(fields.String):
    """A text; numbers are taken as the text they are written as."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return text


class VariableName(fields.String):
    """The name of a variable of an algorithm, and none that something else decides."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        name: str = super()._deserialize(value, attr, data, **kwargs)
        if not _VARIABLE.fullmatch(name):
            raise ValidationError(f"{name!r} is not the name of a variable")
        if _RESERVED.fullmatch(name.upper()):
            raise ValidationError(
                f"{name} says which programs and libraries run, or where connections go; that is "
                "for the image to say"
            )
        if name.upper().startswith(DISCLOSURE):
            raise ValidationError(f"{name} is set by the block `disclosure`, and there only")
        return name


class DatabasesField(fields.Field[dict[str, str]]):
    """Paths and addresses by label."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, Mapping):
            raise ValidationError("Write a label and a path or address for each database")
        databases = {str(label): _text(label, uri) for label, uri in value.items()}
        _check_labels(list(databases))
        return databases


class DestinationField(fields.String):
    """A `host:port`."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return _checked(parse_destination, text)


class ServiceField(fields.String):
    """The name of a container, perhaps with ports."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return _checked(parse_service, text)


class AliasField(fields.String):
    """What a service is called in containers."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        return _checked(check_alias, text)


def split_databases(data: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with `databases` as a mapping, also where it is the later list.

    The list has entries of `label`, `uri` and perhaps `type`; types go where the mapping has
    them, into `database_types`.

    Raises
    ------
    ValidationError
        When an entry is none.
    """
    databases = data.get("databases")
    if not isinstance(databases, list):
        return dict(data)
    uris: dict[str, Any] = {}
    types: dict[str, Any] = {}
    for entry in databases:
        label = str(_entry(entry)["label"])
        if label in uris:
            raise ValidationError(f"The label {label!r} stands twice", "databases")
        uris[label] = entry["uri"]
        if entry.get("type"):
            types[label] = entry["type"]
    return {**data, "databases": uris, "database_types": {**types, **_types(data)}}


def _types(data: Mapping[str, Any]) -> Mapping[str, Any]:
    types = data.get("database_types")
    return types if isinstance(types, Mapping) else {}


def _entry(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, Mapping) or not {"label", "uri"} <= entry.keys():
        raise ValidationError("Each entry needs a `label` and a `uri`", "databases")
    return entry


def _text(label: Any, uri: Any) -> str:
    if isinstance(uri, bool) or not isinstance(uri, str | int | float) or uri == "":
        raise ValidationError(f"The database {label!r} needs a path or an address")
    return str(uri)


def _check_labels(labels: list[str]) -> None:
    """No label may be unfit for a variable, or give the same one as another."""
    of_variable: dict[str, str] = {}
    for label in labels:
        if not label.isprintable() or not label.strip() or "=" in label:
            raise ValidationError(f"{label!r} cannot be the label of a database")
        _, variable = variable_names(label)
        if variable in of_variable:
            raise ValidationError(
                f"The labels {of_variable[variable]!r} and {label!r} would both give "
                f"{variable}_DATABASE_URI"
            )
        of_variable[variable] = label


def _checked(parse: Any, text: str) -> str:
    try:
        parse(text)
    except NoDestination as error:
        raise ValidationError(str(error)) from error
    return text
