"""The session of algorithm containers, against a real HTTP server."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vantage6.common.client.plain_session import PlainSession
from vantage6.common.client.transport import Transport
from vantage6.common.exceptions import NotFound, ServerUnreachable

TIMEOUT = (5.0, 5.0)


class Echo(BaseHTTPRequestHandler):
    """Answers with what it was asked; the first part of the path tells how."""

    protocol_version = "HTTP/1.1"

    def handle_one(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.startswith("/silence"):
            self.server.release.wait(10)
            self.close_connection = True
            return
        asked = {
            "method": self.command,
            "path": self.path,
            "token": self.headers.get("Authorization"),
            "body": json.loads(body) if body else None,
            "peer": self.client_address[1],
        }
        content = b"<html>" if self.path.startswith("/page") else json.dumps(asked).encode()
        self.send_response(404 if self.path.startswith("/missing") else 200)
        short = 5 if self.path.startswith("/broken") else 0
        self.send_header("Content-Length", str(len(content) + short))
        self.end_headers()
        self.wfile.write(content)
        # Without an announcement: the client learns of it from the connection only.
        self.close_connection = self.path.startswith(("/closing", "/broken"))
        if self.close_connection:
            self.connection.shutdown(1)
            self.server.closed.set()

    do_GET = do_POST = handle_one  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        server.release, server.closed = threading.Event(), threading.Event()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def url(server):
    return f"http://127.0.0.1:{server.server_port}"


@pytest.fixture
def session():
    session = PlainSession()
    yield session
    session.close()


def test_what_is_sent_arrives(session, url):
    answer = session.request(
        "POST",
        f"{url}/a/b?x=1",
        headers={"Authorization": "Bearer t"},
        json={"ä": [1]},
        params={"include": ["results", "metadata"], "none": None, "name": "a b"},
        timeout=TIMEOUT,
    )
    asked = answer.json()
    assert answer.status_code == 200
    assert asked["path"] == "/a/b?x=1&include=results&include=metadata&name=a+b"
    assert (asked["method"], asked["token"], asked["body"]) == ("POST", "Bearer t", {"ä": [1]})


def test_one_connection_serves_many_calls(session, url):
    peers = {session.request("GET", url, timeout=TIMEOUT).json()["peer"] for _ in range(3)}
    assert len(peers) == 1


def test_a_connection_that_the_server_closed_is_made_anew(session, server, url):
    first = session.request("GET", f"{url}/closing", timeout=TIMEOUT).json()
    server.closed.wait(5)
    second = session.request("POST", f"{url}/again", json={}, timeout=TIMEOUT).json()
    assert first["peer"] != second["peer"]


def test_a_refusal_is_raised_by_the_transport(session, url):
    with pytest.raises(NotFound):
        Transport(url, session).call("get", "missing")


def test_an_answer_that_is_a_page_is_not_json(session, url):
    answer = session.request("GET", f"{url}/page", timeout=TIMEOUT)
    assert answer.text == "<html>"
    with pytest.raises(ValueError, match="Expecting value"):
        answer.json()


@pytest.mark.parametrize("path", ["/silence", "/broken"])
def test_no_whole_answer_is_no_answer(session, url, path):
    with pytest.raises(ServerUnreachable):
        Transport(url, session).call("get", path, read_timeout=0.2)


def test_nobody_there_is_no_answer(session):
    with pytest.raises(ServerUnreachable, match="refused"):
        Transport("http://127.0.0.1:1", session).call("get", "task/1")
