"""Migrations of the database: numbered revisions that Alembic applies in order.

A new revision is made from the difference between the models and the revisions there are:
`python -m vantage6.server.migration "What changes"`. Read what it wrote before committing it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from sqlalchemy import Connection, Engine, event, inspect, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import NullPool

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.database import create_plain_engine

# It tells of every look at the database; the revisions that were applied are told by the server.
logging.getLogger("alembic").setLevel(logging.WARNING)

NEWEST = "head"
_FOLDER = Path(__file__).parent
# Any number will do, as long as nothing else in the same PostgreSQL database locks it.
_POSTGRESQL_LOCK = 0x76616E746167
_SQLITE_TIMEOUT_SECONDS = 60


@contextmanager
def exclusive(url: URL) -> Iterator[Connection]:
    """A connection in a transaction that no other server has at the same time.

    Others that start wait until it is over. It is committed at the end, and rolled back by an
    error, together with all changes of tables.

    Raises
    ------
    ConfigurationError
        When the database cannot be reached.
    """
    engine = _exclusive_engine(url)
    with _explained(url):
        connection = engine.connect()
    with connection:
        with _explained(url):
            transaction = connection.begin()
        with transaction:
            if url.get_backend_name() == "postgresql":
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_POSTGRESQL_LOCK})"))
            yield connection


def upgrade(connection: Connection, to: str = NEWEST) -> list[str]:
    """Bring the tables to a revision; the revisions that were applied.

    Parameters
    ----------
    connection : Connection
        As `exclusive` gives it.
    to : str
        The revision, by default the newest.

    Raises
    ------
    ConfigurationError
        When the database is not one of ours, or of a later version.
    """
    applied = pending(connection, to)
    if applied:
        command.upgrade(_config(connection), to)
    return applied


def pending(connection: Connection, to: str = NEWEST) -> list[str]:
    """The revisions that are still to be applied, the oldest first; see `upgrade`."""
    scripts = ScriptDirectory.from_config(_config(connection))
    current = MigrationContext.configure(connection).get_current_revision()
    if current is None:
        _refuse_foreign_tables(connection)
    try:
        revisions = list(scripts.iterate_revisions(to, current or "base"))
    except RevisionError as error:
        raise ConfigurationError(
            f"The database has revision {current}, of a later version of vantage6 than this"
        ) from error
    return [revision.revision for revision in reversed(revisions)]


def revisions() -> list[str]:
    """All revisions there are, the oldest first."""
    scripts = ScriptDirectory(str(_FOLDER)).walk_revisions()
    return [script.revision for script in scripts][::-1]


def new_revision(connection: Connection, message: str) -> Path:
    """Write a revision that turns the tables of a database into those of the models."""
    config = _config(connection)
    number = len(revisions()) + 1
    script: Any = command.revision(config, message, autogenerate=True, rev_id=f"{number:04}")
    path = Path(script.path)
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "# ###" not in line), encoding="utf-8")
    return path


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    return config


def _refuse_foreign_tables(connection: Connection) -> None:
    tables = inspect(connection).get_table_names()
    if "authenticatable" in tables:
        raise ConfigurationError(
            "The database holds tables without a revision number, so it was not made by this "
            "version of vantage6 and cannot be migrated; use an empty database"
        )


def _exclusive_engine(url: URL) -> Engine:
    """An engine of its own: while tables are rebuilt, foreign keys must not be enforced."""
    if url.get_backend_name() != "sqlite":
        return create_plain_engine(url, poolclass=NullPool)
    timeout = {"timeout": _SQLITE_TIMEOUT_SECONDS}
    engine = create_plain_engine(url, poolclass=NullPool, connect_args=timeout)
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin_writing)
    return engine


def _leave_transactions_to_us(connection: Any, _record: Any) -> None:
    connection.isolation_level = None


def _begin_writing(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _explained(url: URL) -> Iterator[None]:
    """Turn what the driver says into one sentence."""
    try:
        yield
    except DatabaseError as error:
        reason = str(error.orig).strip().partition("\n")[0]
        shown = url.render_as_string(hide_password=True)
        raise ConfigurationError(f"The database {shown} cannot be opened: {reason}") from error
