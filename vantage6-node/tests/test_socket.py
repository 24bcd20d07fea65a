"""The listener, with a connection that a test holds in its hands."""

import queue
from types import SimpleNamespace

import pytest

from vantage6.common.exceptions import ServerUnreachable
from vantage6.node import socket as module
from vantage6.node.socket import NewTask, RunsKilled, SocketDown, SocketListener, SocketUp

SECONDS = 30


class FakeSocket:
    """Stands in for the connection; every attempt is told to the test."""

    attempts: queue.SimpleQueue
    faults: list

    def __init__(self, url, token, handlers, *, on_disconnect, reconnect, session):
        assert not reconnect
        assert session == "session"
        self.url, self.token = url, token()
        self.handlers, self.lose = handlers, on_disconnect
        self.closed = False

    def connect(self):
        if self.faults:
            raise self.faults.pop(0)
        self.attempts.put(self)

    def close(self):
        self.closed = True


class NoPause:
    def __init__(self, **_):
        pass

    def pause(self):
        return 0.0

    def reset(self):
        pass


@pytest.fixture
def told():
    return queue.SimpleQueue()


@pytest.fixture
def server():
    renewed = []
    return SimpleNamespace(
        url="http://server.test",
        renewed=renewed,
        renew_token=renewed.append,
        socket_session=lambda: "session",
        fresh_token=lambda: f"token-{len(renewed)}",
    )


@pytest.fixture
def listener(monkeypatch, server, told):
    monkeypatch.setattr(module, "TaskSocket", FakeSocket)
    monkeypatch.setattr(module, "Backoff", NoPause)
    FakeSocket.attempts, FakeSocket.faults = queue.SimpleQueue(), []
    listener = SocketListener(server, told.put)
    yield listener
    listener.close()


def connection():
    return FakeSocket.attempts.get(timeout=SECONDS)


def test_news_reach_the_queue(listener, told):
    listener.start()
    connected = connection()
    assert told.get(timeout=SECONDS) == SocketUp()
    connected.handlers["new_task"](5)
    assert told.get(timeout=SECONDS) == NewTask(5)
    connected.handlers["new_task"]("nonsense")
    connected.handlers["kill_containers"]({"kill_list": [{"result_id": 7}, {"result_id": "x"}, 8]})
    assert told.get(timeout=SECONDS) == RunsKilled(frozenset({7}))
    for nonsense in ("nonsense", {}, {"kill_list": None}):
        connected.handlers["kill_containers"](nonsense)
        assert told.get(timeout=SECONDS) == RunsKilled(frozenset())
    listener.close()
    assert told.get(timeout=SECONDS) == SocketDown()
    assert connected.closed


def test_a_lost_connection_is_made_anew(listener, told):
    listener.start()
    connection().lose()
    second = connection()
    assert [told.get(timeout=SECONDS) for _ in range(3)] == [SocketUp(), SocketDown(), SocketUp()]
    assert not second.closed


def test_a_connection_that_fails_is_tried_again(listener, told):
    FakeSocket.faults = [ServerUnreachable("no"), ServerUnreachable("no")]
    listener.start()
    connection()
    assert told.get(timeout=SECONDS) == SocketUp()


def test_an_expired_token_leads_to_a_new_one(listener, server):
    listener.start()
    first = connection()
    first.handlers["expired_token"]("")
    second = connection()
    assert server.renewed == ["token-0"]
    assert (first.token, second.token) == ("token-0", "token-1")
