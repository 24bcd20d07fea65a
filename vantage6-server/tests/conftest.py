"""A fresh application and database for every test, on each kind of database."""

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clients import Login, log_in
from documented import Witness
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from development.postgres import Postgres
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


@pytest.fixture(scope="session")
def filled_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with tables, rules and roles, for all tests to copy."""
    path = tmp_path_factory.mktemp("database") / "filled.sqlite"
    database = Database(f"sqlite:///{path}")
    fill(database)
    with database.engine.connect() as connection:
        # Everything into the one file that is copied.
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
    return path


@pytest.fixture(scope="session")
def filled_postgresql(postgres: Postgres) -> str:
    """The same in PostgreSQL."""
    uri = postgres.create()
    database = Database(uri)
    fill(database)
    database.dispose()
    return uri


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a database without tables is, of each kind in turn."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.sqlite"
        return
    postgres = request.getfixturevalue("postgres")
    uri = postgres.create()
    yield uri
    postgres.drop(uri)


@pytest.fixture(params=["sqlite", "postgresql"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the database of a test is: whatever uses it runs once on each kind."""
    if request.param == "sqlite":
        copied = shutil.copy(request.getfixturevalue("filled_sqlite"), tmp_path / "test.sqlite")
        yield f"sqlite:///{copied}"
        return
    postgres = request.getfixturevalue("postgres")
    uri = postgres.create(request.getfixturevalue("filled_postgresql"))
    yield uri
    postgres.drop(uri)


def fill(database: Database) -> None:
    database.create_tables()
    with database.transaction() as session:
        first_run.add_rules(session)
        first_run.add_roles(session)


@pytest.fixture
def config(uri: str) -> dict[str, Any]:
    return {
        "uri": uri,
        "api_path": "/api",
        "jwt_secret_key": "a secret of the tests, long enough to sign with",
    }


@pytest.fixture
def app(config: dict[str, Any]) -> Iterator[Flask]:
    """The application; at the end, all that it answered must be in its OpenAPI document."""
    app = create_app(config)
    app.testing = True
    app.extensions["witness"] = witness = Witness(app)
    yield app
    app.extensions["database"].dispose()
    witness.check()


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
