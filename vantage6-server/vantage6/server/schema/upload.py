from marshmallow import fields, validate

from vantage6.server.model import Upload
from vantage6.server.schema.base import Id, Input, Output
from vantage6.server.service.blob import FORMS


class UploadInput(Input):
    """A large payload that is to come."""

    collaboration_id = Id(required=True)
    size = fields.Integer(required=True, strict=True, validate=validate.Range(1, 2**62))
    form = fields.String(required=True, validate=validate.OneOf(FORMS))


class UploadOutput(Output):
    """A large payload on its way, as the server shows it to who sends it."""

    id = fields.Integer()
    collaboration_id = fields.Integer()
    size = fields.Integer()
    form = fields.String()
    received = fields.Integer()
    complete = fields.Method("is_complete", metadata={"type": "boolean"})
    digest = fields.Method("show_digest", metadata={"type": "string", "nullable": True})

    def is_complete(self, upload: Upload) -> bool:
        """Whether it can be used."""
        return upload.blob_id is not None

    def show_digest(self, upload: Upload) -> str | None:
        """SHA-256 of the whole, in hexadecimal digits, once that is there."""
        return upload.blob.digest if upload.blob else None
