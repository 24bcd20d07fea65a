"""What all schemas share: strict input, and output with links that cost one query per kind.

Fields that point to many other objects do not touch the relations of the models. They fetch the
ids for all objects that are shown, in one query, before anything is dumped.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, ClassVar

from flask import current_app
from marshmallow import RAISE, Schema, ValidationError, fields, pre_load, validate
from sqlalchemy import (
    ColumnElement,
    Executable,
    Row,
    Select,
    bindparam,
    cast,
    literal_column,
    null,
    select,
    true,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from vantage6.server.model import Model
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import methods_of
from vantage6.server.permission.identity import Identity

# What fits the integer columns of every database.
MAXIMUM_INTEGER = 2**31 - 1

# To check one thing takes some microseconds, in which nobody else is answered: there may be many
# callers, and much data, but not many things in one request.
MOST_FIELDS = 1_000
MOST_ITEMS = 10_000

# Finds whole objects to show in the place of links: data by the id of the object they belong to.
Embedding = Callable[[Sequence[Model]], Mapping[int, Any]]

Column = ColumnElement[Any] | InstrumentedAttribute[Any]

# The rows of all kinds of links: which kind, whose, to what, and more facts of that.
_KIND, _OWNER, _TARGET, _KEYS = range(4)


def plain(column: Column) -> ColumnElement[Any]:
    """The column of a table: rows of plain columns cost half of what they do through a model."""
    if isinstance(column, InstrumentedAttribute):
        found: ColumnElement[Any] = column.property.columns[0]
        return found
    return column


def among_owners(column: Column) -> ColumnElement[bool]:
    """The condition that a row belongs to one of the `owners`, which are named at every use.

    So a statement is made once: to put it together costs more than to run it.
    """
    return plain(column).in_(bindparam("owners", expanding=True))


class Id(fields.Integer):
    """The id of something, in a request: a number, or the same as text."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": MAXIMUM_INTEGER},
            {"type": "string", "pattern": "^[0-9]{1,10}$"},
        ]
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=validate.Range(0, MAXIMUM_INTEGER), strict=True, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        is_text = isinstance(value, str) and value.isascii() and value.isdecimal()
        is_whole = isinstance(value, float) and value.is_integer()
        if is_text or is_whole:
            value = int(value)
        return super()._deserialize(value, attr, data, **kwargs)


class Flag(fields.Boolean):
    """Yes or no, in a request: true or false, or 1 or 0."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "anyOf": [{"type": "boolean"}, {"type": "integer", "enum": [0, 1]}]
    }
    truthy = {True}
    falsy = {False}


class Name(fields.String):
    """A name that nobody can take for an id, in a request."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "not": {"pattern": r"^\s*[0-9]+\s*$"},
    }

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(validate=_not_a_number, **kwargs)


def _not_a_number(value: str) -> None:
    if value.strip().isdecimal():
        raise ValidationError("Must not be a number only: it would be taken for an id.")


class LenientMoment(fields.Field):
    """A moment in any ISO form; nodes of the classic line send no offset, which means UTC."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> datetime:
        try:
            moment = datetime.fromisoformat(value)
            return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
        except (TypeError, ValueError, OverflowError) as error:
            raise ValidationError("Not a moment in ISO form.") from error


class Input(Schema):
    """What comes in: an unknown field is an error, and null is the same as left out."""

    class Meta:
        unknown = RAISE

    # What of `KNOWN_EXTRAS` may come along.
    known_extras: ClassVar[frozenset[str]] = frozenset()
    # Fields in which null says something else than nothing.
    nullable: ClassVar[frozenset[str]] = frozenset()

    @pre_load
    def _drop_empty(self, data: Any, **_: Any) -> Any:
        if not isinstance(data, Mapping):
            return data
        self._refuse_many(data)
        return {
            key: value
            for key, value in data.items()
            if key not in self.known_extras and (value is not None or self._tells_by_null(key))
        }

    def _tells_by_null(self, key: str) -> bool:
        return key not in self.fields or key in self.nullable

    def _refuse_many(self, data: Mapping[str, Any]) -> None:
        if len(data) > MOST_FIELDS:
            raise ValidationError(f"Too many fields: {MOST_FIELDS} at most.")
        for name, field in self.fields.items():
            items = data.get(name) if isinstance(field, fields.List) else None
            if isinstance(items, list) and len(items) > MOST_ITEMS:
                raise ValidationError(f"Too many: {MOST_ITEMS} at most.", name)


class Output(Schema):
    """What goes out. Made anew for each answer, because it holds what was fetched for it."""

    # The schemas, by name, of what can be embedded in the place of links.
    embedded: ClassVar[Mapping[str, str]] = {}
    # The fields that a caller may ask to leave out.
    excludable: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        session: Session,
        identity: Identity,
        *,
        embed: Mapping[str, "Embedding"] | None = None,
        exclude: Collection[str] = (),
    ) -> None:
        # The library would copy and bind all fields with much ado, which costs as a statement does.
        vars(self).update(_prepared(type(self), frozenset(exclude)))
        self.declared_fields = {
            name: field if type(field) in _PLAIN else _bound(name, field, self)
            for name, field in self.declared_fields.items()
        }
        self.fields = {name: self.declared_fields[name] for name in self.fields}
        self.dump_fields = {name: self.declared_fields[name] for name in self.dump_fields}
        self.session = session
        self.identity = identity
        self.embed = embed or {}

    def dump(self, obj: Any, *, many: bool | None = None) -> Any:
        """Turn one or many objects into plain data, after fetching what belongs to them."""
        objects = list(obj) if many else [obj]
        self.fetch(objects)
        data: list[dict[str, Any]] = super().dump(objects, many=True)
        for name, embedding in self.embed.items():
            found = embedding(objects)
            for item in data:
                item[name] = found.get(item["id"], item[name])
        return data if many else data[0]

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """The attribute of a model, without the library's search for dots and items."""
        return getattr(obj, attr, default)

    def fetch(self, objects: Sequence[Model]) -> None:
        """Fetch what belongs to all of the objects, of all kinds, in one statement."""
        related = self.related()
        queries = [query for field in related for query in field.queries(self.identity)]
        if not queries:
            return
        found: dict[str, dict[int, list[Row[Any]]]] = defaultdict(lambda: defaultdict(list))
        for row in self.rows(_together(*queries), objects):
            found[row[_KIND]][row[_OWNER]].append(row)
        for field in related:
            field.found = {
                owner: sorted(rows, key=itemgetter(_TARGET))
                for owner, rows in found[field.key].items()
            }

    def related(self) -> list["Related"]:
        """The fields of which the rows are fetched."""
        return [field for field in self.fields.values() if isinstance(field, Related)]

    def rows(self, query: Executable, objects: Sequence[Model]) -> Iterable[Any]:
        """The rows of a query about the `owners` of what is shown, the objects."""
        return self.session.execute(query, {"owners": [item.id for item in objects]})


@lru_cache(maxsize=200)
def _prepared(kind: type[Output], exclude: frozenset[str]) -> Mapping[str, Any]:
    """What the library makes of a kind of schema, for all of that kind."""
    schema = object.__new__(kind)
    Schema.__init__(schema, exclude=exclude)
    return vars(schema)


def _bound(name: str, field: fields.Field, schema: Output) -> fields.Field:
    """A field like another one, for a schema of the same kind."""
    bound = object.__new__(type(field))
    vars(bound).update(vars(field))
    bound.parent = bound.root = None
    bound._bind_to_schema(name, schema)
    return bound


@lru_cache(maxsize=100)
def _together(*queries: Select[Any]) -> Executable:
    """Queries of different facts as one statement, which is made once."""
    facts = max((list(query.selected_columns) for query in queries), key=len)[_KEYS:]
    return union_all(*(_filled_up(query, facts) for query in queries))


def _filled_up(query: Select[Any], facts: Sequence[ColumnElement[Any]]) -> Select[Any]:
    """A query with as many columns as another, the added ones without a value."""
    missing = facts[len(query.selected_columns) - _KEYS :]
    return query.add_columns(*(cast(null(), fact.type).label(fact.key) for fact in missing))


def links(resource: str, ids: Iterable[int]) -> list[dict[str, Any]]:
    """References to other objects of one kind, with what can be done to them."""
    path, methods = f"{current_app.config['API_PATH']}/{resource}/", methods_of(resource)
    return [{"id": id_, "link": f"{path}{id_}", "methods": methods} for id_ in ids]


_LINK = {"$ref": "#/components/schemas/Link"}


class Link(fields.Field):
    """A reference to the one object behind a foreign key; null when there is none."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "nullable": True,
        "allOf": [_LINK],
    }

    def __init__(self, resource: str, column: str) -> None:
        super().__init__(attribute=column, dump_only=True)
        self.resource = resource

    def _serialize(self, value: int | None, attr: str | None, obj: Any, **_: Any) -> Any:
        return None if value is None else links(self.resource, [value])[0]


class Related(fields.Field):
    """The ids of many objects that belong to one, as plain numbers.

    Parameters
    ----------
    target : column
        The ids of those that belong.
    owner : column
        The ids of those they belong to, beside `target` in one table.
    kind : type of Model, optional
        What `target` stands for, where not everybody who sees the one may see all the others.
    facts : sequence of columns
        What else is to be known of those that belong.
    """

    openapi: ClassVar[Mapping[str, Any]] = {"type": "array", "items": {"type": "integer"}}

    def __init__(
        self,
        target: Column,
        owner: Column,
        kind: type[Model] | None = None,
        facts: Sequence[Column] = (),
    ) -> None:
        super().__init__(dump_only=True)
        self.target, self.kind = plain(target), kind
        # Tells the rows of this field from those of others in the same statement.
        self.key = f"{plain(owner)} {self.target}"
        which: ColumnElement[Any] = literal_column(f"'{self.key}'")
        self.query: Select[Any] = select(
            which, plain(owner), self.target, *map(plain, facts)
        ).where(among_owners(owner))
        self.found: Mapping[int, list[Row[Any]]] = {}

    def queries(self, identity: Identity) -> Sequence[Select[Any]]:
        """What finds all that belongs to the `owners`, as far as the caller may know."""
        known = check.may_be_named(identity, self.kind) if self.kind else true()
        if self.kind is None or known is true():
            return [self.query]
        return [self.query.where(self.target.in_(select(self.kind.id).where(known)))]

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **_: Any) -> Any:
        """The ids fetched for one object; its own attribute of this name is not touched."""
        return self.show([row[_TARGET] for row in self.rows_of(obj)])

    def rows_of(self, obj: Model) -> Sequence[Row[Any]]:
        """The rows of those that belong to one object, in the order of their ids."""
        return self.found.get(obj.id, ())

    def show(self, ids: list[int]) -> Any:
        """How the ids appear on the wire."""
        return ids


class Links(Related):
    """The references to many objects that belong to one; null when there are none."""

    openapi: ClassVar[Mapping[str, Any]] = {"type": "array", "nullable": True, "items": _LINK}

    def __init__(self, resource: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.resource = resource

    def show(self, ids: list[int]) -> Any:
        """A list of references, by the contract never an empty one."""
        return links(self.resource, ids) or None


class Moment(fields.DateTime):
    """A moment, in ISO form with its offset."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="iso", **kwargs)


# Fields that know nothing of the schema that shows them, so that all of a kind share them.
_PLAIN = frozenset({fields.Boolean, fields.Integer, fields.String, Id, Link, Moment})
