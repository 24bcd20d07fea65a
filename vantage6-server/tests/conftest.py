"""A fresh application and database for every test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from vantage6.server import first_run
from vantage6.server.app import create_app
from vantage6.server.database import Database
from vantage6.server.model import Node, Result, User
from vantage6.server.permission.catalogue import Kind
from vantage6.server.service import password, token
from vantage6.server.service.event import Event

SECRET = "a secret of the tests, long enough to sign with"


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with the least work that bcrypt knows."""
    monkeypatch.setattr(password, "ROUNDS", 4)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "uri": f"sqlite:///{tmp_path}/test.sqlite",
        "api_path": "/api",
        "type": "test",
        "jwt_secret_key": SECRET,
    }


@pytest.fixture
def app(config: dict[str, Any]) -> Iterator[Flask]:
    app = create_app(config)
    app.testing = True
    database: Database = app.extensions["database"]
    database.create_tables()
    with database.transaction() as session:
        first_run.add_rules(session)
        first_run.add_roles(session)
    yield app
    database.dispose()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session for arranging and looking; commit what the application shall see."""
    with app.extensions["database"].session(writes=False) as session:
        yield session


@pytest.fixture
def make(session: Session) -> Factory:
    return Factory(session)


@pytest.fixture
def events(app: Flask) -> list[Event]:
    """All events that have left the server."""
    sent: list[Event] = []
    app.extensions["events"].subscribe(sent.append)
    return sent


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Somebody who is not logged in."""
    return app.test_client()


class LoggedIn(FlaskClient):
    """Somebody whose token goes with every request."""

    token = ""

    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("headers", {"Authorization": f"Bearer {self.token}"})
        return super().open(*args, **kwargs)


@pytest.fixture
def login_as(app: Flask, session: Session) -> Callable[[User | Node | Result], LoggedIn]:
    """Log somebody in without a password; a result stands for the container that works on it."""

    def log_in(who: User | Node | Result) -> LoggedIn:
        client = LoggedIn(app, app.response_class, use_cookies=False)
        with app.app_context():
            client.token = _token(who)
        return client

    def _token(who: User | Node | Result) -> str:
        if isinstance(who, Result):
            return container_token(who)
        kind = Kind(who.type)
        return token.pair(kind, who.id, who.credential_version, [])["access_token"]

    return log_in


def container_token(result: Result) -> str:
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
        }
    )
