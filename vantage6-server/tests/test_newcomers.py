"""A listener that stops loses nobody who has come before."""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from vantage6.server.serve import bind
from vantage6.server.serving.newcomers import keep_off

# As long as a dropped newcomer is waited for; it would try again after a second.
SHORT = 0.3


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with bind(request.param, 0) as made:
        yield made


def connect(listener: socket.socket, seconds: float = 20) -> socket.socket:
    return socket.create_connection(listener.getsockname()[:2], timeout=seconds)


def test_who_has_come_is_still_accepted_and_heard(listener: socket.socket) -> None:
    with closing(connect(listener)) as client:
        assert keep_off(listener)
        client.sendall(b"a request")
        accepted, _ = listener.accept()
        with closing(accepted):
            assert accepted.recv(100) == b"a request"
            accepted.sendall(b"an answer")
            assert client.recv(100) == b"an answer"


def test_nobody_else_comes(listener: socket.socket) -> None:
    assert keep_off(listener)
    with pytest.raises(TimeoutError):
        connect(listener, SHORT)


def test_who_was_kept_off_is_refused_once_it_is_closed(listener: socket.socket) -> None:
    assert keep_off(listener)
    with closing(socket.socket(listener.family)) as client:
        client.setblocking(False)
        client.connect_ex(listener.getsockname()[:2])
        address = listener.getsockname()[:2]
        listener.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address)
