"""Callers of the application under test."""

from collections.abc import Callable
from typing import Any

import jwt
from flask import Flask
from flask.testing import FlaskClient

from vantage6.common.jwt import unverified_claims
from vantage6.server.model import Node, Result, User
from vantage6.server.permission.catalogue import Kind
from vantage6.server.service import token

Who = User | Node | Result


class LoggedIn(FlaskClient):
    """Somebody whose token goes with every request."""

    token = ""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("headers", bearer(self.token))
        return super().open(*args, **kwargs)


Login = Callable[[Who], LoggedIn]


def bearer(text: str) -> dict[str, str]:
    """The header that carries a token."""
    return {"Authorization": f"Bearer {text}"}


def log_in(app: Flask, who: Who) -> LoggedIn:
    """Log somebody in without a secret; a result stands for the container that works on it."""
    client = LoggedIn(app, app.response_class, use_cookies=False)
    with app.app_context():
        client.token = container_token(who) if isinstance(who, Result) else access_token(who)
    return client


def access_token(who: User | Node) -> str:
    """What a user or node gets when logging in."""
    return token.access(Kind(who.type), who.id, who.credential_version, [])


def with_claims(app: Flask, good: str, **claims: Any) -> str:
    """A token of the server like another one, but for some claims."""
    secret = app.config["JWT_SECRET_KEY"]
    return jwt.encode({**unverified_claims(good), **claims}, secret, "HS256")


def container_token(result: Result, **subject: Any) -> str:
    """What a node gets for the container of a run."""
    assert result.node is not None
    return token.for_container(
        {
            "node_id": result.node.id,
            "organization_id": result.organization_id,
            "collaboration_id": result.task.collaboration_id,
            "task_id": result.task_id,
            "result_id": result.id,
            "image": result.task.image,
            "database": result.task.database,
            **subject,
        },
        result.node.credential_version,
    )
