"""Nobody keeps the server from the others: not by silence, not by talking, not by waiting."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import simple_websocket
from clients import Login, access_token
from factories import Factory
from flask import Flask
from served import LOOPBACK, Served, write_config
from socketio.exceptions import ConnectionError as SocketError
from sockets import PATIENCE, Listener, serving

from vantage6.server import patience, transport, websocket
from vantage6.server.exceptions import TooManyRequests
from vantage6.server.model import User
from vantage6.server.patience import Body, Patience, say_goodbye
from vantage6.server.permission.catalogue import Kind
from vantage6.server.permission.identity import ContainerRun, Identity
from vantage6.server.service import turns
from vantage6.server.service.turns import Turns

HANDSHAKE = "socket.io/?EIO=4&transport=polling"


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a connection: ours and theirs."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serving(app) as url:
        yield url


def user(id_: int, run: ContainerRun | None = None) -> Identity:
    kind = Kind.CONTAINER if run else Kind.USER
    return Identity(kind, id_, organization_id=1, rules=frozenset(), run=run)


class TestPatience:
    def test_it_ends(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        watch, began = Patience(), time.monotonic()
        watch.begin(ours)
        watch.check(began + patience.SECONDS - 1)
        theirs.send(b"G")
        assert ours.recv(10) == b"G"
        watch.check(time.monotonic() + patience.SECONDS)
        assert ours.recv(10) == b""

    def test_who_has_said_it_all_may_wait(self, pair: tuple[socket.socket, socket.socket]) -> None:
        ours, theirs = pair
        watch = Patience()
        watch.begin(ours)
        watch.end(ours)
        watch.check(time.monotonic() + patience.SECONDS)
        theirs.send(b"more")
        assert ours.recv(10) == b"more"

    def test_it_ends_sooner_in_a_crowd(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(patience, "MOST", 1)
        watch = Patience()
        with ExitStack() as stack:
            ours, theirs = zip(*(socket.socketpair() for _ in range(3)), strict=True)
            for end in (*ours, *theirs):
                stack.enter_context(end)
            for end in ours:
                watch.begin(end)
            watch.check(time.monotonic() + patience.SECONDS_IN_A_CROWD)
            theirs[-1].send(b"still here")
            assert [end.recv(20) for end in ours] == [b"", b"", b"still here"]

    def test_a_small_body_is_part_of_what_is_waited_for(
        self, pair: tuple[socket.socket, socket.socket]
    ) -> None:
        ours, theirs = pair
        watch = Patience()
        watch.begin(ours)
        with ours.makefile("rb") as stream:
            body = Body(stream, 4, watch, ours)
            theirs.send(b"four")
            assert body.read(2) == b"fo"
            assert watch._since
            assert body.read(2) == b"ur"
            assert not watch._since

    def test_a_goodbye_does_not_last(
        self, pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(patience, "GOODBYE_SECONDS", 0.01)
        ours, theirs = pair
        ours.send(b"the answer")
        theirs.send(b"something else")
        say_goodbye(ours)
        assert theirs.recv(20) == b"the answer"
        # Whoever closes it finds that there is nothing more to wait for.
        ours.settimeout(PATIENCE)
        assert ours.recv(1) == b""


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


class TestTransports:
    def test_few_may_be_open_without_a_login(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_TRANSPORTS", 1)
        assert requests.get(f"{url}/{HANDSHAKE}", timeout=PATIENCE).status_code == 200
        assert requests.get(f"{url}/{HANDSHAKE}", timeout=PATIENCE).status_code == 503

    def test_those_in_use_do_not_count(
        self, app: Flask, url: str, root: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "IDLE_TRANSPORTS", 1)
        with app.app_context():
            listener = Listener(url, access_token(root))
        assert requests.get(f"{url}/{HANDSHAKE}", timeout=PATIENCE).status_code == 200
        listener.close()

    def test_one_has_few_requests_at_the_same_time(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(transport, "REQUESTS_AT_ONCE", 0)
        answer = requests.get(f"{url}/{HANDSHAKE}&sid=any", timeout=PATIENCE)
        assert answer.status_code == 503

    def test_a_message_cannot_be_long(self, url: str) -> None:
        address = url.replace("http", "ws")
        client = simple_websocket.Client(f"{address}/socket.io/?EIO=4&transport=websocket")
        client.receive(timeout=PATIENCE)
        client.send("4" * (transport.MESSAGE_LIMIT + 1))
        with pytest.raises(simple_websocket.ConnectionClosed) as closed:
            client.receive(timeout=PATIENCE)
        assert closed.value.message == "Message is too big"

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
