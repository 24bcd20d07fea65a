from marshmallow import Schema, fields

from vantage6.server.schema.base import Input


class VpnConfigInput(Input):
    """The configuration whose keys are to be replaced."""

    vpn_config = fields.String(required=True)


class VpnConfigOutput(Schema):
    """What a node needs to take part in a private network."""

    ovpn_config = fields.String()
