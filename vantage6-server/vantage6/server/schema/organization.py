from marshmallow import ValidationError, fields, validate

from vantage6.common import base64s_to_bytes
from vantage6.server.model import Collaboration, Member, Node, Result, Role, User
from vantage6.server.schema.base import Input, Links, Name, Output, Related


def _is_base64(value: str) -> None:
    try:
        base64s_to_bytes(value)
    except ValueError as error:
        raise ValidationError("Not base64.") from error


# It is in every list of organizations.
_is_statement = validate.Length(max=4_000)


class OrganizationInput(Input):
    """What can be set of an organization."""

    name = Name(load_default="")
    domain = fields.String(load_default="")
    address1 = fields.String(load_default="")
    address2 = fields.String()
    zipcode = fields.String(load_default="")
    country = fields.String(load_default="")
    public_key = fields.String(load_default="", validate=_is_base64, metadata={"format": "byte"})
    # After the key, which it belongs to: another key takes it away.
    capabilities = fields.String(
        validate=_is_statement,
        metadata={
            "description": "What the nodes of the organization can read, signed with its key; "
            "an empty text withdraws it."
        },
    )


class OrganizationOutput(Output):
    """An organization, as the server shows it."""

    id = fields.Integer()
    name = fields.String(allow_none=True)
    domain = fields.String(allow_none=True)
    address1 = fields.String(allow_none=True)
    address2 = fields.String(allow_none=True)
    zipcode = fields.String(allow_none=True)
    country = fields.String(allow_none=True)
    public_key = fields.String()
    capabilities = fields.String(
        allow_none=True,
        metadata={"description": "What its nodes can read, signed with its key; null if not said."},
    )
    collaborations = Links(
        "collaboration", Member.c.collaboration_id, Member.c.organization_id, Collaboration
    )
    nodes = Links("node", Node.id, Node.organization_id, Node)
    users = Links("user", User.id, User.organization_id, User)
    results = Links("result", Result.id, Result.organization_id, Result)
    roles = Related(Role.id, Role.organization_id, Role)
