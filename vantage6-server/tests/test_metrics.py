"""What Prometheus gets to read."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from clients import Login
from factories import Factory
from flask import Flask
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from served import Served, run, write_config, write_import
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from vantage6.common.task_status import TaskStatus
from vantage6.server import metrics
from vantage6.server.metrics import collect
from vantage6.server.model import User

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parse(exposition: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: Any) -> float | None:
    wanted = frozenset((key, str(label)) for key, label in labels.items())
    return samples.get((f"vantage6_{name}", wanted))


@pytest.fixture
def registry(app: Flask) -> CollectorRegistry:
    return collect(app)


def read(registry: CollectorRegistry) -> Samples:
    return parse(generate_latest(registry).decode())


def test_requests_are_counted_by_route_and_not_by_path(
    app: Flask, registry: CollectorRegistry, root: User, login_as: Login
) -> None:
    client = login_as(root)
    for id_ in (1, 2, 3):
        client.get(f"/api/task/{id_}")
    client.get("/nothing")
    client.open("/api/version", method="BREW")
    samples = read(registry)
    labels = {"method": "GET", "route": "/api/task/<id>"}
    assert value(samples, "requests_total", status=404, **labels) == 3
    assert value(samples, "request_seconds_count", **labels) == 3
    assert value(samples, "requests_total", method="GET", route="none", status=404) == 1
    assert value(samples, "requests_total", method="other", route="none", status=405) == 1


def test_open_runs_are_counted_by_state(registry: CollectorRegistry, make: Factory) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    for status in (TaskStatus.PENDING, TaskStatus.ACTIVE, TaskStatus.ACTIVE, TaskStatus.COMPLETED):
        make.task(study, status=status)
    samples = read(registry)
    counts = {status: value(samples, "open_runs", status=status) for status in TaskStatus}
    assert counts[TaskStatus.PENDING] == 1
    assert counts[TaskStatus.ACTIVE] == 2
    assert counts[TaskStatus.INITIALIZING] == 0
    assert counts[TaskStatus.COMPLETED] is None


def test_runs_that_ended_are_not_looked_at(app: Flask) -> None:
    """The index holds the open ones alone."""
    statement = str(metrics._OPEN_RUNS.compile(compile_kwargs={"literal_binds": True}))
    with app.extensions["database"].reading() as session:
        explain = "EXPLAIN QUERY PLAN"
        if session.get_bind().dialect.name == "postgresql":
            # Of a table that is empty it would read everything.
            session.execute(text("SET LOCAL enable_seqscan = off"))
            explain = "EXPLAIN"
        plan = session.execute(text(f"{explain} {statement}")).all()
    assert "ix_result_open" in str(plan)


def test_log_ins_that_fail_are_counted(app: Flask, registry: CollectorRegistry) -> None:
    labels = {"action": "login", "outcome": "failure", "kind": "user"}
    before = value(read(registry), "audit_lines_total", **labels) or 0
    body = {"username": "nobody", "password": "wrong"}
    app.test_client().post("/api/token/user", json=body)
    assert value(read(registry), "audit_lines_total", **labels) == before + 1


def test_the_rest_is_readable_without_the_database(
    app: Flask, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise OperationalError("", {}, Exception())

    monkeypatch.setattr(app.extensions["database"], "reading", fail)
    samples = read(registry)
    assert value(samples, "sockets", kind="node") == 0
    assert value(samples, "waiting_requests") == 0
    assert value(samples, "open_runs", status="active") is None


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    config = write_config(tmp_path, metrics={"port": 0})
    assert run("import", "-c", config, write_import(tmp_path)).returncode == 0
    with Served("-c", config) as server:
        yield server


def test_a_server_shows_them_on_an_address_of_its_own(served: Served) -> None:
    served.token("ada", "Lovelace-1")
    url = served.url
    (line,) = [line for line in served.printed if "Metrics on" in line]
    address = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert address
    answer = requests.get(f"{address[0]}/metrics", timeout=60)
    assert answer.status_code == 200
    samples = parse(answer.text)
    labels = {"method": "POST", "route": "/api/token/user", "status": 200}
    assert value(samples, "requests_total", **labels) == 1
    assert value(samples, "open_runs", status="pending") == 1
    assert samples["process_resident_memory_bytes", frozenset()] > 0
    assert value(samples, "database_connections", state="used") is not None
    # Neither is the one to be found at the other.
    assert requests.get(f"{address[0]}/api/version", timeout=60).status_code == 404
    for path in ("/metrics", "/api/metrics"):
        assert requests.get(f"{url}{path}", timeout=60).status_code == 404


def test_they_are_off_unless_configured(tmp_path: Path) -> None:
    with Served("-c", write_config(tmp_path)) as server:
        assert server.url
        assert not [line for line in server.printed if "Metrics" in line]


def test_an_address_that_is_taken_stops_the_start(tmp_path: Path, served: Served) -> None:
    config = write_config(tmp_path, metrics={"port": int(served.port)})
    ended = run("start", "-c", config)
    assert ended.returncode == 1
    assert "another program listens there" in ended.stderr
