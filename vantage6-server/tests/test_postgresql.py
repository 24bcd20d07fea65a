"""Connections to PostgreSQL: none is asked without need whether it stands, and none is trusted."""

from collections.abc import Iterator
from contextlib import contextmanager

import gevent
import psycopg
import pytest
from psycopg.pq import TransactionStatus
from sqlalchemy import text

from development.postgres import Postgres
from vantage6.server import postgresql
from vantage6.server.database import Database
from vantage6.server.postgresql import Connection


@pytest.fixture
def uri(postgres: Postgres) -> Iterator[str]:
    uri = postgres.create()
    yield uri
    postgres.drop(uri)


@pytest.fixture
def database(uri: str) -> Iterator[Database]:
    database = Database(uri)
    yield database
    database.dispose()


def ask(database: Database) -> int:
    """Use a connection of the pool; the number of its process."""
    with database.reading() as session:
        number: int = session.scalar(text("SELECT pg_backend_pid()"))
    return number


def test_who_only_reads_has_no_transaction(database: Database) -> None:
    with database.reading() as session:
        session.execute(text("SELECT 1"))
        raw = session.connection().connection.dbapi_connection
        assert isinstance(raw, Connection)
        assert raw.info.transaction_status is TransactionStatus.IDLE
    with database.session(writes=True) as session:
        session.execute(text("SELECT 1"))
        raw = session.connection().connection.dbapi_connection
        assert isinstance(raw, Connection)
        assert raw.info.transaction_status is TransactionStatus.INTRANS


def test_what_was_closed_is_seen_without_asking(
    database: Database, uri: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "_answers", lambda _: pytest.fail("asked"))
    before = ask(database)
    assert ask(database) == before
    postgres.disconnect(uri)
    assert ask(database) != before


def test_what_was_idle_for_long_is_asked(
    database: Database, uri: str, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "IDLE_SECONDS", -1)
    before = ask(database)
    assert ask(database) == before
    # As when the network forgot it, without a word to this end.
    monkeypatch.setattr(Connection, "is_standing", lambda _: True)
    postgres.disconnect(uri)
    assert ask(database) != before


@contextmanager
def connected(uri: str) -> Iterator[Connection]:
    connection = Connection.connect(uri.replace("+psycopg", ""))
    yield connection
    connection.close()


def test_greenlets_work_while_one_waits_for_its_answer(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql.monkey, "is_module_patched", lambda _: True)
    with connected(uri) as waiting, connected(uri) as working:
        waiting.execute("SELECT pg_advisory_lock(1)")

        def wait() -> None:
            working.execute("SELECT pg_advisory_lock(1)")

        blocked = gevent.spawn(wait)
        gevent.sleep(0)
        assert not blocked.ready()
        waiting.execute("SELECT pg_advisory_unlock(1)")
        blocked.get()


def test_an_error_of_the_database_is_the_error_of_who_waits(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql.monkey, "is_module_patched", lambda _: True)
    with connected(uri) as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT * FROM nowhere")
