from collections.abc import Mapping
from typing import Any, ClassVar

from marshmallow import fields, validate

from vantage6.server.model import Member, Node, Task
from vantage6.server.schema.base import Flag, Id, Input, Links, Name, Output

# A century: more is no limit, and does not fit the calendar in the end.
LONGEST_RETENTION = 36_500


class _RetentionDays(fields.Integer):
    """Days for which inputs, results and logs of ended runs are kept; null for ever."""

    openapi: ClassVar[Mapping[str, Any]] = {
        "type": "integer",
        "minimum": 1,
        "maximum": LONGEST_RETENTION,
        "nullable": True,
    }

    def __init__(self, **kwargs: Any) -> None:
        within = validate.Range(1, LONGEST_RETENTION)
        super().__init__(strict=True, allow_none=True, validate=within, **kwargs)


class CollaborationInput(Input):
    """A new collaboration."""

    name = Name(required=True)
    organization_ids = fields.List(Id(), required=True, validate=validate.Length(min=1))
    encrypted = Flag(load_default=False)
    retention_days = _RetentionDays(load_default=None)


class CollaborationChange(Input):
    """What can be changed of a collaboration."""

    name = Name()
    organization_ids = fields.List(Id())
    encrypted = Flag()
    retention_days = _RetentionDays()

    nullable: ClassVar[frozenset[str]] = frozenset({"retention_days"})


class ReferenceInput(Input):
    """The organization or node that is added to a collaboration, or taken from it."""

    id = Id(required=True)


class CollaborationOutput(Output):
    """A collaboration, as the server shows it."""

    # One that has worked for years has many.
    excludable: ClassVar[tuple[str, ...]] = ("tasks",)

    id = fields.Integer()
    name = fields.String()
    encrypted = fields.Boolean()
    retention_days = fields.Integer(allow_none=True)
    organizations = Links("organization", Member.c.organization_id, Member.c.collaboration_id)
    nodes = Links("node", Node.id, Node.collaboration_id)
    tasks = Links("task", Task.id, Task.collaboration_id, Task)
