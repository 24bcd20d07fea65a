"""A task is created once, even when the connection is cut after the server has done so."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests

from vantage6.client import Client, ordering
from vantage6.common.exceptions import (
    BadRequest,
    ServerUnreachable,
    ServiceUnavailable,
)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(ordering, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(ordering, "LONGEST_PAUSE", 0.001)


@contextmanager
def cutting(port: int, times: int) -> Iterator[int]:
    """A port that leads to another one, but cuts answers to orders of tasks so many times."""
    left = threading.Semaphore(times)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            with near:
                pass_on(near)

    def pass_on(near: socket.socket) -> None:
        request = read_request(near)
        with socket.create_connection(("127.0.0.1", port)) as far:
            far.sendall(request.replace(b"Connection: keep-alive", b"Connection: close"))
            answer = b"".join(iter(lambda: far.recv(65536), b""))
        # The server has committed by now: it answers last of all.
        assert answer.startswith(b"HTTP/1.1 ")
        if not (request.startswith(b"POST /api/task ") and left.acquire(blocking=False)):
            near.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def read_request(near: socket.socket) -> bytes:
    request = b""
    while b"\r\n\r\n" not in request:
        request += near.recv(65536)
    head, _, body = request.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    missing = (int(lengths[0].partition(b":")[2]) if lengths else 0) - len(body)
    while missing > 0:
        piece = near.recv(65536)
        request, missing = request + piece, missing - len(piece)
    return request


@pytest.fixture
def connect(live):
    """A researcher whose first so many orders are answered to nobody."""
    clients = []

    @contextmanager
    def connected(cuts: int, **options) -> Iterator[Client]:
        with cutting(live, cuts) as port, requests.Session() as session:
            session.headers["Connection"] = "close"
            client = Client("http://127.0.0.1", port, session=session, **options)
            client.authenticate("alpha", "Passw0rd!")
            client.setup_encryption(None)
            clients.append(client)
            yield client

    return connected


def order(client, federation):
    return client.task.create(
        federation.collaboration["id"], federation.ids, name="once", image="i", method="m"
    )


@pytest.mark.parametrize("cuts", [0, 1, 3])
def test_a_task_is_made_once_when_the_answer_is_lost(connect, federation, cuts):
    with connect(cuts) as client:
        task = order(client, federation)
        assert [one["id"] for one in client.task.list(name="once")["data"]] == [task["id"]]


def test_two_orders_are_two_tasks(connect, federation):
    with connect(1) as client:
        assert order(client, federation)["id"] != order(client, federation)["id"]
        assert len(client.task.list(name="once")["data"]) == 2


def test_a_server_that_knows_no_keys_is_asked_once(connect, federation, monkeypatch):
    """There a repetition would be a second task."""
    with connect(1) as client:
        send, asked = client.send, []

        def classic(method, endpoint, **call):
            asked.append((method, endpoint))
            return {"version": "3.5.2"} if endpoint == "version" else send(method, endpoint, **call)

        monkeypatch.setattr(client, "send", classic)
        with pytest.raises(ServerUnreachable, match=r"may have been created.*look with task.list"):
            order(client, federation)
        ordered = asked.index(("post", "task"))
        assert asked[ordered:] == [("post", "task"), ("get", "version")]


class Sender:
    """Stands in for a client: each call ends as the script says."""

    def __init__(self, *script, versions=()):
        self.script, self.versions, self.keys, self.asked = list(script), [*versions], [], []
        self.log = Client("http://x", 1).log

    def send(self, method, endpoint, headers=None, **_):
        self.asked.append(endpoint)
        if endpoint == "version":
            if self.versions:
                raise self.versions.pop()
            return {"version": "4", "idempotency_keys": True}
        self.keys.append(headers["Idempotency-Key"])
        answer = self.script.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


LOST = ServerUnreachable("No answer")
AWAY = ServiceUnavailable(503, "Not now")


@pytest.mark.parametrize("error", [LOST, AWAY], ids=["lost", "away"])
def test_every_repetition_carries_the_same_key(error):
    sender = Sender(error, error, {"id": 1})
    assert ordering.order_task(sender, {}) == {"id": 1}
    assert len(set(sender.keys)) == 1
    assert sender.asked == ["task", "version", "task", "version", "task"]


@pytest.mark.parametrize("away", [LOST, AWAY], ids=["lost", "away"])
def test_a_server_that_is_away_when_it_is_asked_what_it_can_do_is_asked_again(away):
    sender = Sender(LOST, {"id": 1}, versions=[away, away])
    assert ordering.order_task(sender, {}) == {"id": 1}
    assert sender.asked == ["task", "version", "version", "version", "task"]


def test_a_refusal_is_not_repeated():
    sender = Sender(BadRequest(400, "No"))
    with pytest.raises(BadRequest):
        ordering.order_task(sender, {})
    assert sender.asked == ["task"]


def test_it_is_not_repeated_for_ever(monkeypatch):
    monkeypatch.setattr(ordering, "PATIENCE", 0)
    with pytest.raises(ServerUnreachable, match=r"No answer\. The task may have been created"):
        ordering.order_task(Sender(LOST), {})


@pytest.mark.parametrize("raises", [True, False])
def test_a_refused_order_is_returned_or_raised_as_wished(federation, raises):
    client = federation.client("alpha", raise_errors=raises)
    client.setup_encryption(None)
    if raises:
        with pytest.raises(BadRequest, match="Not in this collaboration"):
            client.task.create(federation.collaboration["id"], [999], image="i", method="m")
    else:
        answer = client.task.create(federation.collaboration["id"], [999], image="i", method="m")
        assert "Not in this collaboration" in answer["msg"]
