"""Pages of other origins, in somebody's browser: they get at nothing unless configured."""

from collections.abc import Iterator
from typing import Any

import pytest
from clients import access_token, bearer
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from socketio.exceptions import ConnectionError as SocketError
from sockets import Listener, serving

from vantage6.server.app import create_app
from vantage6.server.model import User

EVIL = "https://evil.example"
PORTAL = "https://portal.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "GET",
    "Access-Control-Request-Headers": "authorization",
}
PATHS = ["/api/version", "/api/task", "/nothing", "/socket.io/?EIO=4&transport=polling"]


@pytest.fixture
def open_app(config: dict[str, Any]) -> Iterator[Flask]:
    """An application for the pages of the portal."""
    app = create_app({**config, "cors_allowed_origins": [PORTAL]})
    yield app
    app.extensions["database"].dispose()


def allowed(client: FlaskClient, path: str, origin: str) -> list[str]:
    """What answers say that browsers may do with them."""
    headers = {"Origin": origin}
    answers = [
        client.get(path, headers=headers),
        client.options(path, headers=headers | PREFLIGHT),
    ]
    return [
        f"{name}: {value}"
        for answer in answers
        for name, value in answer.headers
        if name.startswith("Access-Control-Allow-Origin")
    ]


class TestRequests:
    @pytest.mark.parametrize("path", PATHS)
    def test_none_are_allowed_by_default(self, client: FlaskClient, path: str) -> None:
        assert allowed(client, path, EVIL) == []

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize("origin", [EVIL, f"{PORTAL}.evil.example", "null", "HTTPS://x"])
    def test_others_than_those_configured_are_not(
        self, open_app: Flask, path: str, origin: str
    ) -> None:
        assert allowed(open_app.test_client(), path, origin) == []

    @pytest.mark.parametrize("path", PATHS[:3])
    def test_those_configured_are(self, open_app: Flask, path: str) -> None:
        header = f"Access-Control-Allow-Origin: {PORTAL}"
        assert allowed(open_app.test_client(), path, PORTAL) == [header, header]

    def test_they_may_log_in_and_turn_pages(
        self, open_app: Flask, make: Factory, root: User
    ) -> None:
        with open_app.app_context():
            headers = bearer(access_token(root)) | {"Origin": PORTAL}
        client = open_app.test_client()
        asked = client.options("/api/task", headers={"Origin": PORTAL} | PREFLIGHT)
        assert asked.headers["Access-Control-Allow-Headers"] == "authorization"
        answer = client.get("/api/task?page=1", headers=headers)
        exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Link", "total-count"} <= set(exposed)
        assert set(answer.headers.keys()) >= {"Link", "total-count"}
        assert "Access-Control-Allow-Credentials" not in answer.headers


class TestSockets:
    @pytest.mark.parametrize("transport", ["polling", "websocket"])
    def test_only_those_configured_connect(
        self, open_app: Flask, root: User, transport: str
    ) -> None:
        with open_app.app_context():
            token = access_token(root)
        with serving(open_app) as url:
            listener = Listener(url, token, origin=PORTAL, transport=transport)
            with pytest.raises(SocketError):
                Listener(url, token, origin=EVIL, transport=transport)
            listener.close()

    def test_by_default_none_of_another_origin(self, app: Flask, root: User) -> None:
        with app.app_context():
            token = access_token(root)
        with serving(app) as url:
            Listener(url, token, origin=url).close()
            with pytest.raises(SocketError):
                Listener(url, token, origin=EVIL)
