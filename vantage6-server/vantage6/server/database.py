"""The engine, and sessions that are each one transaction."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    delete,
    event,
    select,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.sql.compiler import InsertmanyvaluesSentinelOpts

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.retry import Backoff
from vantage6.server.aside import Aside
from vantage6.server.model import Base

URI_VARIABLE = "VANTAGE6_DB_URI"
# Seconds that a writer waits for the one before it.
SQLITE_TIMEOUT = 30
# Seconds that a connection to PostgreSQL may take to come about.
CONNECT_TIMEOUT = 10
# How often some work is tried; of those that get in each other's way one is done each time.
ATTEMPTS = 10
_FIRST_PAUSE, _LONGEST_PAUSE = 0.005, 0.5
# What PostgreSQL calls a serialization failure, and a deadlock.
_CONFLICTS = ("40001", "40P01")
# How often it looks whether a writer in another process is done.
_LOOK_SECONDS = 0.005
_WRITES = "vantage6_writes"

T = TypeVar("T")


class Database:
    """The database of one server.

    Parameters
    ----------
    uri : str
        An SQLAlchemy URI of SQLite (a file) or PostgreSQL.
    data_dir : Path, optional
        Where relative paths of SQLite files start.
    """

    def __init__(self, uri: str, data_dir: Path | None = None) -> None:
        self.engine = _create_engine(complete_uri(uri, data_dir))
        self.sessions = sessionmaker(expire_on_commit=False)
        self._readers = self.engine.execution_options(**_reading(self.engine))
        self._writers = self.engine.execution_options(**{_WRITES: True})
        self._disposed = False
        event.listen(self.engine, "checkin", self._close_late)

    def session(self, *, writes: bool) -> Session:
        """A session of which the caller is the owner: who opens it closes it.

        On SQLite one that writes holds the lock of the writer from its first statement on: a
        transaction that reads first and then wants to write would have to be started again.
        On PostgreSQL one that reads has no transaction: each of its statements sees what is there
        by then, as it would within one, and is spared two ways to the database and back.
        """
        return self.sessions(bind=self._writers if writes else self._readers)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that is committed at the end, and rolled back by an error."""
        with self.session(writes=True) as session, session.begin():
            yield session

    def connection(self) -> Connection:
        """A connection for reading, to use in a `with` statement; it costs less than a session."""
        return self._readers.connect()

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reading only."""
        with self.session(writes=False) as session:
            yield session

    def run(self, work: Callable[[Session], T]) -> T:
        """Change something in one transaction, anew when another one got in its way.

        On SQLite there is one writer at a time. On PostgreSQL two may wait for each other, of
        which one is then turned away, or one may find gone what it was about to change. Neither
        has changed anything by then, and starts again from what is there now.

        Parameters
        ----------
        work : callable
            Is given a session, which is committed afterwards; called once more per conflict.

        Returns
        -------
        object
            What the work returns.
        """
        pauses = Backoff(first=_FIRST_PAUSE, limit=_LONGEST_PAUSE, jitter=1)
        for _ in range(ATTEMPTS - 1):
            try:
                return self._run(work)
            except (DBAPIError, StaleDataError) as error:
                if not is_conflict(error):
                    raise
            # Out of step with the others, else they meet again.
            time.sleep(pauses.pause())
        return self._run(work)

    def _run(self, work: Callable[[Session], T]) -> T:
        with self.session(writes=True) as session:
            done = work(session)
            session.commit()
        return done

    def create_tables(self) -> None:
        """Create the tables that are missing."""
        Base.metadata.create_all(self.engine)

    def is_reachable(self) -> bool:
        """Whether the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except SQLAlchemyError:
            return False
        return True

    def dispose(self) -> None:
        """Close all connections; those in use as soon as they are given back."""
        self._disposed = True
        self.engine.dispose()

    def _close_late(self, _connection: Any, record: ConnectionPoolEntry) -> None:
        """Close a connection that comes back to a pool which nobody will close again."""
        if self._disposed:
            record.invalidate()


def is_conflict(error: Exception) -> bool:
    """Whether transactions got in each other's way, so that the same may succeed a moment later."""
    if isinstance(error, StaleDataError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS


def insert_or_hold(session: Session, model: type[Base], **values: Any) -> None:
    """Add a row unless there is one with its key; either way nobody else changes it meanwhile."""
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    statement = (postgresql.insert if is_postgresql else sqlite.insert)(model).values(**values)
    key = list(model.__table__.primary_key)
    # A change that changes nothing holds the row, and waits for whoever deletes it.
    same = {column.name: column for column in key}
    session.execute(statement.on_conflict_do_update(index_elements=key, set_=same))


def delete_unheld(session: Session, model: type[Base], condition: ColumnElement[bool]) -> None:
    """Delete rows; those that others work with are left to them, so that nobody waits for it."""
    (key,) = model.__table__.primary_key
    unheld = select(key).where(condition).with_for_update(skip_locked=True)
    session.execute(
        delete(model).where(key.in_(unheld)).execution_options(synchronize_session=False)
    )


def database_uri(config: Mapping[str, Any]) -> str:
    """Where the database is: the environment variable wins over the configuration."""
    return os.environ.get(URI_VARIABLE) or config["uri"]


def complete_uri(uri: str, data_dir: Path | None = None) -> URL:
    """Where a database is in full: with the driver, and with the whole path of a file.

    Raises
    ------
    ConfigurationError
        When it cannot be read, or is not one for a server.
    """
    try:
        url = make_url(uri)
    except ArgumentError as error:
        raise ConfigurationError("The uri of the database cannot be read") from error
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() != "sqlite":
        return url
    if not url.database or url.database == ":memory:":
        raise ConfigurationError("The uri of an SQLite database must name a file")
    return url.set(database=str((data_dir or Path()) / url.database))


def create_plain_engine(url: URL, **options: Any) -> Engine:
    """An engine as the library makes it; the folder of an SQLite file is made if need be.

    Raises
    ------
    ConfigurationError
        When there is no driver, or no such folder can be made.
    """
    try:
        if url.get_backend_name() == "sqlite" and url.database:
            _make_private_file(Path(url.database))
        # Else values, such as inputs and hashes of passwords, would stand in errors and logs.
        return create_engine(url, hide_parameters=True, **options)
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise ConfigurationError(
            f"There is no driver for {url.get_backend_name()} databases here; that for "
            "PostgreSQL comes with `pip install vantage6-server[postgresql]`"
        ) from error
    except OSError as error:
        raise ConfigurationError(
            f"The folder of the database {url.database} cannot be made: {error.strerror}"
        ) from error


def _make_private_file(path: Path) -> None:
    """Make the file of a database for its owner alone; one that is there stays as it is."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)


def _create_engine(url: URL) -> Engine:
    # Far fewer than there are threads: a request holds one for moments only, and its statements
    # come to one processor. All are kept: to open one takes longer than what it is needed for.
    # Who finds none free waits as long as a proxy would: a crowd that comes back is not refused.
    pool = {"pool_size": 20, "max_overflow": 0, "pool_timeout": 100}
    if url.get_backend_name() != "sqlite":
        waiting = {"connect_timeout": url.query.get("connect_timeout", CONNECT_TIMEOUT)}
        return _create_postgresql_engine(url, connect_args=waiting, **pool)
    connecting = {"timeout": SQLITE_TIMEOUT, "factory": _SQLite}
    engine = create_plain_engine(url, connect_args=connecting, **pool)
    # The ids of the rows of one statement rise in their order, so that they may share one.
    engine.dialect.insertmanyvalues_implicit_sentinel = (
        InsertmanyvaluesSentinelOpts.ANY_AUTOINCREMENT
    )
    turn, committing = threading.Lock(), Aside(1)

    def set_up(connection: "_SQLite", _record: Any) -> None:
        connection.set_up(turn, committing)

    event.listen(engine, "connect", set_up)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _create_postgresql_engine(url: URL, **options: Any) -> Engine:
    # Those used last are used first, so that few of them ever idle for long.
    engine = create_plain_engine(url, pool_use_lifo=True, skip_autocommit_rollback=True, **options)
    from vantage6.server import postgresql

    postgresql.set_up(engine)
    return engine


def _reading(engine: Engine) -> Mapping[str, Any]:
    """What distinguishes connections that only read."""
    is_sqlite = engine.dialect.name == "sqlite"
    return {} if is_sqlite else {"isolation_level": "AUTOCOMMIT"}


class _SQLite(sqlite3.Connection):
    """A connection to a file, which has one writer at a time.

    SQLite makes a second one wait by stopping its whole thread, and in a server of greenlets with
    it the first one, who would never finish. So the writers of this process take turns among
    themselves, and look for those of others from time to time; both lets others work meanwhile.
    """

    _turn: threading.Lock
    _committing: Aside
    _is_writing = False

    def set_up(self, turn: threading.Lock, committing: Aside) -> None:
        """Prepare a new connection.

        Parameters
        ----------
        turn : Lock
            Held by the one who writes, of all connections of this process to the file.
        committing : Aside
            Where the writer waits for the disk.
        """
        self._turn, self._committing = turn, committing
        # The driver must not begin transactions by itself: `_begin_sqlite` does.
        self.isolation_level = None
        # What was answered survives a power cut: nodes forget a result once the server has it.
        for pragma in ("foreign_keys=ON", "journal_mode=WAL", "synchronous=FULL"):
            self.execute(f"PRAGMA {pragma}")

    def begin_writing(self) -> None:
        """Begin a transaction that holds the lock of the writer."""
        end = time.monotonic() + SQLITE_TIMEOUT
        if not self._turn.acquire(timeout=SQLITE_TIMEOUT):
            raise sqlite3.OperationalError("database is locked by others in this process")
        self._is_writing = True
        try:
            self.execute("PRAGMA busy_timeout=0")
            while not self._try_to_begin(end):
                time.sleep(_LOOK_SECONDS)
            self.execute(f"PRAGMA busy_timeout={SQLITE_TIMEOUT * 1000}")
        except BaseException:
            self._end_turn()
            raise

    def commit(self) -> None:
        """Commit."""
        if self._is_writing:
            self._committing(super().commit)
        else:
            super().commit()
        self._end_turn()

    def rollback(self) -> None:
        """Roll back."""
        try:
            super().rollback()
        finally:
            self._end_turn()

    def close(self) -> None:
        """Close."""
        try:
            super().close()
        finally:
            self._end_turn()

    def _try_to_begin(self, end: float) -> bool:
        try:
            self.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            return False
        return True

    def _end_turn(self) -> None:
        if self._is_writing:
            self._is_writing = False
            self._turn.release()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        raw: _SQLite = connection.connection.dbapi_connection  # type: ignore[assignment]
        raw.begin_writing()
    else:
        connection.exec_driver_sql("BEGIN")
