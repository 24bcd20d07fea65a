"""Every failure has one shape."""

import pytest
from clients import LoggedIn, Login
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import DataError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from vantage6.server.model import User
from vantage6.server.resource.organization import Organizations


@pytest.fixture
def caller(login_as: Login, root: User) -> LoggedIn:
    return login_as(root)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/nothing", 404),
        ("GET", "/nothing", 404),
        ("GET", "/api/version/", 404),
        ("GET", "/api/task/-1", 404),
        ("GET", "/api/task/99999999999", 404),
        ("GET", "/api/task/x", 404),
        ("DELETE", "/api/version", 405),
    ],
)
def test_what_is_not_there_is_said_in_json(
    client: FlaskClient, method: str, path: str, status: int
) -> None:
    answer = client.open(path, method=method)
    assert (answer.status_code, list(answer.json)) == (status, ["msg"])


def test_a_method_that_is_not_there_names_those_that_are(client: FlaskClient) -> None:
    assert "GET" in client.delete("/api/version").headers["Allow"]


@pytest.mark.parametrize(
    ("body", "kind"),
    [("{", "application/json"), ("{}", "text/plain"), ("", "application/json"),
     ("[" * 100_000, "application/json"), ('{"name": "\\ud800"}', "application/json")],
)  # fmt: skip
def test_a_body_that_cannot_be_used_is_a_bad_request(
    caller: LoggedIn, body: str, kind: str
) -> None:
    answer = caller.post("/api/organization", data=body, content_type=kind)
    assert answer.status_code == 400
    assert "msg" in answer.json


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("a secret"), 500),
        (OperationalError("a secret", {}, Exception()), 503),
        (PoolTimeout("a secret"), 503),
        (DataError("a secret", {}, Exception()), 400),
    ],
)
def test_an_unexpected_error_tells_nothing_of_the_inside(
    caller: LoggedIn, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int
) -> None:
    def fail(_: Organizations) -> None:
        raise error

    monkeypatch.setattr(Organizations, "get", fail)
    answer = caller.get("/api/organization")
    says = ["msg", "request_id"] if status >= 500 else ["msg"]
    assert (answer.status_code, list(answer.json)) == (status, says)
    assert "secret" not in answer.text


def test_a_body_beyond_the_limit_is_not_read(app: Flask, caller: LoggedIn) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 100
    answer = caller.post("/api/organization", json={"name": "x" * 200})
    assert answer.status_code == 413


def test_a_request_that_fails_leaves_nothing_behind(
    caller: LoggedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Organizations, "show", None)
    assert caller.post("/api/organization", json={"name": "half"}).status_code == 500
    monkeypatch.undo()
    assert caller.get("/api/organization?name=half").json == []
