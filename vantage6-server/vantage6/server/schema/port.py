from marshmallow import fields, validate

from vantage6.server.schema.base import Id, Input, Output


class PortInput(Input):
    """A port at which the container of a run listens."""

    port = fields.Integer(strict=True, required=True, validate=validate.Range(1, 65535))
    result_id = Id(required=True)
    # Shown with every result that has the port.
    label = fields.String(load_default=None, validate=validate.Length(max=1_000))


class PortOutput(Output):
    """A port, as the server shows it."""

    id = fields.Integer()
    port = fields.Integer()
    label = fields.String(allow_none=True)
    result = fields.Integer(attribute="result_id")
