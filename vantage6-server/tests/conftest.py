"""A fresh application and database for every test, on each kind of database."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from clients import Login, log_in
from connections import Frugality
from databases import KINDS, fill, fresh
from documented import Witness
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from letters import Letters
from person import Person
from sqlalchemy.orm import Session

from development.postgres import Postgres
from vantage6.server.app import create_app
from vantage6.server.model import Organization, User
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
    fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def filled_postgresql(postgres: Postgres) -> str:
    """The same in PostgreSQL."""
    uri = postgres.create()
    fill(uri)
    return uri


@pytest.fixture(params=KINDS)
def empty_uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a database without tables is: whatever uses it runs once on each kind."""
    with fresh(request, tmp_path) as uri:
        yield uri


@pytest.fixture(params=KINDS)
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where the database of a test is: whatever uses it runs once on each kind."""
    with fresh(request, tmp_path, filled=True) as uri:
        yield uri


@pytest.fixture
def lose_database(uri: str, request: pytest.FixtureRequest) -> Callable[[], None]:
    """Takes the database away, for good."""

    def lose() -> None:
        if uri.startswith("postgresql"):
            request.getfixturevalue("postgres").drop(uri)
            return
        path = Path(uri.removeprefix("sqlite:///"))
        for file in path.parent.glob(f"{path.name}*"):
            file.unlink()
        path.mkdir()

    return lose


@pytest.fixture
def config(uri: str, tmp_path: Path) -> dict[str, Any]:
    return {
        "payloads": {"folder": str(tmp_path / "payloads")},
        "uri": uri,
        "api_path": "/api",
        "jwt_secret_key": "a secret of the tests, long enough to sign with",
    }


@pytest.fixture
def app(config: dict[str, Any]) -> Iterator[Flask]:
    """The application.

    At the end all that it answered must be in its OpenAPI document, and no request may have
    held two connections of the database.
    """
    app = create_app(config)
    app.testing = True
    app.extensions["witness"] = witness = Witness(app)
    frugality = Frugality(app)
    yield app
    app.extensions["database"].dispose()
    witness.check()
    frugality.check()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """A session for arranging and looking; commit what the application shall see."""
    database = app.extensions["database"]
    # One that was opened for writing would keep the application from it on SQLite.
    with database.sessions(bind=database.engine) as session:
        yield session


@pytest.fixture
def make(session: Session) -> Factory:
    return Factory(session)


@pytest.fixture
def root(make: Factory) -> User:
    """A user who holds every rule."""
    return make.user(role="Root")


@pytest.fixture
def own(make: Factory) -> Organization:
    """An organization, where a test has several."""
    return make.organization()


@pytest.fixture
def partner(make: Factory) -> Organization:
    """Another one."""
    return make.organization()


@pytest.fixture
def user(make: Factory) -> User:
    """Somebody who may do nothing, and whose name is not to be taken for a tag."""
    return make.user(firstname="Ada <b>", email="ada@hospital.example")


@pytest.fixture
def person(app: Flask, client: FlaskClient, user: User) -> Person:
    """The same, who has set up a second factor, without which nobody gets in any more."""
    app.extensions["second_factors"].required = True
    person = Person(client, user.username)
    person.enrol()
    return person


@pytest.fixture
def events(app: Flask) -> list[Event]:
    """All events that have left the server."""
    sent: list[Event] = []
    app.extensions["events"].subscribe(sent.append)
    return sent


@pytest.fixture
def letters(app: Flask) -> Letters:
    """The mails that the server sends from now on."""
    return Letters(app)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """Somebody who is not logged in."""
    return app.test_client()


@pytest.fixture
def login_as(app: Flask) -> Login:
    return partial(log_in, app)
