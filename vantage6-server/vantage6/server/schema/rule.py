from marshmallow import fields

from vantage6.server.model import User, UserPermission
from vantage6.server.permission.catalogue import Operation, Scope
from vantage6.server.schema.base import Links, Output


class RuleOutput(Output):
    """A rule, as the server shows it."""

    id = fields.Integer()
    name = fields.String()
    operation = fields.Enum(Operation)
    scope = fields.Enum(Scope)
    description = fields.String(allow_none=True)
    users = Links("user", UserPermission.c.user_id, UserPermission.c.rule_id, User)
