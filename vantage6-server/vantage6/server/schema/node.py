from marshmallow import Schema, fields, validate

from vantage6.server.schema.base import Id, Input, Link, Moment, Output

# Both are shown with every result of the node.
_is_name = validate.Length(max=1_000)
_is_address = validate.Length(max=100)


class NodeInput(Input):
    """A new node."""

    collaboration_id = Id(required=True)
    organization_id = Id()
    name = fields.String(validate=_is_name)


class NodeChange(Input):
    """What can be changed of a node; an id of 0 means unchanged."""

    name = fields.String(validate=_is_name)
    organization_id = Id()
    collaboration_id = Id()
    ip = fields.String(validate=_is_address)


class NodeReference(Input):
    """The node that is to get a new API key."""

    id = Id(required=True)


class NodeInCollaborationOutput(Output):
    """A node, as the server shows it among the nodes of its collaboration."""

    id = fields.Integer()
    name = fields.String(allow_none=True)
    ip = fields.String(allow_none=True)
    status = fields.String(allow_none=True)
    last_seen = Moment(allow_none=True)
    organization = Link("organization", "organization_id")


class NodeOutput(NodeInCollaborationOutput):
    """A node, as the server shows it."""

    type = fields.String()
    collaboration = Link("collaboration", "collaboration_id")


class NewNodeOutput(NodeOutput):
    """A node that was just made, with the key that nobody can read again."""

    api_key = fields.String()


class ApiKeyOutput(Schema):
    """A new API key, which nobody can read again."""

    api_key = fields.String()
