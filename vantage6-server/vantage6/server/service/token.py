"""Tokens: made here, read here.

The `sub` of users and nodes is an integer and that of containers an object: existing clients
and algorithms decode them. So the library must not insist on text, and the shape is checked by
whoever reads it.
"""

import json
import math
import time
import uuid
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import Any

import jwt
from flask import Flask, current_app, request
from jwt import ExpiredSignatureError
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import PyJWTError
from jwt.types import Options

from vantage6.server.exceptions import Unauthorized
from vantage6.server.permission.catalogue import Kind

ACCESS_LIFE = timedelta(hours=6)
ACCESS_LIFE_IN_TESTS = timedelta(days=1)

# What tokens are signed with, and the two types of them.
_HS256 = "HS256"
_ACCESS, _REFRESH = "access", "refresh"
# The `sub` of tokens is no text, see above. One from the future is as good as its signature: it
# comes from another process of ours, whose clock is ahead.
_CHECKED: Options = {"verify_sub": False, "verify_iat": False, "verify_nbf": False}


class ExpiredToken(Unauthorized):
    """The token was good, once."""


def set_up(app: Flask, secret: str, *, in_tests: bool) -> None:
    """Let an application make and read tokens."""
    life = ACCESS_LIFE_IN_TESTS if in_tests else ACCESS_LIFE
    app.config.update(JWT_SECRET_KEY=secret, ACCESS_TOKEN_SECONDS=int(life.total_seconds()))


def access(kind: Kind, id_: int, version: int, roles: list[str]) -> str:
    """An access token of a user or node."""
    ends = int(time.time()) + current_app.config["ACCESS_TOKEN_SECONDS"]
    return _signed(_ACCESS, id_, {**_claims(kind, version, roles), "exp": ends})


def refresh(kind: Kind, id_: int, version: int, roles: list[str], token_id: str) -> str:
    """A refresh token of a user or node; how long it is good is for `service.renewal` to say."""
    return _signed(_REFRESH, id_, {**_claims(kind, version, roles), "jti": token_id})


def for_container(subject: Mapping[str, Any], version: int) -> str:
    """The token of a container: it dies with its run, or with the credentials of its node."""
    whose = {"client_type": Kind.CONTAINER.value, **subject}
    return _signed(_ACCESS, whose, _claims(Kind.CONTAINER, version, []))


def _claims(kind: Kind, version: int, roles: list[str]) -> dict[str, Any]:
    return {"client_type": kind.value, "roles": roles, "credential_version": version}


class _Signature(HMACAlgorithm):
    """Looks once at a secret, whether it is one: not for each of the tokens of all runs."""

    def prepare_key(self, key: str | bytes) -> bytes:
        """The secret as it is signed with."""
        return _prepared(key)


@lru_cache(maxsize=1)
def _prepared(secret: str | bytes) -> bytes:
    return HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)


_signer = jwt.PyJWS([])
_signer.register_algorithm(_HS256, _Signature(HMACAlgorithm.SHA256))


def _signed(type_: str, subject: object, claims: Mapping[str, Any]) -> str:
    """A token with the claims that classic clients and algorithms find in one."""
    at = int(time.time())
    usual = {"fresh": False, "iat": at, "jti": str(uuid.uuid4()), "type": type_, "nbf": at}
    content = json.dumps({**usual, "sub": subject, **claims}, separators=(",", ":"))
    return _signer.encode(content.encode(), current_app.config["JWT_SECRET_KEY"], _HS256)


@lru_cache(maxsize=4096)
def _claims_of(text: str, secret: str) -> Mapping[str, Any]:
    """The claims of a token of ours; whoever asks for them later sees to it that it still is good.

    What was signed stays signed, so that it is looked at once.
    """
    claims: dict[str, Any] = jwt.decode(text, secret, [_HS256], _CHECKED)
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
    if claims.get("type") != (_REFRESH if refresh else _ACCESS):
        raise Unauthorized("Not logged in: the token is of another kind")
    return claims
