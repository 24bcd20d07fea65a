"""A websocket without a greenlet of its own: a thousand nodes that say nothing cost little.

A line wakes when something comes: it is read at once, and a greenlet exists for as long as a
message is worked on. What is sent goes out at once as far as the other side takes it; the rest
waits here, and not much of it.
"""

import logging
import os
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

import gevent
from gevent.lock import Semaphore
from gevent.monkey import get_original
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError, generate_accept_token

from vantage6.server.serving.connections import GOODBYE_SECONDS, shut

log = logging.getLogger(__name__)

# What the other side has not taken yet of what it was told; one that lets more wait is cut off.
BACKLOG = 1024**2
# What it says at once, and is not worked on yet: no more is read meanwhile.
QUEUE = 32
# Pieces of one message that are kept apart: each takes far more memory than its few letters.
PIECES = 64
# How many messages of all websockets are worked on at the same time: fewer than the database keeps
# connections for. When a thousand nodes come back at once they wait here, and not, for a time that
# has a limit, for the database.
TURNS = 8
_PIECE = 16 * 1024
_READABLE, _WRITABLE = 1, 2
_Socket = get_original("socket", "socket")
# The answer to a ping, which waits for nothing.
_PONG = "3"
_turns = Semaphore(TURNS)

#: Takes a message of the other side; None at the end, which comes once.
Listener = Callable[[str | bytes | None], None]


class HandedOver(StopIteration):
    """Ends a request of which the connection has become a line; its socket is not to be shut.

    Attributes
    ----------
    line : Line
    """

    def __init__(self, line: "Line") -> None:
        super().__init__("The connection is a websocket now")
        self.line = line


def accept(request: dict[str, Any]) -> bytes:
    """The answer to a request that wants to become a websocket.

    Raises
    ------
    LocalProtocolError
        When the request is none of these.
    """
    key = request.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if request.get("HTTP_SEC_WEBSOCKET_VERSION") != "13" or not key:
        raise LocalProtocolError("This is no request for a websocket of version 13")
    token = generate_accept_token(key.encode("latin-1")).decode()
    lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade"]
    return "\r\n".join([*lines, f"Sec-WebSocket-Accept: {token}", "", ""]).encode()


def frame(message: str | bytes) -> bytes:
    """A message of a server, whole."""
    is_text = isinstance(message, str)
    payload = message.encode() if isinstance(message, str) else message
    first, length = b"\x81" if is_text else b"\x82", len(payload)
    if length < 126:
        return first + length.to_bytes(1, "big") + payload
    if length < 2**16:
        return first + b"\x7e" + length.to_bytes(2, "big") + payload
    return first + b"\x7f" + length.to_bytes(8, "big") + payload


class Line:
    """One websocket, from the handshake on.

    Parameters
    ----------
    connection : socket
        That of the request; it may be closed afterwards, but not be shut down.
    listener : callable
        Called in a greenlet, for one message after the other.
    limit : int
        The longest message that may come, in bytes.
    """

    def __init__(self, connection: socket.socket, listener: Listener, limit: int) -> None:
        # One without gevent's ways, since nobody waits on it.
        self._socket = _Socket(fileno=os.dup(connection.fileno()))
        self._socket.setblocking(False)
        self._listener, self._limit = listener, limit
        self._protocol = Connection(ConnectionType.SERVER)
        self._pieces: list[str | bytes] = []
        self._length = 0
        self._heard: deque[str | bytes | None] = deque()
        self._backlog = b""
        self._is_busy, self.is_open = False, True
        self._at_end: Callable[[], None] | None = None
        loop = gevent.get_hub().loop
        self._reader = loop.io(self._socket.fileno(), _READABLE)
        self._reader.start(self._read)
        # Made when they are needed, which is seldom.
        self._writer: Any = None
        self._goodbye: Any = None

    def at_end(self, act: Callable[[], None]) -> None:
        """Have something done, which does not block, when the connection is gone."""
        if self._socket.fileno() < 0:
            act()
        else:
            self._at_end = act

    def send(self, data: bytes) -> None:
        """Send what `accept` or `frame` made; nothing happens after the end."""
        if self.is_open:
            self._send(data)

    def close(self, code: int = CloseReason.NORMAL_CLOSURE, reason: str | None = None) -> None:
        """Tell the other side that it is over, and give it a moment to read that."""
        if not self.is_open:
            return
        self.is_open = False
        self._answer(CloseConnection(code, reason))
        self._hear(None)
        if self._socket.fileno() >= 0:
            self._reader.start(self._read)
            self._goodbye = gevent.get_hub().loop.timer(GOODBYE_SECONDS)
            self._goodbye.start(self._let_go)
            if not self._backlog:
                shut(self._socket, socket.SHUT_WR)

    def _read(self) -> None:
        """Take what is there; called by the loop, so nothing in here may wait."""
        try:
            data = self._socket.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lose()
        elif self.is_open:
            try:
                self._protocol.receive_data(data)
                for event in self._protocol.events():
                    self._take(event)
            except LocalProtocolError:
                # More came after it had said that it leaves.
                self._lose()

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            self._length += len(event.data)
            if self._length > self._limit:
                self.close(CloseReason.MESSAGE_TOO_BIG, "Message is too big")
                return
            # Empty ones cost nobody anything but us.
            if event.data:
                self._pieces.append(
                    event.data if isinstance(event.data, str) else bytes(event.data)
                )
            empty = "" if isinstance(event, TextMessage) else b""
            if event.message_finished:
                self._hear(empty.join(self._pieces))  # type: ignore[arg-type]
                self._pieces, self._length = [], 0
            elif len(self._pieces) >= PIECES:
                self._pieces = [empty.join(self._pieces)]  # type: ignore[arg-type]
        elif isinstance(event, Ping):
            self._answer(event.response())
        elif isinstance(event, CloseConnection):
            # Said by the other side, or what is wrong with what it says.
            self.close(event.code)
        elif not isinstance(event, Pong):
            log.warning("A websocket got %s", type(event).__name__)

    def _hear(self, message: str | bytes | None) -> None:
        self._heard.append(message)
        if len(self._heard) >= QUEUE:
            self._reader.stop()
        if not self._is_busy:
            self._is_busy = True
            gevent.spawn(self._work)

    def _work(self) -> None:
        """Hand over what was heard, one after the other."""
        while self._heard:
            message = self._heard.popleft()
            try:
                if message == _PONG:
                    self._listener(message)
                else:
                    with _turns:
                        self._listener(message)
            except Exception:
                log.exception("A message on a websocket could not be worked on")
                self.close(CloseReason.INTERNAL_ERROR)
            if self.is_open and len(self._heard) < QUEUE:
                self._reader.start(self._read)
        self._is_busy = False

    def _answer(self, event: Event) -> None:
        try:
            self._send(self._protocol.send(event))
        except LocalProtocolError:
            # Both sides closed it at the same time, or the other side broke the rules.
            return

    def _send(self, data: bytes) -> None:
        if self._backlog:
            self._backlog += data
            if len(self._backlog) > BACKLOG:
                self._lose()
            return
        sent = self._try_to_send(data)
        if sent < len(data):
            self._backlog = data[sent:]
            if self._writer is None:
                self._writer = gevent.get_hub().loop.io(self._socket.fileno(), _WRITABLE)
            self._writer.start(self._write)

    def _write(self) -> None:
        """Send more of what waits; called by the loop."""
        self._backlog = self._backlog[self._try_to_send(self._backlog) :]
        if not self._backlog and self._writer:
            self._writer.stop()
            if not self.is_open:
                shut(self._socket, socket.SHUT_WR)

    def _try_to_send(self, data: bytes) -> int:
        """Send as much as can be sent at once; all is gone where nobody reads it any more."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self._lose()
            return len(data)

    def _lose(self) -> None:
        """The other side is gone, or is to be."""
        if self.is_open:
            self.is_open = False
            self._hear(None)
        self._let_go()

    def _let_go(self) -> None:
        for watcher in (self._reader, self._writer, self._goodbye):
            if watcher is not None:
                watcher.stop()
                watcher.close()
        self._writer = self._goodbye = None
        self._reader = _NOTHING
        self._backlog = b""
        self._socket.close()
        act, self._at_end = self._at_end, None
        if act:
            act()


class _Nothing:
    """In the place of a watcher of what is closed."""

    def start(self, _callback: Callable[[], None]) -> None:
        """Watch nothing."""

    def stop(self) -> None:
        """Watch nothing any more."""

    def close(self) -> None:
        """There is nothing to close."""


_NOTHING = _Nothing()
