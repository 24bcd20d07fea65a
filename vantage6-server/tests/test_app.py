"""The application as a whole."""

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clients import Login
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient

import vantage6.server.resource as resource
from vantage6.common import __version__
from vantage6.common.exceptions import ConfigurationError
from vantage6.server.app import create_app
from vantage6.server.model import User
from vantage6.server.permission import catalogue


def test_version_and_health_are_open_to_everybody(client: FlaskClient) -> None:
    assert client.get("/api/version").json == {
        "version": __version__,
        "idempotency_keys": True,
        "take": True,
        "uploads": {"from": 2**20},
        "quorum": True,
    }
    assert client.get("/api/health").json == {"database": True}
    assert client.get("/api/health/fix").json is None
    assert client.head("/api/version").status_code == 200


def test_health_says_when_the_database_is_gone(
    app: Flask, client: FlaskClient, lose_database: Callable[[], None]
) -> None:
    app.extensions["database"].dispose()
    lose_database()
    assert client.get("/api/health").json == {"database": False}


def test_every_answer_carries_the_headers_of_caution(client: FlaskClient) -> None:
    for path in ("/api/version", "/api/user", "/nothing"):
        headers = client.get(path, headers={"Origin": "https://evil.example"}).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert "max-age" in headers["Strict-Transport-Security"]
        assert headers["Cache-Control"] == "no-store"
        assert not [name for name, _ in headers if name.startswith("Access-Control")]


def test_routes_lie_below_the_configured_path(config: dict[str, Any]) -> None:
    for path in ("", "/v6/api"):
        app = create_app({**config, "api_path": path})
        app.extensions["database"].create_tables()
        assert app.test_client().get(f"{path}/version").status_code == 200
        app.extensions["database"].dispose()


def test_the_secret_is_kept_in_the_data_folder(tmp_path: Path) -> None:
    config = {"uri": "sqlite:///server.sqlite", "api_path": "/api"}
    secrets = set()
    for _ in range(2):
        app = create_app(config, data_dir=tmp_path)
        secrets.add(app.config["JWT_SECRET_KEY"])
        app.extensions["database"].dispose()
    assert len(secrets) == 1
    assert len(secrets.pop()) >= 32
    assert [path.stat().st_mode & 0o077 for path in tmp_path.glob("jwt*")] == [0]


def test_without_a_data_folder_every_start_has_a_secret_of_its_own(tmp_path: Path) -> None:
    apps = [create_app({"uri": f"sqlite:///{tmp_path}/x"}) for _ in range(2)]
    assert len({app.config["JWT_SECRET_KEY"] for app in apps}) == 2
    for app in apps:
        app.extensions["database"].dispose()


def test_a_short_secret_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        create_app({**config, "jwt_secret_key": "short"})


def test_the_address_of_a_caller_is_believed_from_known_proxies_only(
    config: dict[str, Any],
) -> None:
    body = {"username": "nobody", "password": "wrong"}
    for proxies, expected in (([], 429), (["10.1.2.3"], 429), (["127.0.0.1"], 401)):
        app = create_app({**config, "trusted_proxies": proxies})
        app.extensions["database"].create_tables()
        statuses = [
            app.test_client()
            .post("/api/token/user", json=body, headers={"X-Forwarded-For": f"203.0.113.{number}"})
            .status_code
            for number in range(6)
        ]
        assert statuses[-1] == expected
        app.extensions["database"].dispose()


def test_every_resource_is_registered_and_admits_somebody_by_the_table() -> None:
    defined = {
        value
        for module in pkgutil.iter_modules(resource.__path__, "vantage6.server.resource.")
        for value in vars(importlib.import_module(module.name)).values()
        if isinstance(value, type)
        and issubclass(value, resource.Resource)
        and hasattr(value, "route")
    }
    assert defined == set(resource.RESOURCES)
    resource.check_admissions()


def test_a_route_that_admits_nobody_in_the_table_stops_the_start(
    config: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fewer = {route: methods for route, methods in catalogue.ADMISSION.items() if route != "/task"}
    monkeypatch.setattr(resource, "ADMISSION", fewer)
    with pytest.raises(LookupError, match="/task"):
        create_app(config)


def test_no_secret_is_in_any_answer(login_as: Login, root: User, make: Factory) -> None:
    hospital = make.organization()
    make.node(hospital, make.collaboration(hospital))
    root.otp_secret = "ABCDEFGH"
    make.session.commit()
    client = login_as(root)
    for path in ("user", "node", f"user/{root.id}", "organization", "rule"):
        text = client.get(f"/api/{path}").text
        for word in ("password", "ABCDEFGH", "api_key", "digest", "$2b$"):
            assert word not in text
