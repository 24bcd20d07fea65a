"""Connections to PostgreSQL: waiting that lets others work, and a look whether one still stands."""

import time
from collections.abc import Generator
from typing import Any, TypeVar

import gevent
import psycopg
from gevent import monkey
from psycopg.pq import ConnStatus
from psycopg.waiting import Ready, Wait
from sqlalchemy import Engine, event
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

# Seconds without use after which the other side is asked whether it is still there: a network
# may drop a connection without a word.
IDLE_SECONDS = 30

R = TypeVar("R")

_USED = "vantage6_used"
_READ, _WRITE = 1, 2
_EVENTS = {Wait.R: _READ, Wait.W: _WRITE, Wait.RW: _READ | _WRITE}
_READY = {_READ: Ready.R, _WRITE: Ready.W, _READ | _WRITE: Ready.RW}


class Connection(psycopg.Connection[Any]):
    """A connection that waits for its answers on the loop of the greenlets.

    The driver would ask a new object of Python's for each statement whether there is an answer,
    which takes longer than the statement.
    """

    def wait(
        self,
        gen: Generator[Wait, Ready | int, R],
        interval: float = 0.1,
        timeout: float | None = None,
    ) -> R:
        """Do some work of the driver, from wait to wait, and return what comes out."""
        if timeout is not None or not monkey.is_module_patched("select"):
            return super().wait(gen, interval, timeout)
        try:
            wanted = next(gen)
            while True:
                wanted = gen.send(self._await(_EVENTS[wanted]))
        except StopIteration as end:
            done: R = end.value
            return done

    def _await(self, events: int) -> Ready:
        hub = gevent.get_hub()
        watcher = hub.loop.io(self.pgconn.socket, events)
        try:
            hub.wait(watcher)
        finally:
            watcher.close()
        return _READY[events]

    def is_standing(self) -> bool:
        """Whether the other side has not closed it, as far as is known here."""
        try:
            # What was said last is read by the first, that nothing will follow by the second.
            self.pgconn.consume_input()
            self.pgconn.consume_input()
        except psycopg.OperationalError:
            return False
        return self.pgconn.status == ConnStatus.OK


def set_up(engine: Engine) -> None:
    """Have an engine use these connections, and none that is broken.

    To ask before each use, as the library does, is one more way to the database and back.
    """
    event.listen(engine, "do_connect", _connect)
    event.listen(engine, "checkout", _check)
    event.listen(engine, "checkin", _note_use)


def _connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> Any:
    return Connection.connect(*arguments, **options)


def _check(connection: Connection, record: ConnectionPoolEntry, _proxy: Any) -> None:
    idle = time.monotonic() - record.info.get(_USED, time.monotonic())
    if not connection.is_standing() or (idle > IDLE_SECONDS and not _answers(connection)):
        # Whatever ended this one has probably ended the others, too.
        raise InvalidatePoolError("The connection is broken")


def _answers(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except psycopg.OperationalError:
        return False
    return True


def _note_use(_connection: Any, record: ConnectionPoolEntry) -> None:
    record.info[_USED] = time.monotonic()
