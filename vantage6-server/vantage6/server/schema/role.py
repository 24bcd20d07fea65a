from marshmallow import fields

from vantage6.server.model import Permission, User, role_rule_association
from vantage6.server.schema.base import Id, Input, Link, Links, Name, Output


class RoleInput(Input):
    """A new role."""

    name = Name(required=True)
    description = fields.String(required=True)
    rules = fields.List(Id(), load_default=list)
    organization_id = Id()


class RoleChange(Input):
    """What can be changed of a role."""

    name = Name()
    description = fields.String()
    rules = fields.List(Id())


class RoleOutput(Output):
    """A role, as the server shows it."""

    id = fields.Integer()
    name = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    organization = Link("organization", "organization_id")
    rules = Links("rule", role_rule_association.c.rule_id, role_rule_association.c.role_id)
    users = Links("user", Permission.c.user_id, Permission.c.role_id, User)
