from typing import ClassVar

from marshmallow import fields, validate

from vantage6.server.model import Member, Node, Task
from vantage6.server.schema.base import Flag, Id, Input, Links, Name, Output


class CollaborationInput(Input):
    """A new collaboration."""

    name = Name(required=True)
    organization_ids = fields.List(Id(), required=True, validate=validate.Length(min=1))
    encrypted = Flag(load_default=False)


class CollaborationChange(Input):
    """What can be changed of a collaboration."""

    name = Name()
    organization_ids = fields.List(Id())
    encrypted = Flag()


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
    organizations = Links("organization", Member.c.organization_id, Member.c.collaboration_id)
    nodes = Links("node", Node.id, Node.collaboration_id)
    tasks = Links("task", Task.id, Task.collaboration_id, Task)
