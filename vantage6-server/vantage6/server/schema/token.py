from typing import Any

from marshmallow import Schema, fields

from vantage6.common.wire import KNOWN_EXTRAS
from vantage6.server.schema.base import Id, Input


class UserLogin(Input):
    """A username and password."""

    known_extras = KNOWN_EXTRAS["POST /token/user"]

    username = fields.String(required=True)
    password = fields.String(required=True)


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


class NodeTokensOutput(RenewedTokensOutput):
    """What a node gets for logging in."""

    node_url = fields.String()
    refresh_url = fields.String()


class ContainerTokenOutput(Schema):
    """What a node gets for one of its containers."""

    container_token = fields.String()


def token_answer(
    kind: str, api_path: str, *, id: int, access_token: str, refresh_token: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """What a user or node gets to see after logging in."""
    body = {
        "access_token": access_token,
        "refresh_token": refresh_token,
        f"{kind}_url": f"{api_path}/{kind}/{id}",
        "refresh_url": f"{api_path}/token/refresh",
    }
    return body, {"jwt-token": access_token}
