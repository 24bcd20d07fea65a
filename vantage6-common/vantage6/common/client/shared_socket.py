"""A connection that one thread may close while others read from it and write to it.

OpenSSL knows a connection by the number that the system gave it. Where it is closed while another
thread waits to read from it, the number may be that of a file by the time that the other goes on:
it reads from that file, finds no TLS in it, and writes into it to say so, which destroys it.
"""

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any


class SharedSocket:
    """A socket that ends at once when it is closed, and gives its number back when all have left.

    Parameters
    ----------
    own : socket
        Used through this object alone from now on.
    """

    def __init__(self, own: socket.socket) -> None:
        self._own, self._lock = own, threading.Lock()
        self._users, self._closed = 0, False

    def recv(self, size: int) -> bytes:
        """Receive; nothing comes any more once it is closed."""
        with self._in_use():
            return self._own.recv(size)

    def send(self, data: bytes) -> int:
        """Send, and say how much of it."""
        with self._in_use():
            return self._own.send(data)

    def close(self) -> None:
        """End it in both directions, which wakes whoever waits; the last to leave closes it."""
        with self._lock:
            self._closed = True
            is_unused = not self._users
        # It may be gone, or never have come about.
        with suppress(OSError):
            self._own.shutdown(socket.SHUT_RDWR)
        if is_unused:
            self._own.close()

    @contextmanager
    def _in_use(self) -> Iterator[None]:
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                is_last = self._closed and not self._users
            if is_last:
                self._own.close()

    def __getattr__(self, name: str) -> Any:
        # What neither reads nor writes: timeouts, and the number to wait for.
        return getattr(self._own, name)
