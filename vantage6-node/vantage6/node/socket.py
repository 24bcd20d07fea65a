"""Events of the server for the daemon's queue. A hint only: the server's database is the truth."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vantage6.common.client.socket import TaskSocket
from vantage6.common.exceptions import (
    AuthenticationException,
    ServerError,
    ServerUnreachable,
)
from vantage6.common.retry import Backoff
from vantage6.node.server import Server

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SocketUp:
    """Events reach us from now on."""


@dataclass(frozen=True)
class SocketDown:
    """Events do not reach us any more."""


@dataclass(frozen=True)
class NewTask:
    """The server has a new task, perhaps with a run for us."""

    task_id: int


@dataclass(frozen=True)
class RunsKilled:
    """Somebody had runs stopped, perhaps some of ours."""

    result_ids: frozenset[int]


News = SocketUp | SocketDown | NewTask | RunsKilled


class NoListener:
    """In place of a listener where events cannot come through: the server is asked instead."""

    def start(self) -> None:
        """Say so, once."""
        log.info("Events of the server are not listened to; it is asked for work instead")

    def close(self) -> None:
        """There is nothing to close."""


class SocketListener:
    """Keeps a connection for events open, in a thread of its own.

    Each connection is a new one with a fresh token: the socket library would come back with
    the old token for ever.

    Parameters
    ----------
    server : Server
    tell : callable
        Takes the news; called on other threads.
    """

    def __init__(self, server: Server, tell: Callable[[News], None]) -> None:
        self._server, self._tell = server, tell
        self._closing = threading.Event()
        self._lost = threading.Event()
        self._expired = False
        self._thread = threading.Thread(target=self._keep_connected, name="socket", daemon=True)

    def start(self) -> None:
        """Begin to connect; returns at once."""
        self._thread.start()

    def close(self) -> None:
        """Disconnect for good."""
        self._closing.set()
        self._lost.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)

    def _keep_connected(self) -> None:
        backoff = Backoff(limit=30)
        while not self._closing.is_set():
            try:
                self._stay_connected(backoff)
            except (ServerUnreachable, ServerError, AuthenticationException) as error:
                log.warning("No events from the server for now, asking it instead: %s", error)
            self._closing.wait(backoff.pause())

    def _stay_connected(self, backoff: Backoff) -> None:
        """One connection, from its beginning to its end."""
        token = self._server.fresh_token()
        self._lost.clear()
        self._expired = False
        socket = TaskSocket(
            self._server.url,
            lambda: token,
            {
                "new_task": self._on_new_task,
                "kill_containers": self._on_kill_containers,
                "expired_token": self._on_expired_token,
            },
            on_disconnect=self._lost.set,
            reconnect=False,
            session=self._server.socket_session(),
        )
        socket.connect()
        backoff.reset()
        self._tell(SocketUp())
        try:
            if not self._closing.is_set():
                self._lost.wait()
        finally:
            socket.close()
            self._tell(SocketDown())
        if self._expired:
            self._server.renew_token(token)

    def _on_new_task(self, task_id: Any) -> None:
        if isinstance(task_id, int):
            self._tell(NewTask(task_id))

    def _on_kill_containers(self, payload: Any) -> None:
        runs = payload.get("kill_list") if isinstance(payload, dict) else None
        killed = [run.get("result_id") for run in runs or () if isinstance(run, dict)]
        self._tell(RunsKilled(frozenset(id_ for id_ in killed if isinstance(id_, int))))

    def _on_expired_token(self, _: Any = None) -> None:
        self._expired = True
        self._lost.set()
