"""A fresh application and database for every test."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clients import Login, log_in
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from vantage6.server import first_run
from vantage6.server.app import create_app
from vantage6.server.database import Database
from vantage6.server.model import User
from vantage6.server.service import password
from vantage6.server.service.event import Event


@pytest.fixture(autouse=True)
def cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords with the least work that bcrypt knows."""
    monkeypatch.setattr(password, "ROUNDS", 4)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return {
        "uri": f"sqlite:///{tmp_path}/test.sqlite",
        "api_path": "/api",
        "jwt_secret_key": "a secret of the tests, long enough to sign with",
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
def root(make: Factory) -> User:
    """A user who holds every rule."""
    return make.user(role="Root")


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


@pytest.fixture
def login_as(app: Flask) -> Login:
    return partial(log_in, app)
