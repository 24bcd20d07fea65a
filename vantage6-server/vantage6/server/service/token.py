"""Tokens: made here, read here.

The `sub` of users and nodes is an integer and that of containers an object: existing clients
and algorithms decode them. So the library must not insist on text, and the shape is checked by
whoever reads it.
"""

import math
import time
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import jwt
from flask import Flask, current_app, request
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token
from jwt import ExpiredSignatureError
from jwt.exceptions import PyJWTError
from jwt.types import Options

from vantage6.server.exceptions import Unauthorized
from vantage6.server.permission.catalogue import Kind

ACCESS_LIFE = timedelta(hours=6)
ACCESS_LIFE_IN_TESTS = timedelta(days=1)


# The `sub` of tokens is no text, see above. One from the future is as good as its signature: it
# comes from another process of ours, whose clock is ahead.
_CHECKED: Options = {"verify_sub": False, "verify_iat": False, "verify_nbf": False}


class ExpiredToken(Unauthorized):
    """The token was good, once."""


def set_up(app: Flask, secret: str, *, in_tests: bool) -> None:
    """Let an application make and read tokens."""
    app.config.update(
        JWT_SECRET_KEY=secret,
        # Tokens come in headers only; without this each would carry a claim against forged forms.
        JWT_COOKIE_CSRF_PROTECT=False,
        JWT_ACCESS_TOKEN_EXPIRES=ACCESS_LIFE_IN_TESTS if in_tests else ACCESS_LIFE,
    )
    JWTManager(app)


def access(kind: Kind, id_: int, version: int, roles: list[str]) -> str:
    """An access token of a user or node."""
    token: str = create_access_token(id_, additional_claims=_claims(kind, version, roles))
    return token


def refresh(kind: Kind, id_: int, version: int, roles: list[str], token_id: str) -> str:
    """A refresh token of a user or node; how long it is good is for `service.renewal` to say."""
    claims = {**_claims(kind, version, roles), "jti": token_id}
    token: str = create_refresh_token(id_, additional_claims=claims, expires_delta=False)
    return token


def _claims(kind: Kind, version: int, roles: list[str]) -> dict[str, Any]:
    return {"client_type": kind.value, "roles": roles, "credential_version": version}


def for_container(subject: Mapping[str, Any], version: int) -> str:
    """The token of a container: it dies with its run, or with the credentials of its node."""
    token: str = create_access_token(
        {"client_type": Kind.CONTAINER.value, **subject},
        additional_claims=_claims(Kind.CONTAINER, version, []),
        expires_delta=False,
    )
    return token


@lru_cache(maxsize=4096)
def _claims_of(text: str, secret: str) -> Mapping[str, Any]:
    """The claims of a token of ours; whoever asks for them later sees to it that it still is good.

    What was signed stays signed, so that it is looked at once.
    """
    # Not by the library that makes them: it reads each token three times.
    claims: dict[str, Any] = jwt.decode(text, secret, ["HS256"], _CHECKED)
    return claims


def read(*, refresh: bool = False) -> dict[str, Any]:
    """The claims of the token in the current request.

    Raises
    ------
    Unauthorized
        When there is none, or it is not one of ours; ExpiredToken when its time is over.
    """
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind != "Bearer" or not text:
        raise Unauthorized("Not logged in: there is no token in the request")
    try:
        claims = dict(_claims_of(text.strip(), current_app.config["JWT_SECRET_KEY"]))
        if claims.get("exp", math.inf) <= time.time():
            raise ExpiredToken("The token has expired")
    except ExpiredSignatureError as error:
        raise ExpiredToken("The token has expired") from error
    except (PyJWTError, UnicodeError) as error:
        raise Unauthorized(f"Not logged in: {error}") from error
    if claims.get("type") != ("refresh" if refresh else "access"):
        raise Unauthorized("Not logged in: the token is of another kind")
    return claims
