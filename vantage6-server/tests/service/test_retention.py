"""What is kept no longer is deleted, and no more than that; of it the rest stays."""

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory
from flask import Flask
from sqlalchemy import insert
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.database import Database
from vantage6.server.model import Blob, Collaboration, Organization, Result
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service import retention

DELETE_OWN = rule("task", Scope.ORGANIZATION, Operation.DELETE)
VIEW_OWN = rule("result", Scope.ORGANIZATION, Operation.VIEW)
PAYLOADS = ("input", "result", "log")
DAY = timedelta(days=1)


@pytest.fixture
def database(app: Flask) -> Database:
    database: Database = app.extensions["database"]
    return database


@pytest.fixture
def trail(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines of the audit trail about what was deleted."""

    def lines() -> list[dict[str, Any]]:
        told = [
            json.loads(line.getMessage())
            for line in caplog.records
            if line.name == "vantage6.audit"
        ]
        return [line for line in told if line["action"].endswith(".purge")]

    caplog.set_level(logging.INFO, "vantage6.audit")
    return lines


def ended(make: Factory, study: Collaboration, *days_ago: float, **values: Any) -> list[Result]:
    """Runs with payloads that ended so many days ago, each of a task of its own."""
    runs = [
        make.task(study, status=TaskStatus.COMPLETED, input="input", **values).results[0]
        for _ in days_ago
    ]
    for run, days in zip(runs, days_ago, strict=True):
        # By the clock of its node it ended long ago, which counts for nothing.
        run.finished_at = now() - 1000 * DAY
        run.ended_at = now() - days * DAY
        run.result, run.log = "result", "lög"
    make.session.commit()
    return runs


def purged(session: Session, runs: list[Result]) -> list[bool]:
    """Which of some runs hold nothing any more."""
    # Else it would go on to see what was there when it looked first.
    session.rollback()
    session.expire_all()
    for run in runs:
        held = {getattr(run, name) is not None for name in PAYLOADS}
        assert held == {run.purged_at is None}
    return [run.purged_at is not None for run in runs]


def test_what_ended_longer_ago_than_a_collaboration_says_is_deleted_and_the_rest_stays(
    make: Factory, own: Organization, session: Session, database: Database, trail: Any
) -> None:
    study = make.collaboration(own, retention_days=7)
    runs = ended(make, study, 6.9, 7.1, 30)
    moments = [(run.assigned_at, run.finished_at, run.status) for run in runs]
    assert retention.purge_some(database) == 2
    assert purged(session, runs) == [False, True, True]
    assert [(run.assigned_at, run.finished_at, run.status) for run in runs] == moments
    (line,) = trail()
    assert line["actor"] == {"kind": "server"}
    assert (line["collaboration_id"], line["days"]) == (study.id, 7)
    # Bytes, of which there are more than letters.
    assert (line["runs"], line["bytes"]) == (2, 2 * len("inputresultlög".encode()))
    assert retention.purge_some(database) == 0
    assert len(trail()) == 1


def test_what_others_keep_is_not_touched(
    make: Factory, own: Organization, session: Session, database: Database
) -> None:
    for_ever, longer = make.collaboration(own), make.collaboration(own, retention_days=90)
    short = make.collaboration(own, retention_days=1)
    runs = [*ended(make, for_ever, 80), *ended(make, longer, 80), *ended(make, short, 80)]
    assert retention.purge_some(database) == 1
    assert purged(session, runs) == [False, False, True]


def test_a_run_that_is_open_keeps_its_input_however_long_it_takes(
    make: Factory, own: Organization, session: Session, database: Database
) -> None:
    study = make.collaboration(own, retention_days=1)
    task = make.task(study, input="input")
    task.results[0].assigned_at = now() - 80 * DAY
    session.commit()
    assert retention.purge_some(database) == 0
    session.expire_all()
    assert task.results[0].input == "input"


def test_no_node_decides_by_its_clock_how_long_a_result_is_kept(
    make: Factory, own: Organization, login_as: Login, session: Session, database: Database
) -> None:
    study = make.collaboration(own, retention_days=1)
    node = login_as(make.node(own, study))
    runs = [make.task(study, input="input").results[0] for _ in range(2)]
    for run, moment in zip(runs, ("2001-01-01T00:00:00", "2999-01-01T00:00:00"), strict=True):
        report = {"status": "completed", "result": "", "log": "", "finished_at": moment}
        assert node.patch(f"/api/result/{run.id}", json=report).status_code == 200
    assert retention.purge_some(database) == 0
    assert retention.purge_some(database, at=now() + 1.1 * DAY) == 2
    assert purged(session, runs) == [True, True]


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "BATCH", 3)
    monkeypatch.setattr(retention, "ROUNDS", 2)


@pytest.mark.usefixtures("small_batches")
def test_a_round_does_so_much_and_the_next_one_goes_on(
    make: Factory, own: Organization, session: Session, database: Database, trail: Any
) -> None:
    study, other = make.collaboration(own, retention_days=1), make.collaboration(own)
    runs = ended(make, study, *range(20, 10, -1))
    ended(make, other, *range(20, 18, -1))
    done = [retention.purge_some(database) for _ in range(4)]
    assert (sum(done), max(done) <= 6, done[-1]) == (10, True, 0)
    assert all(purged(session, runs))
    assert sum(line["runs"] for line in trail()) == 10


def test_who_keeps_things_for_longer_or_went_by_a_clock_that_was_ahead_misses_nothing(
    make: Factory, own: Organization, session: Session, database: Database
) -> None:
    study = make.collaboration(own, retention_days=10)
    study.purged_till = now() + 4000 * DAY
    runs = ended(make, study, 8)
    assert retention.purge_some(database) == 0
    assert retention.purge_some(database, at=now() + 3 * DAY) == 1
    assert purged(session, runs) == [True]


def test_a_large_payload_is_let_go_of_and_counted_once(
    make: Factory, own: Organization, session: Session, database: Database, trail: Any
) -> None:
    study = make.collaboration(own, retention_days=1)
    runs = ended(make, study, 8, 9)
    size = 5_000_000_000
    shared = Blob(
        digest="0" * 64, size=size, text_size=size, form="text", encrypted=False, name="blob"
    )
    session.add(shared)
    session.flush()
    for run in runs:
        run.input = None
        run.input_blob_id = shared.id
    session.commit()
    assert retention.purge_some(database) == 2
    session.expire_all()
    assert [run.input_blob_id for run in runs] == [None, None]
    assert trail()[0]["bytes"] == size + 2 * len("resultlög".encode())


def test_what_is_due_among_many_runs_is_found_by_index(
    make: Factory, own: Organization, session: Session, database: Database
) -> None:
    """In the order in which they ended, and none of those that have been passed already."""
    study, other = make.collaboration(own, retention_days=30), make.collaboration(own)
    task = make.task(other, status=TaskStatus.COMPLETED)
    row = {"task_id": task.id, "organization_id": own.id, "status": TaskStatus.COMPLETED}
    moments = [now() - 400 * DAY + timedelta(seconds=number) for number in range(6_000)]
    session.execute(insert(Result), [{**row, "ended_at": at, "finished_at": at} for at in moments])
    session.commit()
    (run,) = ended(make, study, 50)
    rounds = 1
    while retention.purge_some(database) == 0:
        rounds += 1
    assert rounds == 2
    assert purged(session, [run]) == [True]
    session.refresh(study)
    query = retention._next(study.purged_till, now() - 30 * DAY)
    text = query.compile(database.engine, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN" if database.engine.name == "postgresql" else "EXPLAIN QUERY PLAN"
    with database.reading() as reading:
        plan = reading.connection().exec_driver_sql(f"{explain} {text}").all()
        assert "ix_result_kept" in str(plan)
        assert reading.scalar(query) is None


# On request


@pytest.fixture
def study(make: Factory, own: Organization, partner: Organization) -> Collaboration:
    return make.collaboration(own, partner)


@pytest.fixture
def client(make: Factory, login_as: Login, own: Organization) -> LoggedIn:
    return login_as(make.user(own, rules=[DELETE_OWN, VIEW_OWN]))


def test_the_payload_of_a_task_is_deleted_with_those_of_its_subtasks(
    make: Factory, client: LoggedIn, session: Session, study: Collaboration, trail: Any
) -> None:
    (top,) = ended(make, study, 0)
    (below,) = ended(make, study, 0, parent=top.task)
    (beside,) = ended(make, study, 0, parent=top.task)
    answer = client.delete(f"/api/task/{below.task_id}/payload")
    assert (answer.status_code, answer.json["runs"]) == (200, 2)
    assert purged(session, [top, below, beside]) == [False, True, False]
    answer = client.delete(f"/api/task/{top.task_id}/payload")
    # Each task is for two organizations; what is deleted already is not counted again.
    assert (answer.status_code, answer.json["runs"]) == (200, 4)
    assert purged(session, [top, below, beside]) == [True, True, True]
    first, second = trail()
    assert (first["task_id"], second["task_id"]) == (below.task_id, top.task_id)
    assert first["actor"]["kind"] == "user"
    assert first["bytes"] >= len("inputresultlög".encode())
    shown = client.get(f"/api/result/{top.id}").json
    assert [shown[name] for name in PAYLOADS] == [None] * 3
    assert (shown["status"], shown["purged_at"] is not None) == ("completed", True)


def test_while_a_run_is_open_nothing_of_its_task_is_deleted(
    make: Factory, client: LoggedIn, session: Session, study: Collaboration, trail: Any
) -> None:
    (top,) = ended(make, study, 0)
    make.task(study, parent=top.task, status=TaskStatus.ACTIVE)
    refused = client.delete(f"/api/task/{top.task_id}/payload")
    assert refused.status_code == 409
    assert "2 run(s)" in refused.json["msg"]
    assert purged(session, [top]) == [False]
    assert trail() == []


def test_how_long_a_collaboration_keeps_things_is_said_and_taken_back(
    make: Factory, own: Organization, login_as: Login, root: Any
) -> None:
    client = login_as(root)
    body = {"name": "study", "organization_ids": [own.id], "retention_days": 30}
    made = client.post("/api/collaboration", json=body)
    assert (made.status_code, made.json["retention_days"]) == (200, 30)
    path = f"/api/collaboration/{made.json['id']}"
    assert client.patch(path, json={"name": "other"}).json["retention_days"] == 30
    assert client.patch(path, json={"retention_days": 7}).json["retention_days"] == 7
    assert client.patch(path, json={"retention_days": None}).json["retention_days"] is None


@pytest.mark.parametrize("days", [0, -1, 36_501, 1.5, "many"], ids=str)
def test_no_collaboration_keeps_things_for_no_time_or_an_odd_one(
    make: Factory, own: Organization, login_as: Login, root: Any, days: Any
) -> None:
    path = f"/api/collaboration/{make.collaboration(own).id}"
    refused = login_as(root).patch(path, json={"retention_days": days})
    assert (refused.status_code, list(refused.json["errors"])) == (400, ["retention_days"])


def test_how_long_things_are_kept_is_for_those_who_may_edit_collaborations(
    make: Factory, study: Collaboration, login_as: Login, own: Organization
) -> None:
    path = f"/api/collaboration/{study.id}"
    for role in ("Researcher", "Organization Admin"):
        member = login_as(make.user(own, role=role))
        assert member.patch(path, json={"retention_days": 1}).status_code == 403
