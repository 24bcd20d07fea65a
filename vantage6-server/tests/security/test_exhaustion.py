"""Nobody keeps the server from the others: not by silence, not by talking, not by waiting."""

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import gevent.socket
import pytest
import requests
import simple_websocket
from clients import LoggedIn, Login, access_token
from factories import Factory
from flask import Flask
from served import LOOPBACK, Served, write_config
from socketio.exceptions import ConnectionError as SocketError
from sockets import PATIENCE, Listener, read_to_the_end, serving
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection

from vantage6.server import transport, websocket
from vantage6.server.exceptions import TooManyRequests
from vantage6.server.model import User
from vantage6.server.permission.catalogue import Kind
from vantage6.server.permission.identity import ContainerRun, Identity
from vantage6.server.resource import base as resource
from vantage6.server.schema import base
from vantage6.server.service import turns
from vantage6.server.service.turns import Turns
from vantage6.server.serving import connections
from vantage6.server.serving.connections import Body, Connections, say_goodbye

Pair = tuple[gevent.socket.socket, gevent.socket.socket]
HANDSHAKE = "socket.io/?EIO=4&transport=polling"


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two ends of a connection: ours and theirs."""
    ours, theirs = gevent.socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def is_open(end: gevent.socket.socket) -> bool:
    """Whether the other end of a connection has not been shut; nothing was sent on it."""
    end.setblocking(False)
    try:
        return bool(end.recv(1))
    except BlockingIOError:
        return True


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serving(app) as url:
        yield url


def shake_hands(url: str) -> str:
    """Open a transport; its id."""
    answer = requests.get(f"{url}/{HANDSHAKE}", timeout=PATIENCE)
    assert answer.status_code == 200
    sid: str = json.loads(answer.text[1:])["sid"]
    return sid


def greet(url: str, sid: str) -> int:
    """Say something harmless on a transport; the status of the answer."""
    return requests.post(f"{url}/{HANDSHAKE}&sid={sid}", "3", timeout=PATIENCE).status_code


def user(id_: int, run: ContainerRun | None = None) -> Identity:
    kind = Kind.CONTAINER if run else Kind.USER
    return Identity(kind, id_, organization_id=1, rules=frozenset(), run=run)


class TestConnections:
    @pytest.fixture
    def pairs(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Pair]]:
        """Three connections, which are one more than are welcome."""
        monkeypatch.setattr(connections, "CROWD", 2)
        with ExitStack() as stack:
            pairs = [gevent.socket.socketpair() for _ in range(3)]
            for end in chain(*pairs):
                stack.enter_context(end)
            yield pairs

    def test_in_a_crowd_the_longest_silent_one_leaves(self, pairs: list[Pair]) -> None:
        here = Connections()
        for ours, _ in pairs:
            here.open(ours)
        assert [is_open(theirs) for _, theirs in pairs] == [False, True, True]

    def test_who_is_being_answered_stays(self, pairs: list[Pair]) -> None:
        here = Connections()
        for ours, _ in pairs[:2]:
            here.open(ours)
        here.work(pairs[0][0])
        here.open(pairs[2][0])
        assert [is_open(theirs) for _, theirs in pairs] == [True, False, True]

    def test_who_was_answered_has_time_for_the_next_request(self, pairs: list[Pair]) -> None:
        here = Connections()
        for ours, _ in pairs[:2]:
            here.open(ours)
        here.work(pairs[0][0])
        here.wait(pairs[0][0])
        here.open(pairs[2][0])
        assert [is_open(theirs) for _, theirs in pairs] == [True, False, True]

    def test_when_all_have_spoken_the_one_with_an_endless_body_leaves(
        self, pairs: list[Pair]
    ) -> None:
        here = Connections()
        for ours, _ in pairs[:2]:
            here.open(ours)
            here.work(ours)
        with here.sending(pairs[1][0]):
            here.open(pairs[2][0])
        assert [is_open(theirs) for _, theirs in pairs] == [True, False, True]

    def test_those_that_left_do_not_count(self, pairs: list[Pair]) -> None:
        here = Connections()
        for ours, _ in pairs[:2]:
            here.open(ours)
        here.close(pairs[1][0])
        here.open(pairs[2][0])
        assert all(is_open(theirs) for _, theirs in pairs)


class TestBody:
    def test_one_that_comes_is_read(self, pair: Pair) -> None:
        ours, theirs = pair
        sent = b"x" * (connections.PIECE + 5)
        sending = gevent.spawn(theirs.sendall, sent + b"the next request")
        with ours.makefile("rb") as stream:
            body = Body(stream, Connections(), ours)
            assert body.read(len(sent)) == sent
        sending.join()

    def test_one_that_does_not_come_ends_the_connection(
        self, pair: Pair, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connections, "PIECE_SECONDS", 0.01)
        ours, theirs = pair
        theirs.send(b"some")
        with ours.makefile("rb") as stream:
            assert Body(stream, Connections(), ours).read(10) == b""
        assert not is_open(theirs)


def test_a_goodbye_does_not_last(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "GOODBYE_SECONDS", 0.01)
    ours, theirs = pair
    ours.send(b"the answer")
    theirs.send(b"something else")
    say_goodbye(ours)
    assert theirs.recv(20) == b"the answer"
    assert theirs.recv(1) == b""


def test_connections_that_are_never_hung_up_do_not_stop_the_server(tmp_path: Path) -> None:
    question = b"GET /api/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with Served("--config", write_config(tmp_path)) as server, ExitStack() as stack:
        address = (LOOPBACK, int(server.port))
        for _ in range(40):
            stack.enter_context(socket.create_connection(address)).sendall(question)
        assert server.get("version").ok
        assert server.terminate() == 0
        assert not [line for line in server.printed if "TIMEOUT" in line]


class TestTurns:
    def test_one_caller_keeps_some_of_the_server_busy(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "REQUESTS_AT_ONCE", 1)
        here = Turns()
        with here.take(user(1)):
            with pytest.raises(TooManyRequests), here.take(user(1)):
                pass
            with here.take(user(2)):
                pass
        with here.take(user(1)):
            pass

    def test_each_run_is_on_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(turns, "REQUESTS_AT_ONCE", 1)
        here = Turns()
        first, second = (user(1, ContainerRun(id_, 1, 1, "image")) for id_ in (1, 2))
        with here.take(first), here.take(second), here.take(user(1)):
            pass

    def test_requests_take_them(
        self, make: Factory, root: User, login_as: Login, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(turns, "REQUESTS_AT_ONCE", 0)
        answer = login_as(root).get("/api/task")
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")


class TestBodies:
    """What takes long to check keeps everybody waiting, and at last ends the process."""

    @pytest.fixture
    def caller(self, make: Factory, login_as: Login) -> LoggedIn:
        return login_as(make.user(role="Researcher"))

    def test_of_one_thing_there_are_only_so_many(self, caller: LoggedIn) -> None:
        parts = [{"id": "x"}] * (base.MOST_ITEMS + 1)
        answer = caller.post("/api/task", json={"collaboration_id": 1, "organizations": parts})
        assert answer.status_code == 400
        assert answer.json["errors"] == {"organizations": ["Too many: 10000 at most."]}

    def test_there_are_only_so_many_fields(self, caller: LoggedIn) -> None:
        answer = caller.post("/api/task", json={f"field{number}": 1 for number in range(1001)})
        assert answer.status_code == 400
        assert answer.json["errors"] == {"_schema": ["Too many fields: 1000 at most."]}

    def test_there_are_only_so_many_values(
        self, caller: LoggedIn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(resource, "VALUES_LIMIT", 10)
        part = {"id": 1, "input": list(range(10))}
        answer = caller.post("/api/task", json={"collaboration_id": 1, "organizations": [part]})
        assert answer.status_code == 400
        assert answer.json["msg"].startswith("The request holds too many values")


class TestTransports:
    def test_few_may_be_open_without_a_login(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_TRANSPORTS", 2)
        first, second, third = (shake_hands(url) for _ in range(3))
        assert [greet(url, sid) for sid in (first, second, third)] == [400, 200, 200]

    def test_a_stranger_keeps_nobody_out(
        self, app: Flask, url: str, root: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_TRANSPORTS", 1)
        shake_hands(url)
        with app.app_context():
            Listener(url, access_token(root)).close()

    def test_a_websocket_that_has_to_go_is_hung_up(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_TRANSPORTS", 1)
        address = url.replace("http", "ws")
        client = simple_websocket.Client(f"{address}/socket.io/?EIO=4&transport=websocket")
        client.receive(timeout=PATIENCE)
        shake_hands(url)
        with pytest.raises(simple_websocket.ConnectionClosed):
            client.receive(timeout=PATIENCE)

    def test_those_in_use_do_not_count(
        self, app: Flask, url: str, root: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_TRANSPORTS", 1)
        with app.app_context():
            listener = Listener(url, access_token(root))
        assert greet(url, shake_hands(url)) == 200
        assert listener.client.connected
        listener.close()

    def test_one_has_few_requests_at_the_same_time(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "REQUESTS_AT_ONCE", 0)
        assert greet(url, shake_hands(url)) == 503

    def test_a_message_cannot_be_long(self, url: str) -> None:
        address = url.replace("http", "ws")
        client = simple_websocket.Client(f"{address}/socket.io/?EIO=4&transport=websocket")
        # At once: the library may miss that it was greeted, and would be idle for too long.
        client.send("4" * (transport.MESSAGE_LIMIT + 1))
        with pytest.raises(simple_websocket.ConnectionClosed) as closed:
            read_to_the_end(client)
        assert closed.value.message == "Message is too big"

    def test_one_that_is_being_closed_can_be_closed_again(self, url: str) -> None:
        address = url.replace("http", "ws")
        client = simple_websocket.Client(f"{address}/socket.io/?EIO=4&transport=websocket")
        client.ws.send(CloseConnection(1000))
        ours = transport._WebSocket(lambda _: None, None)
        ours._socket = client
        ours.close()
        assert client.ws.state is ConnectionState.LOCAL_CLOSING

    def test_one_that_stays_silent_is_ended(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_SECONDS", 0.01)
        address = url.replace("http", "ws")
        client = simple_websocket.Client(f"{address}/socket.io/?EIO=4&transport=websocket")
        client.receive(timeout=PATIENCE)
        with pytest.raises(simple_websocket.ConnectionClosed):
            client.receive(timeout=PATIENCE)

    def test_one_caller_has_some_sockets(
        self, app: Flask, url: str, root: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(websocket, "SOCKETS_EACH", 1)
        with app.app_context():
            token = access_token(root)
        listener = Listener(url, token)
        with pytest.raises(SocketError):
            Listener(url, token)
        listener.close()
