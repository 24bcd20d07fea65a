"""What the transports below the sockets may cost us, as long as nobody on them has logged in.

The library keeps whoever connects, and takes messages of any length. So what a stranger can hold
here is counted, and cut off.
"""

import socket
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from typing import Any
from urllib.parse import parse_qs

import simple_websocket
from flask import Flask
from flask_socketio import SocketIO
from wsproto.utilities import LocalProtocolError

from vantage6.server.handover import Clock, hand_over

# What clients send are a few words.
MESSAGE_LIMIT = 100_000
# How long a transport may stay open on which nobody has shown a token, and how many may: when
# one more comes, the oldest of them goes. Were it refused, one stranger could keep all nodes out.
IDLE_SECONDS = 10.0
IDLE_TRANSPORTS = 300
# One request that reads and one that writes, or one that becomes a websocket.
REQUESTS_AT_ONCE = 3
# A client answers every ping; one that says nothing for longer is gone.
PING_INTERVAL = 25
PING_TIMEOUT = 60

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def guard(app: Flask, io: SocketIO, used: Collection[str]) -> None:
    """Limit what strangers can hold of an application's sockets.

    Parameters
    ----------
    app : Flask
    io : SocketIO
        Already part of the application.
    used : collection of str
        The transports on which somebody has logged in, at any time.
    """
    engine = io.server.eio
    # The one thing here that is not of the library's public interface: it has no option for it.
    clock = Clock(engine.ping_interval, engine._async["thread"])
    engine._async = {**engine._async, "websocket": _WebSocket, "thread": clock.make}

    def make_room() -> None:
        if len(engine.sockets) - len(used) < IDLE_TRANSPORTS:
            # Where a thousand nodes come back at once, to look at all for each takes its time.
            return
        # In the order in which they came. Those that are closed are taken off the list later.
        every = engine.sockets.copy().items()
        idle = [one for sid, one in every if sid not in used and not one.closed]
        for one in idle[: max(0, len(idle) + 1 - IDLE_TRANSPORTS)]:
            one.close(wait=False, abort=True)

    def is_open(sid: str) -> bool:
        found = engine.sockets.get(sid)
        return found is not None and not found.closed

    app.wsgi_app = _Gate(app.wsgi_app, make_room, is_open)  # type: ignore[method-assign]


class _WebSocket:
    """A websocket that takes no long message, and ends when nothing comes any more.

    What the library asks of one: it is made for a handler, called for a request, and then gives
    the handler messages and takes those for the other side.
    """

    def __init__(self, handler: Callable[["_WebSocket"], Any], _server: Any) -> None:
        self._handler = handler

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Speak with the client of a request until the end, or let a worker of ours do that."""
        if "gunicorn.socket" in environ:
            transport = getattr(self._handler, "__self__", None)
            try:
                end = hand_over(transport, environ, limit=MESSAGE_LIMIT, patience=IDLE_SECONDS)
            except (LocalProtocolError, OSError) as error:
                # Not as a list, which for the library is one of packets.
                return tuple(_refuse(start_response, "400 BAD REQUEST", str(error)))
            raise end
        # Who comes from polling says two things before it is a transport.
        self._greetings = 2 if _sid(environ) else 1
        self._socket = simple_websocket.Server(environ, max_message_size=MESSAGE_LIMIT)
        self._handler(self)
        # There is nothing to answer: what was a connection for requests is over.
        raise ConnectionError

    def send(self, message: str | bytes) -> None:
        """Send a message; OSError at the end."""
        try:
            self._socket.send(message)
        except simple_websocket.ConnectionClosed as error:
            raise OSError("The websocket is closed") from error

    def wait(self) -> Any:
        """The next message; None at the end."""
        patience = IDLE_SECONDS if self._greetings > 0 else PING_INTERVAL + PING_TIMEOUT
        self._greetings -= 1
        try:
            return self._socket.receive(timeout=patience)
        except simple_websocket.ConnectionClosed:
            return None

    def close(self) -> None:
        """Tell the other side, and do not wait for what it says to that."""
        try:
            self._socket.close()
            self._socket.sock.shutdown(socket.SHUT_RDWR)
        except (simple_websocket.ConnectionClosed, LocalProtocolError, OSError):
            # It went by itself, perhaps in this very moment, which is as good.
            return


class _Gate:
    """Lets few transports in that have no owner yet, and few requests of each at the same time."""

    def __init__(
        self, wsgi: WSGI, make_room: Callable[[], None], is_open: Callable[[str], bool]
    ) -> None:
        self._wsgi = wsgi
        self._make_room, self._is_open = make_room, is_open
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not environ.get("PATH_INFO", "").startswith("/socket.io"):
            return self._wsgi(environ, start_response)
        sid = _sid(environ)
        if not sid:
            self._make_room()
            return self._wsgi(environ, start_response)
        if not self._is_open(sid):
            # The library would fail over one that was closed, and log any other as it is.
            return _refuse(start_response, "400 BAD REQUEST", "There is no such session")
        if not self._begin(sid):
            return _refuse(start_response, "503 SERVICE UNAVAILABLE", "Too many at once")
        try:
            return self._wsgi(environ, start_response)
        finally:
            self._end(sid)

    def _begin(self, sid: str) -> bool:
        with self._lock:
            if self._requests[sid] >= REQUESTS_AT_ONCE:
                return False
            self._requests[sid] += 1
            return True

    def _end(self, sid: str) -> None:
        with self._lock:
            self._requests[sid] -= 1
            if self._requests[sid] <= 0:
                del self._requests[sid]


def _refuse(start_response: Any, status: str, message: str) -> Iterable[bytes]:
    body = message.encode()
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def _sid(environ: dict[str, Any]) -> str:
    """The transport that a request is one of; empty for the first one of each."""
    return parse_qs(environ.get("QUERY_STRING", "")).get("sid", [""])[0]
