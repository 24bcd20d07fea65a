from typing import Any

from marshmallow import Schema, ValidationError, fields

from vantage6.server.schema.base import Id, Input


class Code(fields.Field):
    """A code of an authenticator app, which classic clients also send as a number."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str:
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value)
        raise ValidationError("Must be a code, as text or as a number.")


class UserLogin(Input):
    """A username and password."""

    username = fields.String(required=True)
    password = fields.String(required=True)
    mfa_code = Code(load_default="")


class NodeLogin(Input):
    """An API key."""

    api_key = fields.String(required=True)


class ContainerTokenInput(Input):
    """The task and image that a container is wanted for."""

    task_id = Id(required=True)
    image = fields.String(required=True)


class RenewedTokensOutput(Schema):
    """Tokens in the place of older ones."""

    access_token = fields.String()
    refresh_token = fields.String()


class UserTokensOutput(RenewedTokensOutput):
    """What a user gets for logging in."""

    user_url = fields.String()
    refresh_url = fields.String()


class RecoveredTokensOutput(UserTokensOutput):
    """What a user gets for a log-in with a recovery code."""

    msg = fields.String()


class FirstTokensOutput(RecoveredTokensOutput):
    """What a user gets for the first log-in with a code: the recovery codes come with it."""

    recovery_codes = fields.List(fields.String())


class EnrolmentOutput(Schema):
    """What a user needs to set up an authenticator app."""

    qr_uri = fields.String()
    otp_secret = fields.String()
    msg = fields.String()


class NodeTokensOutput(RenewedTokensOutput):
    """What a node gets for logging in."""

    node_url = fields.String()
    refresh_url = fields.String()


class ContainerTokenOutput(Schema):
    """What a node gets for one of its containers."""

    container_token = fields.String()


def token_answer(
    kind: str, api_path: str, *, id: int, access_token: str, refresh_token: str, **more: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """What a user or node gets to see after logging in."""
    body = {
        "access_token": access_token,
        "refresh_token": refresh_token,
        f"{kind}_url": f"{api_path}/{kind}/{id}",
        "refresh_url": f"{api_path}/token/refresh",
        **more,
    }
    return body, {"jwt-token": access_token}
