"""Fields of the configuration about databases and what lies outside; see `configuration.py`."""

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields

from vantage6.node.databases import variable_names
from vantage6.node.destinations import (
    NoDestination,
    check_alias,
    parse_destination,
    parse_service,
)


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
