"""Every request has an id, in its answer and in all that is logged meanwhile."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from clients import Login
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient

from vantage6.common.log import JSONFormatter
from vantage6.server import tracing
from vantage6.server.app import create_app
from vantage6.server.model import User
from vantage6.server.resource.version import Version
from vantage6.server.tracing import HEADER, Trace

Lines = Callable[[], list[dict[str, Any]]]


class _Kept(logging.Handler):
    """Keeps the lines as they are written, with what only the moment of writing knows."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JSONFormatter())
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines of the log, all levels of them."""
    kept = _Kept()
    caplog.set_level(logging.DEBUG)
    logging.getLogger().addHandler(kept)
    yield kept.lines
    logging.getLogger().removeHandler(kept)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def get(_: Version) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr(Version, "get", get)


def access(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["logger"] == tracing.log.name]


def test_every_answer_has_an_id_of_its_own(client: FlaskClient) -> None:
    paths = ("/api/version", "/api/user", "/nothing", "/socket.io/")
    ids = {client.get(path).headers[HEADER] for path in paths}
    assert len(ids) == len(paths)


@pytest.mark.parametrize(
    ("proxies", "believed"), [([], False), (["10.1.0.0/16"], False), (["127.0.0.1"], True)]
)
def test_an_id_is_taken_from_our_own_proxies_only(
    config: dict[str, Any], proxies: list[str], believed: bool
) -> None:
    app = create_app({**config, "trusted_proxies": proxies})
    answer = app.test_client().get("/api/version", headers={HEADER: "from-the-proxy.1"})
    assert (answer.headers[HEADER] == "from-the-proxy.1") is believed
    app.extensions["database"].dispose()


@pytest.mark.parametrize("bad", ["short", "x" * 65, "with space 12345", "semi;colon1234", ""])
def test_an_id_that_could_do_harm_is_replaced(config: dict[str, Any], bad: str) -> None:
    app = create_app({**config, "trusted_proxies": ["127.0.0.1"]})
    answer = app.test_client().get("/api/version", headers={HEADER: bad})
    assert answer.headers[HEADER] not in ("", bad)
    app.extensions["database"].dispose()


def test_a_request_is_logged_with_what_came_of_it(
    client: FlaskClient, logged: list[dict[str, Any]]
) -> None:
    answer = client.get("/api/nothing%0aForged: line?token=secret")
    (line,) = access(logged)
    assert line["level"] == "DEBUG"
    assert line["request_id"] == answer.headers[HEADER]
    assert (line["method"], line["status"]) == ("GET", 404)
    assert line["message"].startswith("GET /api/nothing%0AForged%3A%20line: 404 after ")
    assert "secret" not in json.dumps(logged)


def test_an_unexpected_error_is_told_by_its_id_and_logged_in_full(
    client: FlaskClient, logged: list[dict[str, Any]], fails: None
) -> None:
    answer = client.get("/api/version")
    assert answer.status_code == 500
    assert answer.json["request_id"] == answer.headers[HEADER]
    assert "secret" not in answer.text
    (line,) = [line for line in logged if line["level"] == "ERROR"]
    assert line["request_id"] == answer.headers[HEADER]
    assert "RuntimeError: a secret" in line["traceback"]
    assert line["message"] == "GET /api/version failed"


def test_the_audit_trail_names_the_request(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = client.get("/api/user")
    (line,) = [record for record in caplog.records if record.name == "vantage6.audit"]
    assert json.loads(line.getMessage())["request_id"] == answer.headers[HEADER]


def test_a_slow_request_is_told_of(
    client: FlaskClient, logged: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracing, "SLOW_SECONDS", 0.0)
    client.get("/api/version")
    (line,) = access(logged)
    assert line["level"] == "WARNING"
    assert "slow" in line["message"]


def test_time_that_the_caller_asked_us_to_wait_is_not_ours(
    app: Flask, make: Factory, root: User, login_as: Login
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    make.node(hospital, study)
    task = make.task(study)
    traces: list[Trace] = []
    app.extensions["tracer"].watch(traces.append)
    login_as(root).get(f"/api/task/{task.id}?wait=0.3")
    (trace,) = traces
    assert trace.waited >= 0.3
    assert trace.route == "/api/task/<int(max=2147483647):id>"
    assert trace.status == 200


_UNDER_GEVENT = """
from gevent import monkey; monkey.patch_all()
import gevent, sys
from flask import Flask
from vantage6.common.log import request_id
from vantage6.server import tracing

app = Flask("test")
seen = []

@app.get("/<int:number>")
def show(number):
    before = request_id.get()
    gevent.sleep(0.01 * (number % 3))
    return {"same": before == request_id.get(), "id": before}

tracing.trace(app)

def ask(number):
    answer = app.test_client().get(f"/{number}")
    seen.append(answer.json["same"] and answer.json["id"] == answer.headers[tracing.HEADER])

gevent.joinall([gevent.spawn(ask, number) for number in range(30)], raise_error=True)
assert len(seen) == 30 and all(seen), seen
assert request_id.get() is None
"""


def test_ids_do_not_mix_under_gevent() -> None:
    """In a process of its own, since gevent changes all of one."""
    command = [sys.executable, "-c", _UNDER_GEVENT]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
