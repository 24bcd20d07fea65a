"""Servers that share a database have clocks of their own, which are never quite the same."""

from datetime import datetime, timedelta

import jwt
import pytest
from clients import Login, bearer
from factories import Factory
from flask import Flask


@pytest.mark.parametrize("ahead", [timedelta(seconds=5), timedelta(minutes=90)])
def test_a_token_of_a_server_whose_clock_is_ahead_is_good(
    app: Flask, make: Factory, login_as: Login, ahead: timedelta
) -> None:
    user = login_as(make.user(make.organization()))
    secret = app.config["JWT_SECRET_KEY"]
    claims = jwt.decode(user.token, secret, ["HS256"], {"verify_sub": False})
    moment = (datetime.now().astimezone() + ahead).timestamp()
    token = jwt.encode({**claims, "iat": moment, "nbf": moment}, secret, "HS256")
    answer = user.get(f"/api/user/{claims['sub']}", headers=bearer(token))
    assert answer.status_code == 200


def test_a_token_whose_time_is_over_is_not(app: Flask, make: Factory, login_as: Login) -> None:
    user = login_as(make.user(make.organization()))
    secret = app.config["JWT_SECRET_KEY"]
    claims = jwt.decode(user.token, secret, ["HS256"], {"verify_sub": False})
    past = (datetime.now().astimezone() - timedelta(seconds=5)).timestamp()
    token = jwt.encode({**claims, "exp": past}, secret, "HS256")
    assert user.get("/api/user/1", headers=bearer(token)).status_code == 401
