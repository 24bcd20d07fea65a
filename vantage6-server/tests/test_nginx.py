"""The documented nginx in front of a real server, with TLS and an authority of our own."""

import http.client
import json
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clients import bearer
from served import API_KEY, LOOPBACK, Served, run, write_config, write_import
from sockets import PATIENCE, Listener

from development import nginx
from development.certificates import make_certificate
from development.nginx import NGINX
from development.ports import free_port
from vantage6.server.app import SECURITY_HEADERS

# Any address of loopback can call; the proxy itself uses the first.
CALLER = "127.0.0.2"
MEGABYTE = 1024**2


@dataclass(frozen=True)
class Front:
    """nginx and the server behind it."""

    port: int
    plain_port: int
    authority: Path
    server: Served
    audit_file: Path

    @property
    def url(self) -> str:
        """The address for the outside."""
        return f"https://{LOOPBACK}:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> "Answer":
        """Ask through nginx, from `CALLER`."""
        connection = http.client.HTTPSConnection(
            LOOPBACK,
            self.port,
            timeout=PATIENCE,
            source_address=(CALLER, 0),
            context=ssl.create_default_context(cafile=self.authority),
        )
        data = None if body is None else json.dumps(body)
        with closing(connection):
            connection.request(method, path, data, {"Content-Type": "application/json", **headers})
            with connection.getresponse() as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())

    def token(self, username: str = "root", password: str = "root", **headers: str) -> str:
        """Log in through nginx."""
        body = {"username": username, "password": password}
        token: str = self.ask("POST", "/api/token/user", body, **headers).json()["access_token"]
        return token


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body, read."""
        return json.loads(self.body)


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    if NGINX.obstacle():
        pytest.skip(NGINX.obstacle())
    folder = tmp_path_factory.mktemp("front")
    config = write_config(folder, trusted_proxies=[LOOPBACK], max_body_size=4 * MEGABYTE)
    assert run("import", "--config", config, write_import(folder)).returncode == 0
    files = make_certificate(folder, LOOPBACK)
    port, plain_port = free_port(), free_port()
    with Served("--config", config) as server:
        adapted = nginx.documented(port, plain_port, int(server.port), files=files)
        with nginx.running(adapted, folder, port):
            audit_file = folder / "log" / "server.audit.log"
            yield Front(port, plain_port, files.authority, server, audit_file)


def test_requests_pass_with_the_headers_of_the_server(front: Front) -> None:
    answer = front.ask("GET", "/api/organization", Authorization=f"Bearer {front.token()}")
    assert answer.status == 200
    assert answer.headers.items() >= SECURITY_HEADERS.items()
    assert {"total-count", "Link", "X-Request-ID"} <= answer.headers.keys()


def test_without_tls_one_is_sent_to_it(front: Front) -> None:
    with closing(http.client.HTTPConnection(LOOPBACK, front.plain_port, timeout=PATIENCE)) as plain:
        plain.request("GET", "/api/version")
        with plain.getresponse() as answer:
            assert answer.status == 301
            assert answer.headers["Location"] == f"https://{LOOPBACK}/api/version"


@pytest.mark.parametrize("said", [None, "203.0.113.9", "203.0.113.9, 127.0.0.1"])
def test_the_server_sees_who_calls_whatever_he_says(front: Front, said: str | None) -> None:
    front.token(**({"X-Forwarded-For": said} if said else {}))
    last = json.loads(front.audit_file.read_text(encoding="utf-8").splitlines()[-1])
    assert (last["action"], last["address"]) == ("login", CALLER)


def test_who_is_not_the_proxy_is_not_believed(front: Front) -> None:
    connection = http.client.HTTPConnection(
        LOOPBACK, int(front.server.port), timeout=PATIENCE, source_address=(CALLER, 0)
    )
    with closing(connection):
        body = json.dumps({"username": "root", "password": "root"})
        headers = {"Content-Type": "application/json", "X-Forwarded-For": "203.0.113.9"}
        connection.request("POST", "/api/token/user", body, headers)
        with connection.getresponse() as answer:
            assert answer.status == 200
    last = json.loads(front.audit_file.read_text(encoding="utf-8").splitlines()[-1])
    assert last["address"] == CALLER


def test_sockets_become_websockets(front: Front) -> None:
    listener = Listener(front.url, front.token(), authority=front.authority)
    assert listener.client.transport() == "websocket"
    assert listener.call("join_room", "all_users") is None
    listener.close()


def test_a_socket_may_poll(front: Front) -> None:
    token = front.token()
    listener = Listener(front.url, token, authority=front.authority, transport="polling")
    assert listener.call("join_room", "all_users") is None
    listener.close()


def test_a_page_of_the_same_origin_may_connect(front: Front) -> None:
    # So the server knows by which scheme and name it was called.
    token = front.token()
    Listener(front.url, token, authority=front.authority, origin=front.url).close()


def test_a_request_that_waits_is_answered_when_its_task_ends(front: Front) -> None:
    token = front.token()
    node = front.server.post("token/node", {"api_key": API_KEY})
    with ThreadPoolExecutor(1) as pool:
        path = "/api/task/1?wait=60"
        waiting = pool.submit(front.ask, "GET", path, Authorization=f"Bearer {token}")
        body = {"status": "crashed", "log": "it ended", "finished_at": "2026-11-21T00:00:00"}
        headers = bearer(node.json()["access_token"])
        ended = front.server.patch("result/1", body, headers=headers)
        assert ended.status_code == 200, ended.text
        assert waiting.result().json()["status"] == "crashed"


@pytest.mark.parametrize(("megabytes", "status"), [(3, 201), (5, 413)])
def test_a_large_body_may_be_as_large_as_the_server_says(
    front: Front, megabytes: int, status: int
) -> None:
    task = {
        "name": "large",
        "image": "registry.example/algorithm:1",
        "collaboration_id": 1,
        "organizations": [{"id": 2, "input": "A" * megabytes * MEGABYTE}],
    }
    token = front.token("ada", "Lovelace-1")
    answer = front.ask("POST", "/api/task", task, Authorization=f"Bearer {token}")
    assert answer.status == status, answer.body
