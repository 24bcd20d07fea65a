"""Nobody whom the server names gets what was meant for the server."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from vantage6.common.client.transport import Transport
from vantage6.common.exceptions import ServerError


class Referrer(BaseHTTPRequestHandler):
    """Refers everybody to another path of its own, and remembers what it was asked."""

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append(self.path)
        self.send_response(self.server.status)
        self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_):
        """Nothing is logged."""


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Referrer) as made:
        made.asked = []
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["get", "post"])
def test_a_password_or_token_does_not_follow_a_redirect(server, status, method):
    server.status = status
    transport = Transport(f"http://127.0.0.1:{server.server_port}/api")
    body = {"username": "ada", "password": "s3cret"} if method == "post" else None
    with pytest.raises(ServerError, match="is not followed") as refused:
        transport.call(method, "token/user", token="t", json=body)
    transport.close()
    assert refused.value.status == status
    assert server.asked == ["/api/token/user"]
