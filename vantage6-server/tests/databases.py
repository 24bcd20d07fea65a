"""Databases of tests, on each kind that the server supports."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from vantage6.server import first_run
from vantage6.server.database import Database

KINDS = ("sqlite", "postgresql")


@contextmanager
def fresh(request: pytest.FixtureRequest, folder: Path, *, filled: bool = False) -> Iterator[str]:
    """The URI of a database of the kind that is the parameter of a fixture.

    Parameters
    ----------
    request : FixtureRequest
        Of a fixture with ``params=KINDS``.
    folder : Path
        Where an SQLite file goes.
    filled : bool
        Whether tables, rules and default roles are in it already.
    """
    if request.param == "sqlite":
        path = folder / "test.sqlite"
        if filled:
            shutil.copy(request.getfixturevalue("filled_sqlite"), path)
        yield f"sqlite:///{path}"
        return
    postgres = request.getfixturevalue("postgres")
    uri = postgres.create(request.getfixturevalue("filled_postgresql") if filled else None)
    yield uri
    postgres.drop(uri)


def fill(uri: str) -> None:
    """Put tables, rules and default roles into a database."""
    database = Database(uri)
    database.create_tables()
    with database.transaction() as session:
        first_run.add_rules(session)
        first_run.add_roles(session)
    if database.engine.name == "sqlite":
        with database.engine.connect() as connection:
            # Everything into the one file that is copied.
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.dispose()
