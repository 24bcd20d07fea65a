"""A PostgreSQL server of our own: private, beside others, gone in the end."""

import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from development import postgres as postgresql
from development.console import SetupError
from development.postgres import Postgres


def connect(uri: str) -> psycopg.Connection:
    return psycopg.connect(uri.replace("+psycopg", ""), autocommit=True)


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    uri = postgres.create()
    yield uri
    postgres.drop(uri)


def test_each_server_is_alone(postgres: Postgres) -> None:
    with postgresql.serve() as other:
        assert other.port != postgres.port
        with connect(other.uri("postgres")) as connection:
            assert connection.execute("SHOW data_directory").fetchone() is not None
        stranger = other.uri("postgres").replace(str(other.port), str(postgres.port))
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            connect(stranger)


def test_nothing_is_left_of_a_server() -> None:
    with (
        postgresql.serve() as server,
        connect(server.uri("postgres")) as connection,
    ):
        row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    assert not Path(row[0]).parent.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(server.pid, 0)


def test_a_database_is_a_copy_of_its_template(postgres: Postgres, database: str) -> None:
    with connect(database) as connection:
        connection.execute("CREATE TABLE word AS SELECT 'kept' AS text")
    copy = postgres.create(database)
    with connect(copy) as connection:
        assert connection.execute("SELECT text FROM word").fetchall() == [("kept",)]
    postgres.drop(copy)


def test_connections_can_be_ended(postgres: Postgres, database: str) -> None:
    with connect(database) as connection:
        postgres.disconnect(database)
        with pytest.raises(psycopg.OperationalError, match="terminating connection"):
            connection.execute("SELECT 1")


def test_it_forgets_unless_told_otherwise(postgres: Postgres, database: str) -> None:
    with connect(database) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("off",)
    with postgresql.serve(fsync="on") as server, connect(server.create()) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_a_wrong_setting_is_said() -> None:
    with (
        pytest.raises(SetupError, match='unrecognized configuration parameter "no_such_thing"'),
        postgresql.serve(no_such_thing="on"),
    ):
        pass


def test_where_it_cannot_be_had_the_reason_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert postgresql.obstacle() == ""
    monkeypatch.setattr(postgresql, "_programs", lambda: None)
    monkeypatch.setattr(postgresql.debian, "is_ours", lambda: False)
    with pytest.raises(SetupError, match="only root on Debian"):
        postgresql.install()


def test_where_it_is_missing_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    installed: list[str] = []
    programs = Path("/usr/lib/postgresql/15/bin")
    monkeypatch.setattr(postgresql, "_programs", lambda: programs if installed else None)
    monkeypatch.setattr(postgresql.debian, "is_ours", lambda: True)
    monkeypatch.setattr(postgresql.debian, "install", installed.append)
    assert postgresql.install() == programs
    assert installed == ["postgresql"]


def test_it_ends_with_whoever_started_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "development.postgres"], stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout
        uri = owner.stdout.readline().strip()
        with connect(uri) as connection:
            row = connection.execute("SHOW data_directory").fetchone()
            assert row is not None
            left = Path(row[0]).parent
            server = os.pidfd_open(int((left / "data" / "postmaster.pid").read_text().split()[0]))
            owner.kill()
            # readable once the process is over
            select.select([server], [], [])
            os.close(server)
            with pytest.raises(psycopg.OperationalError, match="terminating connection"):
                connection.execute("SELECT 1")
    assert left.exists()
    # the next one removes what nobody holds any more
    with postgresql.serve():
        assert not left.exists()
