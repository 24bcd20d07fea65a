"""The worker process: a greenlet per connection, and few rules about how long it may idle."""

import ctypes
import errno
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from vantage6.server.serving.connections import Body, Connections, say_goodbye
from vantage6.server.serving.line import HandedOver, Line

# As many as are served at the same time; more of them queue up to be accepted.
CONNECTIONS = 4000
# How long a connection may be kept without a request, or with an unfinished head of one.
KEEP_ALIVE_SECONDS = 75
# How long somebody may leave unread, or unanswered by his machine, what we send.
DELIVERY_SECONDS = 60
_PR_SET_PDEATHSIG = 1


class Worker(GeventWorker):
    """Gunicorn's worker for gevent, which also bounds what a connection may cost."""

    def stop_within(self, seconds: float) -> None:
        """Give open requests this long once the server is to stop."""
        # The setting is also how long the main process waits, which must be longer.
        self.cfg.set("graceful_timeout", seconds)

    def init_process(self) -> None:
        """Begin in the new process."""
        _end_with_parent()
        self._connections = Connections()
        self._lines: dict[socket.socket, Line] = {}
        super().init_process()

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """Wait for the head of a request, until the time is over or the connection is shut."""
        try:
            with gevent.Timeout(self.cfg.keepalive if self.alive else 0, False):
                yield
        except OSError as error:
            # So it ends when others of us shut it.
            if error.errno != errno.EBADF:
                raise

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Answer what comes on a new connection."""
        if hasattr(socket, "TCP_USER_TIMEOUT") and client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DELIVERY_SECONDS * 1000)
        self._connections.open(client)
        try:
            super().handle(listener, client, addr)
        finally:
            # A websocket goes on without us, and counts until it ends.
            line = self._lines.pop(client, None)
            forget = partial(self._connections.close, client)
            forget() if line is None else line.at_end(forget)

    def handle_request(self, listener_name: Any, req: Any, sock: socket.socket, addr: Any) -> None:
        """Answer a request of which the head is there."""
        req.body = Body(req.body, self._connections, sock)
        self._connections.work(sock)
        try:
            super().handle_request(listener_name, req, sock, addr)
        except HandedOver as end:
            self._lines[sock] = end.line
            raise
        except StopIteration:
            say_goodbye(sock)
            raise
        self._connections.wait(sock)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop once what is open has been answered."""
        if self.alive:
            # Not here: a signal may come while somebody holds a lock.
            gevent.spawn(self._let_go)
        super().handle_exit(sig, frame)

    # Ctrl-C reaches this process too; it is to stop as cleanly as with SIGTERM.
    handle_quit = handle_exit

    def _let_go(self) -> None:
        self.app.stop()
        self._connections.take_no_more()


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent is killed.

    It would notice by itself after a second, in which the port is taken for a new start.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
