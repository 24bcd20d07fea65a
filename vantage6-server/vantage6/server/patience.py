"""How long we listen to somebody who has not said yet what he wants: each keeps a thread."""

import socket
import threading
import time
from typing import Any

# A head, or a body that is small, comes in one piece unless somebody wants to keep us waiting.
SECONDS = 15.0
# More than these at once are not listened to for so long.
MOST = 500
SECONDS_IN_A_CROWD = 1.0
SMALL_BODY = 128 * 1024
LOOK_SECONDS = 0.5
GOODBYE_SECONDS = 2.0


class Patience:
    """The connections on which a request is still on its way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The one that began first comes first.
        self._since: dict[socket.socket, float] = {}

    def start(self) -> None:
        """Watch the connections, in a thread of its own."""
        threading.Thread(target=self._watch, name="patience", daemon=True).start()

    def begin(self, connection: socket.socket) -> None:
        """Somebody begins to speak."""
        with self._lock:
            self._since[connection] = time.monotonic()

    def end(self, connection: socket.socket) -> None:
        """He has said it all, or is gone."""
        with self._lock:
            self._since.pop(connection, None)

    def check(self, now: float) -> None:
        """Cut off who takes too long; reading from such a connection ends at once."""
        with self._lock:
            for rank, (connection, since) in enumerate(list(self._since.items())):
                is_crowded = len(self._since) - rank > MOST
                if now - since < (SECONDS_IN_A_CROWD if is_crowded else SECONDS):
                    return
                _cut_off(connection)

    def _watch(self) -> None:
        while True:
            time.sleep(LOOK_SECONDS)
            self.check(time.monotonic())


class Body:
    """The small body of a request, during which the connection is still being listened to."""

    def __init__(self, body: Any, length: int, patience: Patience, connection: socket.socket):
        self._body, self._left = body, length
        self._patience, self._connection = patience, connection

    def read(self, size: int | None = None) -> bytes:
        """Read as from the body itself."""
        data: bytes = self._body.read(size)
        self._left -= len(data)
        if not data or self._left <= 0:
            self._patience.end(self._connection)
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def say_goodbye(connection: socket.socket) -> None:
    """End a connection, and give the other side a moment to read all that we said.

    What it still sends is thrown away: with unread data in it, closing would take our last words
    back. The socket itself stays open, to be closed by its owner at once.
    """
    end = time.monotonic() + GOODBYE_SECONDS
    try:
        connection.shutdown(socket.SHUT_WR)
        while (left := end - time.monotonic()) > 0:
            connection.settimeout(left)
            if not connection.recv(4096):
                return
    except OSError:
        # It is gone, or says no more.
        pass
    _cut_off(connection)


def _cut_off(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        # It went by itself, which is as good.
        return
