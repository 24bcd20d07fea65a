"""A connection that is closed while others use it: they leave first."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from vantage6.common.client.shared_socket import SharedSocket
from vantage6.common.client.socket import _ClosingWebSocket


class Waits:
    """A socket that is read from until it is told to go on, as OpenSSL is in the middle of it."""

    def __init__(self):
        self.entered, self.leave = threading.Event(), threading.Event()
        self.ended, self.closed = [], []

    def recv(self, _size):
        self.entered.set()
        assert self.leave.wait(60)
        return b"x"

    send = recv

    def shutdown(self, how):
        self.ended.append(how)

    def close(self):
        self.closed.append(True)


@pytest.mark.parametrize("use", ["recv", "send"])
def test_who_is_in_it_leaves_before_its_number_is_given_back(use):
    """Else the number may be that of a database by the time that he goes on."""
    own = Waits()
    shared = SharedSocket(own)
    with ThreadPoolExecutor(1) as executor:
        used = executor.submit(getattr(shared, use), 1)
        assert own.entered.wait(60)
        shared.close()
        shared.close()
        assert (own.ended[:1], own.closed) == ([socket.SHUT_RDWR], [])
        own.leave.set()
        assert used.result(60) == b"x"
    assert own.closed
    with pytest.raises(OSError, match="Bad file descriptor"):
        getattr(shared, use)(1)


def test_who_waits_is_woken():
    near, far = socket.socketpair()
    shared = SharedSocket(near)
    with far, ThreadPoolExecutor(1) as executor:
        waits = executor.submit(shared.recv, 1)
        while not shared._users:
            pass
        shared.close()
        assert waits.result(60) == b""
    assert near.fileno() == -1


def test_one_that_nobody_uses_is_closed_at_once():
    near, far = socket.socketpair()
    with far:
        SharedSocket(near).close()
        assert near.fileno() == -1
        assert far.recv(1) == b""


def test_what_neither_reads_nor_writes_is_that_of_the_socket():
    near, far = socket.socketpair()
    with near, far:
        shared = SharedSocket(near)
        shared.settimeout(5)
        assert (near.gettimeout(), shared.fileno()) == (5, near.fileno())


def test_the_websockets_of_events_are_such():
    near, far = socket.socketpair()
    with near, far:
        websocket = _ClosingWebSocket()
        websocket.sock = near
        assert isinstance(websocket.sock, SharedSocket)
        websocket.shutdown()
        assert websocket.sock is None
        assert near.fileno() == -1
