"""Results: what nodes report, and who reads it."""

from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import AUTHENTICATED, ENVELOPE, Factory, ids
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import AlgorithmPort, Node, Result, User
from vantage6.server.service.event import Event


@pytest.fixture
def node(make: Factory) -> Node:
    hospital = make.organization()
    return make.node(hospital, make.collaboration(hospital))


@pytest.fixture
def run(make: Factory, node: Node) -> Result:
    assert node.collaboration is not None
    return make.task(node.collaboration, input="aW5wdXQ=").results[0]


@pytest.fixture
def path(run: Result) -> str:
    return f"/api/result/{run.id}"


def test_a_run_is_reported_from_its_start_to_its_end(
    as_node: LoggedIn, run: Result, path: str, events: list[Event]
) -> None:
    for status in ("initializing", "active"):
        answer = as_node.patch(path, json={"status": status})
        assert (answer.status_code, answer.json["status"]) == (200, status)
    assert answer.json["started_at"] is not None
    assert answer.json["finished_at"] is None
    done = {"status": "completed", "result": "cmVzdWx0", "log": "ready"}
    ended = as_node.patch(path, json=done).json
    assert {name: ended[name] for name in done} == done
    assert ended["finished_at"] is not None
    assert [event.payload["status"] for event in events] == ["initializing", "active", "completed"]
    assert events[-1].payload == {
        "result_id": run.id,
        "task_id": run.task_id,
        "parent_id": None,
        "run_id": run.task.run_id,
        "status": "completed",
        "organization_id": run.organization_id,
        "collaboration_id": run.task.collaboration_id,
    }


def test_a_node_of_the_classic_line_reports_moments_only(as_node: LoggedIn, path: str) -> None:
    started = as_node.patch(path, json={"started_at": "2022-11-30T12:34:56.123456"}).json
    assert started["status"] == "active"
    assert started["started_at"] == "2022-11-30T12:34:56.123456+00:00"
    report = {"finished_at": "2022-11-30T12:35:00.000001", "result": "eA==", "log": "done"}
    finished = as_node.patch(path, json=report).json
    assert finished["status"] == "completed"
    assert finished["started_at"] == "2022-11-30T12:34:56.123456+00:00"


def test_a_container_that_failed_on_a_classic_node_is_not_a_success(
    as_node: LoggedIn, run: Result, path: str, session: Session
) -> None:
    run.exit_code = 1
    session.commit()
    report = {"finished_at": "2022-11-30T12:35:00.000001", "result": "eA==", "log": "Traceback"}
    assert as_node.patch(path, json=report).json["status"] == "failed"


@pytest.mark.parametrize(
    ("encrypted", "result"),
    [(False, ""), (False, None), (True, ""), (True, f"{ENVELOPE.rpartition('$')[0]}$")],
)
def test_nothing_from_a_classic_node_is_not_a_success(
    make: Factory, login_as: Login, encrypted: bool, result: str | None
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital, encrypted=encrypted)
    node = make.node(hospital, study)
    run = make.task(study).results[0]
    report = {"finished_at": "2022-11-30T12:35:00.000001", "result": result, "log": "Traceback"}
    answer = login_as(node).patch(f"/api/result/{run.id}", json=report)
    assert (answer.status_code, answer.json["status"]) == (200, "failed")


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2022-11-30T12:34:56", "2022-11-30T12:34:56+00:00"),
        ("2022-11-30T12:34:56Z", "2022-11-30T12:34:56+00:00"),
        ("2022-11-30T13:34:56.5+01:00", "2022-11-30T12:34:56.500000+00:00"),
    ],
)
def test_moments_come_in_any_iso_form_and_are_kept_as_utc(
    as_node: LoggedIn, path: str, text: str, stored: str
) -> None:
    assert as_node.patch(path, json={"started_at": text}).json["started_at"] == stored


def test_what_a_report_leaves_out_stays(as_node: LoggedIn, path: str) -> None:
    as_node.patch(path, json={"status": "active", "log": "so far"})
    changed = as_node.patch(path, json={"status": "failed", "log": None, "result": None}).json
    assert (changed["log"], changed["result"]) == ("so far", None)


def test_the_same_report_may_come_twice_while_the_run_goes_on(
    as_node: LoggedIn, path: str, events: list[Event]
) -> None:
    for _ in range(2):
        assert as_node.patch(path, json={"status": "active"}).status_code == 200
    assert len(events) == 1, "nothing changed the second time"


def test_a_run_that_has_ended_takes_no_more_reports(as_node: LoggedIn, path: str) -> None:
    as_node.patch(path, json={"status": "not allowed", "log": "not on the list"})
    for report in ({"status": "completed"}, {"status": "not allowed"}, {"log": "more"}):
        assert as_node.patch(path, json=report).status_code == 400


@pytest.mark.parametrize(
    "report",
    [
        {"status": "pending"},
        {"status": "done"},
        {"status": "active", "finished_at": "2022-11-30"},
        {"started_at": "yesterday"},
        {"started_at": 5},
        {"result": {"a": 1}},
        {"exit_code": 1},
        {"organization_id": 1},
    ],
)
def test_a_report_that_makes_no_sense_is_refused(
    as_node: LoggedIn, path: str, report: dict[str, Any]
) -> None:
    as_node.patch(path, json={"status": "active"})
    before = as_node.get(path).json
    assert as_node.patch(path, json=report).status_code == 400
    assert as_node.get(path).json == before


@pytest.mark.parametrize(
    ("encrypted", "text", "status"),
    [
        (True, ENVELOPE, 200),
        (True, AUTHENTICATED, 200),
        (True, "cGxhaW4=", 400),
        (True, "", 200),
        (False, "cGxhaW4=", 200),
        (False, ENVELOPE, 400),
        (False, AUTHENTICATED, 400),
    ],
)
def test_results_are_encrypted_where_the_collaboration_is(
    make: Factory, login_as: Login, encrypted: bool, text: str, status: int
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital, encrypted=encrypted)
    node = make.node(hospital, study)
    run = make.task(study).results[0]
    report = {"status": "completed", "result": text}
    assert login_as(node).patch(f"/api/result/{run.id}", json=report).status_code == status


def test_only_the_node_whose_run_it_is_reports(
    make: Factory, login_as: Login, node: Node, path: str
) -> None:
    partner = make.organization()
    assert node.collaboration is not None
    node.collaboration.organizations.append(partner)
    elsewhere = make.collaboration(node.organization)
    others = [
        make.node(partner, node.collaboration),
        make.node(node.organization, elsewhere),
    ]
    for other in others:
        answer = login_as(other).patch(path, json={"status": "active"})
        missing = login_as(other).patch("/api/result/999", json={"status": "active"})
        assert (answer.status_code, answer.json) == (missing.status_code, missing.json)
        assert answer.status_code == 403


def test_a_node_fetches_its_open_runs_with_their_tasks(
    make: Factory, as_node: LoggedIn, node: Node, run: Result
) -> None:
    study = node.collaboration
    assert study is not None
    make.task(study, status=TaskStatus.COMPLETED)
    newer = make.task(study).results[0]
    elsewhere = make.collaboration(node.organization)
    make.node(node.organization, elsewhere)
    make.task(elsewhere)
    query = f"/api/result?state=open&include=task&node_id={node.id}"
    shown = as_node.get(query).json
    assert ids(shown) == [newer.id, run.id]
    assert shown[1]["input"] == "aW5wdXQ="
    assert shown[1]["organization"]["id"] == node.organization_id
    task = shown[1]["task"]
    assert (task["id"], task["image"]) == (run.task_id, run.task.image)
    assert "results" not in task
    assert ids(as_node.get(f"{query}&task_id={run.task_id}").json) == [run.id]


def test_a_node_learns_the_name_of_the_user_who_asked_and_nobody_else_does(
    make: Factory, login_as: Login, root: User, as_node: LoggedIn, node: Node
) -> None:
    study = node.collaboration
    assert study is not None
    make.task(study, init_user=root)
    query = f"/api/result?state=open&include=task&node_id={node.id}"
    task = as_node.get(query).json[0]["task"]
    assert (task["init_user"], task["init_user_name"]) == (root.id, root.username)
    task = login_as(root).get(query).json[0]["task"]
    assert (task["init_user"], task["init_user_name"]) == (root.id, None)


def test_the_list_can_be_filtered(
    make: Factory, login_as: Login, root: User, node: Node, run: Result, session: Session
) -> None:
    assert node.collaboration is not None
    done = make.task(node.collaboration, status=TaskStatus.COMPLETED).results[0]
    session.add(AlgorithmPort(port=8888, label="http", result_id=done.id))
    session.commit()
    client = login_as(root)
    for query in (
        f"task_id={done.task_id}",
        "port=8888",
        "finished_from=2020-01-01",
        "finished_till=2999-01-01",
    ):
        assert ids(client.get(f"/api/result?{query}").json) == [done.id], query
    for query in (
        f"organization_id={node.organization_id}",
        "assigned_from=2020-01-01",
        "assigned_till=2999-01-01",
    ):
        assert ids(client.get(f"/api/result?{query}").json) == [done.id, run.id], query
    assert client.get("/api/result?started_from=2020-01-01").json == []
    assert client.get("/api/result?state=closed").status_code == 400


def test_a_result_is_shown_with_its_node_and_ports(
    login_as: Login, root: User, node: Node, run: Result, session: Session
) -> None:
    node.ip, node.status = "10.76.0.2", "online"
    port = AlgorithmPort(port=8888, label="http", result_id=run.id)
    session.add(port)
    session.commit()
    shown = login_as(root).get(f"/api/result/{run.id}").json
    assert shown["node"] == {
        "id": node.id,
        "name": node.name,
        "ip": "10.76.0.2",
        "status": "online",
    }
    assert shown["ports"] == [{"id": port.id, "port": 8888, "label": "http"}]
    assert shown["task"]["link"] == f"/api/task/{run.task_id}"
    nested = login_as(root).get(f"/api/result/{run.id}?include=task").json
    assert nested["task"]["run_id"] == run.task.run_id


PAYLOADS = ("input", "result", "log")


@pytest.mark.parametrize(
    ("query", "carries"),
    [
        ("", False),
        ("?organization_id={organization}", False),
        ("?state=open", False),
        ("?node_id={node}", False),
        ("?include=task", False),
        ("?include=payload", True),
        ("?include=task&include=payload", True),
        ("?task_id={task}", True),
        ("?node_id={node}&state=open", True),
        ("?state=open&include=task&node_id={node}", True),
    ],
)
def test_lists_carry_payloads_where_they_are_asked_for(
    login_as: Login,
    root: User,
    node: Node,
    run: Result,
    query: str,
    carries: bool,
    session: Session,
) -> None:
    run.result, run.log = "b3V0", "said"
    session.commit()
    path = "/api/result" + query.format(
        node=node.id, task=run.task_id, organization=node.organization_id
    )
    (shown,) = login_as(root).get(path).json
    expected = ["aW5wdXQ=", "b3V0", "said"] if carries else [None] * 3
    assert [shown[name] for name in PAYLOADS] == expected
    assert shown["status"] == "pending"


def test_what_is_about_one_task_or_result_always_carries_payloads(
    login_as: Login, root: User, run: Result, path: str
) -> None:
    client = login_as(root)
    shown = [
        client.get(path).json,
        client.get(f"/api/task/{run.task_id}/result").json[0],
        client.get(f"/api/task/{run.task_id}?include=results").json["results"][0],
        client.get("/api/task?include=results&include=payload").json[0]["results"][0],
    ]
    assert [one["input"] for one in shown] == ["aW5wdXQ="] * 4
    listed = client.get("/api/task?include=results").json[0]["results"][0]
    assert [listed[name] for name in PAYLOADS] == [None] * 3
