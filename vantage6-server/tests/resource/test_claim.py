"""Claims: which process of a node has a run, and for how long."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from clients import LoggedIn, Login
from factories import Factory
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import Collaboration, Node, Organization, Result
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service import claim
from vantage6.server.service.event import Event

DELETE_OWN = rule("task", Scope.ORGANIZATION, Operation.DELETE)
LaterType = Callable[..., None]
KillType = Callable[[], object]
ONE, OTHER = {"claim": "one"}, {"claim": "other"}


@pytest.fixture
def run(make: Factory, study: Collaboration) -> Result:
    return make.task(study, input="aW5wdXQ=").results[0]


@pytest.fixture
def path(run: Result) -> str:
    return f"/api/result/{run.id}"


@pytest.fixture
def later(session: Session) -> LaterType:
    """Let the time pass in which the processes that have runs say nothing."""

    def later(*runs: Result) -> None:
        session.expire_all()
        for run in runs:
            assert run.claimed_at is not None
            run.claimed_at -= claim.LEASE + timedelta(seconds=1)
        session.commit()

    return later


def shown(as_node: LoggedIn, node: Node) -> dict[int, str | None]:
    """Who has the open runs of a node."""
    runs = as_node.get(f"/api/result?state=open&include=task&node_id={node.id}").json
    return {run["id"]: run["claim"] for run in runs}


def test_a_run_is_for_the_first_who_claims_it(
    as_node: LoggedIn, node: Node, run: Result, path: str, events: list[Event]
) -> None:
    first = as_node.patch(path, json=ONE)
    assert (first.status_code, first.json["claim"]) == (200, "one")
    assert as_node.patch(path, json=ONE).status_code == 200
    for news in ({}, {"status": "active"}, {"status": "completed", "result": "QQ=="}):
        answer = as_node.patch(path, json={**OTHER, **news})
        assert (answer.status_code, "Another process" in answer.json["msg"]) == (409, True)
    assert shown(as_node, node) == {run.id: "one"}
    assert events == []


def test_whoever_claims_is_not_sent_back_what_it_has(as_node: LoggedIn, path: str) -> None:
    assert as_node.patch(path, json={"status": "active"}).json["input"] == "aW5wdXQ="
    ended = as_node.patch(path, json={**ONE, "status": "completed", "result": "QQ=="}).json
    assert (ended["input"], ended["result"], ended["status"]) == (None, None, "completed")
    assert as_node.get(path).json["result"] == "QQ=="


def test_a_process_that_is_silent_loses_its_runs_to_who_asks(
    as_node: LoggedIn, node: Node, run: Result, path: str, later: LaterType
) -> None:
    as_node.patch(path, json=ONE)
    later(run)
    assert shown(as_node, node) == {run.id: None}
    assert as_node.patch(path, json=OTHER).status_code == 200
    assert as_node.patch(path, json={**ONE, "status": "active"}).status_code == 409


def test_a_process_that_was_away_goes_on_where_nobody_asked(
    as_node: LoggedIn, path: str, run: Result, later: LaterType
) -> None:
    as_node.patch(path, json=ONE)
    later(run)
    ended = {**ONE, "status": "completed", "result": "QQ=="}
    assert as_node.patch(path, json=ended).status_code == 200


def test_one_call_keeps_all_that_a_process_has(
    as_node: LoggedIn,
    node: Node,
    make: Factory,
    study: Collaboration,
    session: Session,
    later: LaterType,
) -> None:
    runs = [make.task(study).results[0] for _ in range(4)]
    for run, who in zip(runs, (ONE, ONE, OTHER), strict=False):
        as_node.patch(f"/api/result/{run.id}", json=who)
    as_node.patch(f"/api/result/{runs[1].id}", json={**ONE, "status": "failed"})
    later(*runs[:3])
    answer = as_node.post("/api/claim", json=ONE)
    assert (answer.status_code, answer.json["msg"]) == (200, "1 run(s) are kept for 600 seconds")
    assert shown(as_node, node) == {runs[0].id: "one", runs[2].id: None, runs[3].id: None}


def test_the_owner_can_take_over_at_once(
    as_node: LoggedIn, node: Node, make: Factory, study: Collaboration
) -> None:
    first, second, third = (make.task(study).results[0] for _ in range(3))
    as_node.patch(f"/api/result/{first.id}", json=ONE)
    as_node.patch(f"/api/result/{second.id}", json=OTHER)
    as_node.post("/api/claim", json={**OTHER, "take_over": True})
    assert shown(as_node, node) == {first.id: "other", second.id: "other", third.id: None}


def test_nobody_takes_over_the_runs_of_another_node(
    make: Factory, login_as: Login, node: Node, as_node: LoggedIn, study: Collaboration, path: str
) -> None:
    stranger, abroad = make.organization(), make.collaboration(node.organization)
    for other in (
        make.node(stranger, make.collaboration(stranger)),
        make.node(node.organization, abroad),
    ):
        as_node.patch(path, json=ONE)
        login_as(other).post("/api/claim", json={**OTHER, "take_over": True})
        assert list(shown(as_node, node).values()) == ["one"]


def test_a_run_that_has_ended_is_nobodys(
    as_node: LoggedIn, path: str, run: Result, session: Session
) -> None:
    as_node.patch(path, json={**ONE, "status": "completed", "result": "QQ=="})
    assert as_node.get(path).json["claim"] is None
    assert as_node.patch(path, json=OTHER).status_code == 400


def test_a_classic_node_claims_nothing_and_is_let_through(as_node: LoggedIn, path: str) -> None:
    as_node.patch(path, json=ONE)
    ended = as_node.patch(path, json={"finished_at": "2026-01-01T00:00:00", "result": "QQ=="})
    assert ended.status_code == 200


@pytest.mark.parametrize("name", ["", "x" * 65, 7])
def test_what_is_no_claim(as_node: LoggedIn, path: str, name: object) -> None:
    for answer in (
        as_node.patch(path, json={"claim": name}),
        as_node.post("/api/claim", json={"claim": name}),
    ):
        assert (answer.status_code, list(answer.json["errors"])) == (400, ["claim"])


@pytest.fixture
def kill(make: Factory, login_as: Login, own: Organization, run: Result) -> KillType:
    client = login_as(make.user(own, rules=[DELETE_OWN]))
    return lambda: client.post("/api/kill/task", json={"id": run.task_id})


def stopping(as_node: LoggedIn, run: Result) -> list[int]:
    """The killed runs of a run that may still be at their nodes."""
    answer = as_node.get(f"/api/result?state=stopping&run_id={run.task.run_id}")
    assert all(one["input"] is None for one in answer.json)
    return [one["id"] for one in answer.json]


def test_a_kill_is_confirmed_by_the_process_that_had_the_run(
    as_node: LoggedIn, path: str, run: Result, kill: KillType
) -> None:
    as_node.patch(path, json={**ONE, "status": "active"})
    assert stopping(as_node, run) == []
    kill()
    assert stopping(as_node, run) == [run.id]
    assert as_node.get(path).json["stopped_at"] is None
    assert as_node.patch(path, json={**OTHER, "stopped": True}).status_code == 409
    confirmed = as_node.patch(path, json={**ONE, "stopped": True}).json
    assert confirmed["stopped_at"] is not None
    assert as_node.patch(path, json={**ONE, "stopped": True}).json == confirmed
    assert stopping(as_node, run) == []


def test_a_kill_of_what_nobody_began_is_confirmed_by_anybody(
    as_node: LoggedIn, path: str, run: Result, kill: KillType
) -> None:
    kill()
    assert stopping(as_node, run) == [run.id]
    assert as_node.patch(path, json={**ONE, "stopped": True}).status_code == 200
    assert stopping(as_node, run) == []


@pytest.mark.parametrize("status", [TaskStatus.ACTIVE, TaskStatus.COMPLETED])
def test_what_was_not_killed_cannot_be_confirmed(
    as_node: LoggedIn, make: Factory, study: Collaboration, status: TaskStatus
) -> None:
    run = make.task(study, status=status).results[0]
    answer = as_node.patch(f"/api/result/{run.id}", json={**ONE, "stopped": True})
    assert (answer.status_code, answer.json["msg"]) == (400, "The run was not killed")


def test_stopped_is_said_or_not(as_node: LoggedIn, path: str, kill: KillType) -> None:
    kill()
    assert as_node.patch(path, json={**ONE, "stopped": False}).status_code == 400
