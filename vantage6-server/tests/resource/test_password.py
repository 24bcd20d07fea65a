"""The own password."""

from typing import Any

import pytest
from clients import Login, bearer
from flask.testing import FlaskClient

from vantage6.server.model import User
from vantage6.server.service.event import Event

OLD, NEW = "Passw0rd!", "N3w-passw0rd"


def test_a_changed_password_makes_all_tokens_void(
    client: FlaskClient, user: User, events: list[Event]
) -> None:
    login = {"username": user.username, "password": OLD}
    old = client.post("/api/token/user", json=login).json
    changed = client.patch(
        "/api/password/change",
        json={"current_password": OLD, "new_password": NEW},
        headers=bearer(old["access_token"]),
    )
    assert changed.status_code == 200
    assert client.get("/api/rule", headers=bearer(old["access_token"])).status_code == 401
    refresh = bearer(old["refresh_token"])
    assert client.post("/api/token/refresh", headers=refresh).status_code == 401
    assert client.post("/api/token/user", json=login).status_code == 401
    assert client.post("/api/token/user", json={**login, "password": NEW}).status_code == 200
    assert [event.identity_id for event in events] == [user.id]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"new_password": NEW}, 400),
        ({"current_password": OLD}, 400),
        ({"current_password": OLD, "new_password": OLD}, 400),
        ({"current_password": OLD, "new_password": "weak"}, 400),
        ({"current_password": "wrong", "new_password": NEW}, 401),
    ],
)
def test_what_does_not_change_a_password(
    client: FlaskClient, login_as: Login, user: User, body: dict[str, Any], status: int
) -> None:
    assert login_as(user).patch("/api/password/change", json=body).status_code == status
    login = {"username": user.username, "password": OLD}
    assert client.post("/api/token/user", json=login).status_code == 200


def test_guessing_the_current_password_counts_like_guessing_at_the_door(
    client: FlaskClient, login_as: Login, user: User
) -> None:
    body = {"current_password": "wrong", "new_password": NEW}
    guesses = [login_as(user).patch("/api/password/change", json=body) for _ in range(6)]
    assert [guess.status_code for guess in guesses] == [401] * 5 + [429]
    login = {"username": user.username, "password": OLD}
    assert client.post("/api/token/user", json=login).status_code == 429
