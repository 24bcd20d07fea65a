"""The worker process: a greenlet per connection, and few rules about how long it may idle."""

import ctypes
import errno
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from types import FrameType
from typing import Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from vantage6.server.proxies import Addresses
from vantage6.server.serving.connections import Body, Connections, say_goodbye
from vantage6.server.serving.line import HandedOver, Line
from vantage6.server.serving.newcomers import HANDSHAKE_SECONDS, keep_off

# As many as are served at the same time; more of them queue up to be accepted.
CONNECTIONS = 4000
# How long a connection may be kept without a request, or with an unfinished head of one.
KEEP_ALIVE_SECONDS = 75
# How long somebody may leave unread, or unanswered by his machine, what we send.
DELIVERY_SECONDS = 60
# How long our proxies may still send requests on connections that they have kept, when the server
# is to stop. Longer than they keep one, which is up to them: see docs/howto/nginx.conf.
LINGER_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_PR_SET_PDEATHSIG = 1


class Worker(GeventWorker):
    """Gunicorn's worker for gevent, which also bounds what a connection may cost."""

    def set_up(self, stop_seconds: float, proxies: Sequence[str]) -> None:
        """Say what gunicorn has no settings for; before the process begins to serve.

        Parameters
        ----------
        stop_seconds : float
            How long open requests may take once the server is to stop.
        proxies : sequence of str
            Addresses and networks of our proxies.
        """
        # The setting is also how long the main process waits, which must be longer.
        self.cfg.set("graceful_timeout", stop_seconds)
        self._linger_seconds = min(LINGER_SECONDS, stop_seconds)
        self._proxies = Addresses(proxies)
        self._is_stopping = False

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
            patience = self.cfg.keepalive if self.alive else self._linger_seconds
            with gevent.Timeout(patience, False):
                yield
        except OSError as error:
            # So it ends when others of us shut it.
            if error.errno != errno.EBADF:
                raise

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Answer what comes on a new connection."""
        if hasattr(socket, "TCP_USER_TIMEOUT") and client.family != socket.AF_UNIX:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DELIVERY_SECONDS * 1000)
        is_shared = isinstance(addr, tuple) and addr[0] in self._proxies
        self._connections.open(client, is_shared=is_shared)
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
        req.should_close = cache(partial(self._is_last, req.should_close))
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
        if not self._is_stopping:
            self._is_stopping = True
            # Not here: a signal may come while somebody holds a lock.
            gevent.spawn(self._let_go)

    # Ctrl-C reaches this process too; it is to stop as cleanly as with SIGTERM.
    handle_quit = handle_exit

    def _let_go(self) -> None:
        if all(map(keep_off, self.sockets)):
            # Who has come so far is accepted and heard meanwhile.
            gevent.sleep(min(HANDSHAKE_SECONDS, self._linger_seconds))
        # From now on each answer is the last one on its connection, and then the listeners close.
        self.alive = False
        self.app.stop()
        self._connections.take_last()
        end = time.monotonic() + self._linger_seconds
        while self._connections.count_shared() and time.monotonic() < end:
            gevent.sleep(_LOOK_SECONDS)
        self._connections.take_no_more()

    def _is_last(self, is_last: Callable[[], bool]) -> bool:
        """Whether a connection ends with an answer; asked when its head is sent."""
        return not self.alive or is_last()


def _end_with_parent() -> None:
    """Have the kernel end this process when its parent is killed.

    It would notice by itself after a second, in which the port is taken for a new start.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
