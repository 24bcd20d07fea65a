"""The socket for events: what is closed stays closed, and what fails leaves nothing open."""

import base64
import gc
import hashlib
import json
import socket
import threading
import warnings
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from vantage6.common.client.socket import TaskSocket
from vantage6.common.exceptions import ServerUnreachable


@pytest.fixture
def listener():
    """A server that never answers; whoever comes is counted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture
def tokens():
    return []


@pytest.fixture
def task_socket(listener, tokens):
    def token():
        tokens.append("a token")
        return tokens[-1]

    return TaskSocket(f"http://127.0.0.1:{listener.getsockname()[1]}", token, {})


def test_an_attempt_that_begins_while_it_is_closed_ends_without_asking_for_anything(
    task_socket, listener, tokens
):
    """The library begins it on a thread of its own, which the closing one may not see yet."""
    client = task_socket._client
    client.connection_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client.connection_headers = task_socket._headers
    client.connection_namespaces = ["/tasks"]
    client.reconnection_delay, client.randomization_factor = 0.01, 0
    task_socket.close()
    late = threading.Thread(target=client._handle_reconnect)
    late.start()
    late.join(60)
    assert not late.is_alive()
    assert tokens == []
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_one_that_was_closed_connects_no_more(task_socket, tokens):
    task_socket.close()
    with pytest.raises(ServerUnreachable, match="closed on our side"):
        task_socket.connect()
    assert tokens == []


class Turning(BaseHTTPRequestHandler):
    """A server that lets everybody in, and answers a websocket with what it was told to."""

    protocol_version = "HTTP/1.1"
    greeting = {"sid": "s", "upgrades": ["websocket"], "pingInterval": 25000, "pingTimeout": 20000}
    magic = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

    def do_GET(self):
        if self.headers.get("Upgrade") == "websocket":
            accept = hashlib.sha1((self.headers["Sec-WebSocket-Key"] + self.magic).encode())
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.send_header("Sec-WebSocket-Accept", base64.b64encode(accept.digest()).decode())
            self.end_headers()
            self.wfile.write(self.server.answer)
            self.close_connection = True
        else:
            content = b"0" + json.dumps(self.greeting).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(content)

    def do_POST(self):
        """What is sent after a turned-away websocket is not asked for."""
        self.send_error(400)

    def log_message(self, *_):
        pass


@pytest.fixture
def turning():
    with HTTPServer(("127.0.0.1", 0), Turning) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "answer", [b"\x88\x00", b"", b"\x81\x016"], ids=["farewell", "end", "else"]
)
def test_a_websocket_that_is_turned_away_is_closed(turning, answer, monkeypatch):
    """The library forgets it."""
    turning.answer = answer
    monkeypatch.setattr("vantage6.common.client.socket._CONNECT_TIMEOUT", 0.1)
    task_socket = TaskSocket(f"http://127.0.0.1:{turning.server_port}", lambda: "a token", {})
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", ResourceWarning)
        with pytest.raises(ServerUnreachable):
            task_socket.connect()
        task_socket.close()
        del task_socket
        gc.collect()
    assert not [str(one.message) for one in warned]
