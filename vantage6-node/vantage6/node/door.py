"""Speaks HTTP/1.1 with one container over a Unix socket; what is said is up to the proxy."""

import logging
import re
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from vantage6.common.client.large import Body
from vantage6.node import unix_socket
from vantage6.node.globals import SOCKET_NAME

# One container with more connections than this is up to no good.
_MOST_CONNECTIONS = 32
# No server takes more. Of the large ones a container has but one in our memory at a time.
_LARGEST_BODY = 2**30
_LARGE_BODY = 8 * 2**20
_LENGTH = re.compile("[0-9]{1,12}")
_PAUSE = 0.1
_PATIENCE = 60.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """What a container asks.

    Attributes
    ----------
    reserve : callable
        Waits until an answer of this many bytes may be in our memory; False when in vain.
    later : callable
        Given what is to be called once the answer has left.
    """

    method: str
    path: str
    query: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    reserve: Callable[[int], bool] = field(default=lambda size: True, repr=False, compare=False)
    later: Callable[[Callable[[], None]], None] = field(
        default=lambda end: None, repr=False, compare=False
    )


@dataclass(frozen=True)
class Answer:
    """What it gets."""

    status: int
    body: bytes | Body = b""
    headers: dict[str, str] = field(default_factory=dict)


class Door:
    """Listens on a Unix socket in a folder until it is closed.

    Parameters
    ----------
    folder : Path
        Whoever owns it may connect.
    answer : callable
        From calls to answers; called on one thread per connection.

    Attributes
    ----------
    answer : callable
    large_body : RLock
        Held by the one call that may have a large body, or answer, now.
    """

    def __init__(self, folder: Path, answer: Callable[[Call], Answer]) -> None:
        self.answer, self.large_body = answer, threading.RLock()
        self._listener = unix_socket.listen(folder, SOCKET_NAME, _MOST_CONNECTIONS)
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._accept, name="proxy", daemon=True).start()

    def close(self) -> None:
        """Hang up, and let nobody in any more."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for connection in [self._listener, *connections]:
            unix_socket.hang_up(connection)
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                # Out of files, for instance; that of another run must not end this one's door.
                log.warning("A call of a container could not be taken: %s", error)
                time.sleep(_PAUSE)
                continue
            if not self._places.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._speak, args=(connection,), daemon=True).start()

    def _speak(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
            late = self._closed
        try:
            if not late:
                _Conversation(connection, "", self)  # type: ignore[arg-type]
        except OSError as error:
            log.debug("A container hung up: %s", error)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()
            self._places.release()


def _call_later(held: ExitStack, end: Callable[[], None]) -> None:
    held.callback(end)


class _Conversation(BaseHTTPRequestHandler):
    """One connection, with as many calls as the container likes."""

    protocol_version = "HTTP/1.1"
    # Answers leave in one piece
    wbufsize = -1
    # What the library calls the server is the door to us.
    server: Any

    def _serve(self) -> None:
        length = self.headers.get("Content-Length") or "0"
        if "Transfer-Encoding" in self.headers or not _LENGTH.fullmatch(length):
            return self._refuse(HTTPStatus.LENGTH_REQUIRED, "Send the length of the body")
        if int(length) > _LARGEST_BODY:
            return self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "The body is too large")
        try:
            url = urlsplit(self.path)
        except ValueError:
            return self._refuse(HTTPStatus.BAD_REQUEST, "This is no address")
        with ExitStack() as held:
            reserve = partial(self._reserve, held)
            if not reserve(int(length)):
                return self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "One large body at a time")
            call = Call(
                method=self.command,
                path=url.path,
                query=parse_qsl(url.query, keep_blank_values=True),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=self.rfile.read(int(length)),
                reserve=reserve,
                later=partial(_call_later, held),
            )
            return self._reply(self.server.answer(call))

    def _reserve(self, held: ExitStack, size: int) -> bool:
        """Wait for the right to something large, and have it until the answer has left."""
        if size > _LARGE_BODY:
            if not self.server.large_body.acquire(timeout=_PATIENCE):
                return False
            held.callback(self.server.large_body.release)
        return True

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        # The body was not read, so the connection cannot be used any further.
        self.close_connection = True
        self._reply(Answer(status, b'{"msg": "%s"}' % message.encode()))

    def _reply(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            for piece in [answer.body] if isinstance(answer.body, bytes) else answer.body:
                self.wfile.write(piece)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = _serve  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Leave requests to the proxy to log."""

    def version_string(self) -> str:
        """Nobody needs to know which Python the node runs on."""
        return "vantage6-proxy"
