"""The configuration of a server: its keys and what they may hold."""

import uuid
from typing import Any

from marshmallow import INCLUDE, Schema, ValidationError, fields, validate
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from vantage6.common.config import InstanceSchema, LoggingSchema

TYPES = ("prod", "acc", "test", "dev")
# HS256 is as strong as its key is long; 32 bytes are what it is made for.
MINIMUM_SECRET_LENGTH = 32


def _check_uri(value: str) -> None:
    try:
        make_url(value)
    except ArgumentError as error:
        raise ValidationError("Not a database URI, such as sqlite:///default.sqlite") from error


class PasswordPolicySchema(Schema):
    """The `password_policy` block: how many wrong passwords before one has to wait."""

    class Meta:
        unknown = INCLUDE

    max_failed_attempts = fields.Integer(validate=validate.Range(min=1))
    max_failed_attempts_per_address = fields.Integer(validate=validate.Range(min=1))
    inactivation_minutes = fields.Integer(validate=validate.Range(min=1))


class MetricsSchema(Schema):
    """The `metrics` block: where Prometheus may ask how busy the server is."""

    class Meta:
        unknown = INCLUDE

    ip = fields.String(load_default="127.0.0.1")
    port = fields.Integer(load_default=9464, validate=validate.Range(0, 65535))


class _Switched(fields.Nested):
    """A block that may be switched on with `true`, which stands for all of its defaults."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value is False:
            return None
        return super()._deserialize({} if value is True else value, *args, **kwargs)


class ServerSchema(InstanceSchema):
    """The keys of a server configuration; unknown keys are kept.

    What has no default here is left to the application, which has one.
    """

    description = fields.String(required=True)
    type = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(TYPES))
    ip = fields.String(required=True)
    port = fields.Integer(required=True, validate=validate.Range(0, 65535))
    api_path = fields.String(
        required=True,
        validate=validate.Regexp(
            r"(/[^/\s?#]+)*\Z", error="Must be empty, or start with a slash and not end with one"
        ),
    )
    uri = fields.String(required=True, validate=_check_uri)
    allow_drop_all = fields.Boolean(required=True)
    jwt_secret_key = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(
            min=MINIMUM_SECRET_LENGTH,
            error="Too short to be safe: use {min} characters or more, or leave it out",
        ),
    )
    # Refused rather than ignored: whoever asks for it counts on it.
    two_factor_auth = fields.Boolean(
        load_default=False,
        validate=validate.Equal(False, error="Two-factor log-in is not available"),
    )
    max_list_size = fields.Integer(validate=validate.Range(min=1))
    max_body_size = fields.Integer(validate=validate.Range(min=1))
    trusted_proxies = fields.Integer(validate=validate.Range(min=0))
    password_policy = fields.Nested(PasswordPolicySchema)
    metrics = _Switched(MetricsSchema, load_default=None, allow_none=True)
    logging = fields.Nested(LoggingSchema, required=True)


def has_predictable_secret(config: dict[str, Any]) -> bool:
    """Whether the secret is one of those that the classic wizard made of clock and machine."""
    try:
        return uuid.UUID(config.get("jwt_secret_key") or "").version == 1
    except ValueError:
        return False
