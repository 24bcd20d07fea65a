"""Servers that share a database have clocks of their own, which are never quite the same."""

from datetime import datetime, timedelta

import pytest
from clients import Login, bearer, with_claims
from factories import Factory
from flask import Flask


@pytest.mark.parametrize("ahead", [timedelta(seconds=5), timedelta(minutes=90)])
def test_a_token_of_a_server_whose_clock_is_ahead_is_good(
    app: Flask, make: Factory, login_as: Login, ahead: timedelta
) -> None:
    person = make.user(make.organization())
    user = login_as(person)
    moment = (datetime.now().astimezone() + ahead).timestamp()
    token = with_claims(app, user.token, iat=moment, nbf=moment)
    answer = user.get(f"/api/user/{person.id}", headers=bearer(token))
    assert answer.status_code == 200


def test_a_token_whose_time_is_over_is_not(app: Flask, make: Factory, login_as: Login) -> None:
    user = login_as(make.user(make.organization()))
    past = (datetime.now().astimezone() - timedelta(seconds=5)).timestamp()
    token = with_claims(app, user.token, exp=past)
    assert user.get("/api/user/1", headers=bearer(token)).status_code == 401
