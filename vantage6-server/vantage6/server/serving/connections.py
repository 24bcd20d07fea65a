"""The connections of a server: who waits for us, and for whom we wait.

A connection costs little, but there is a limit to their number. When that comes near, those go
first that have kept us waiting longest: for the head of a request, or for a piece of its body.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent
from gunicorn.http.body import LengthReader

# From here on those are closed that keep us waiting.
CROWD = 3500
# How long the next piece of a body may take to come.
PIECE_SECONDS = 15.0
PIECE = 64 * 1024
GOODBYE_SECONDS = 2.0


class Connections:
    """All open connections."""

    def __init__(self) -> None:
        self._count = 0
        # Those that have not sent a whole head; whoever has been silent longest comes first.
        self._silent: dict[socket.socket, None] = {}
        # Those that are in the middle of a body.
        self._sending: dict[socket.socket, None] = {}
        # Those on which our proxies send the requests of others.
        self._shared: set[socket.socket] = set()
        # Whether those that are silent must go, and whether the shared ones must, too.
        self._is_ending = self._is_over = False

    def open(self, connection: socket.socket, *, is_shared: bool = False) -> None:
        """Somebody connects; when there are too many somebody else must leave."""
        if self._count >= CROWD:
            self._make_room()
        self._count += 1
        self._silent[connection] = None
        if is_shared:
            self._shared.add(connection)

    def close(self, connection: socket.socket) -> None:
        """A connection has ended."""
        self._count -= 1
        self._silent.pop(connection, None)
        self._shared.discard(connection)

    def work(self, connection: socket.socket) -> None:
        """A request is there: it is us who are waited for."""
        self._silent.pop(connection, None)

    def wait(self, connection: socket.socket) -> None:
        """The request is answered: it is us who wait, if there may be another one."""
        self._silent[connection] = None
        self._let_go(connection)

    @contextmanager
    def sending(self, connection: socket.socket) -> Iterator[None]:
        """Wait for a piece of a body meanwhile."""
        self._sending[connection] = None
        try:
            yield
        finally:
            del self._sending[connection]

    def take_last(self) -> None:
        """Take only requests that are here already, and those that proxies send on.

        A proxy may send the request of somebody else in the moment in which we close, and cannot
        know whether it was heeded. It is up to the proxy to close: soon, as nothing keeps it from
        using others.
        """
        self._is_ending = True
        self._let_all_go()

    def take_no_more(self) -> None:
        """Take only requests that are here already."""
        self._is_ending = self._is_over = True
        self._let_all_go()

    def count_shared(self) -> int:
        """How many connections of proxies there are on which no request is being answered."""
        return len(self._shared & self._silent.keys())

    def _let_all_go(self) -> None:
        for connection in list(self._silent):
            self._let_go(connection)

    def _let_go(self, connection: socket.socket) -> None:
        if self._is_over or (self._is_ending and connection not in self._shared):
            shut(connection, socket.SHUT_RD)

    def _make_room(self) -> None:
        waited_for = self._silent or self._sending
        if waited_for:
            longest = next(iter(waited_for))
            shut(longest, socket.SHUT_RDWR)
            # Its turn to leave comes with the others' turns to read.
            self._silent.pop(longest, None)


class Body:
    """The body of a request, of which every piece must come within a reasonable time."""

    def __init__(self, body: Any, connections: Connections, connection: socket.socket) -> None:
        self._body, self._connections, self._connection = body, connections, connection

    def read(self, size: int | None = None) -> bytes:
        """Read as from the body itself; what comes too slowly ends early."""
        pieces: list[memoryview] = []
        while size is None or size > 0:
            piece = memoryview(bytearray(PIECE if size is None else min(size, PIECE)))
            count = self._fill(piece)
            if not count:
                break
            pieces.append(piece[:count])
            if size is not None:
                size -= count
        return b"".join(pieces)

    def readinto(self, target: bytearray | memoryview) -> int:
        """Fill memory with what comes; less at the end of the body, or when it comes too slowly."""
        view, count = memoryview(target), 0
        with suppress(ConnectionError):
            while count < len(view) and (got := self._fill(view[count:])):
                count += got
        return count

    def _fill(self, target: memoryview) -> int:
        """Fill memory with what comes, and with a piece at least unless it has less room."""
        count = 0
        with self._patience():
            if self._is_of_known_length:
                while count < min(len(target), PIECE) and (got := self._receive(target[count:])):
                    count += got
            else:
                some = self._body.read(min(len(target), PIECE))
                count = len(some)
                target[:count] = some
        return count

    def _receive(self, target: memoryview) -> int:
        """Receive what is there, past the library's buffers, which copy it again and again."""
        reader, unreader = self._body.reader, self._body.reader.unreader
        target = target[: reader.length]
        if unreader.buf.getbuffer().nbytes:
            held = unreader.read()
            count = min(len(held), len(target))
            target[:count] = held[:count]
            # Of the next request.
            unreader.unread(held[count:])
        else:
            count = unreader.sock.recv_into(target) if target else 0
        reader.length -= count
        return count

    @contextmanager
    def _patience(self) -> Iterator[None]:
        """Wait for a piece meanwhile, but not for ever."""
        is_over = True
        with self._connections.sending(self._connection), gevent.Timeout(PIECE_SECONDS, False):
            yield
            is_over = False
        if is_over:
            # What it still sends must not be taken for another request.
            shut(self._connection, socket.SHUT_RDWR)

    @property
    def _is_of_known_length(self) -> bool:
        # Those of the library have a reader and a buffer before it.
        reader = getattr(self._body, "reader", None)
        return isinstance(reader, LengthReader) and not self._body.buf.tell()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._body, name)


def say_goodbye(connection: socket.socket) -> None:
    """End a connection, and give the other side a moment to read all that we said.

    What it still sends is thrown away: with unread data in it, closing would take our last words
    back. The socket itself stays open, to be closed by its owner at once.
    """
    shut(connection, socket.SHUT_WR)
    with gevent.Timeout(GOODBYE_SECONDS, False):
        try:
            while connection.recv(4096):
                pass
        except OSError:
            # It is gone, which is as good.
            return


def shut(connection: socket.socket, how: int) -> None:
    """Shut a connection in one direction or both; one that is gone already is left alone."""
    try:
        connection.shutdown(how)
    except OSError:
        # It went by itself, which is as good.
        return
