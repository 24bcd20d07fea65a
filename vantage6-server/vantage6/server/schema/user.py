from typing import Any

from marshmallow import fields, post_load, validate

from vantage6.server.model import Permission, Task, UserPermission
from vantage6.server.schema.base import Id, Input, Link, Links, Moment, Output, Related

# A name that starts with a letter cannot be taken for an id, wherever either may stand.
_is_username = validate.Regexp(
    r"[A-Za-z]\S{0,127}\Z", error="Must start with a letter and hold no spaces."
)


_USERNAME = {"pattern": r"^[A-Za-z]\S{0,127}$"}


class UserInput(Input):
    """A new user."""

    username = fields.String(required=True, validate=_is_username, metadata=_USERNAME)
    firstname = fields.String(required=True)
    lastname = fields.String(required=True)
    password = fields.String(required=True)
    email = fields.String(required=True)
    organization_id = Id()
    roles = fields.List(Id(), load_default=list)
    rules = fields.List(Id(), load_default=list)


class UserChange(Input):
    """What can be changed of a user: an empty text means unchanged.

    The password has a route of its own. The organization cannot be changed: the roles of a user
    would come along to the other organization.
    """

    username = fields.String(validate=validate.And(lambda text: not text or _is_username(text)))
    firstname = fields.String()
    lastname = fields.String()
    email = fields.String()
    roles = fields.List(Id())
    rules = fields.List(Id())

    @post_load
    def _drop_empty_text(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {name: value for name, value in values.items() if value != ""}


class PasswordInput(Input):
    """A change of the own password."""

    current_password = fields.String(required=True)
    new_password = fields.String(required=True)


class UserOutput(Output):
    """A user, as the server shows it."""

    id = fields.Integer()
    type = fields.String()
    username = fields.String()
    firstname = fields.String(allow_none=True)
    lastname = fields.String(allow_none=True)
    email = fields.String(allow_none=True)
    ip = fields.String(allow_none=True)
    status = fields.String(allow_none=True)
    last_seen = Moment(allow_none=True)
    organization = Link("organization", "organization_id")
    roles = Links("role", Permission.c.role_id, Permission.c.user_id)
    rules = Links("rule", UserPermission.c.rule_id, UserPermission.c.user_id)
    # Where the classic server shows the secret to everybody; nobody is to see it.
    otp_secret = fields.Constant(None)
    created_tasks = Related(Task.id, Task.init_user_id, Task)
