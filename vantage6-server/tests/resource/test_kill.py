"""Killing: final at once, told to the nodes, and nothing that is late changes it."""

import pytest
from clients import LoggedIn, Login
from factories import Factory
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import Collaboration, Node, Organization, Result, Task, User
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service.event import Event

DELETE_OWN = rule("task", Scope.ORGANIZATION, Operation.DELETE)


@pytest.fixture
def study(make: Factory, own: Organization, partner: Organization) -> Collaboration:
    return make.collaboration(own, partner)


@pytest.fixture
def nodes(make: Factory, study: Collaboration) -> list[Node]:
    return [make.node(organization, study) for organization in study.organizations]


@pytest.fixture
def client(make: Factory, login_as: Login, own: Organization) -> LoggedIn:
    return login_as(make.user(own, rules=[DELETE_OWN]))


def kills(events: list[Event]) -> list[Event]:
    return [event for event in events if event.name == "kill_containers"]


def test_a_task_is_killed_with_its_whole_run(
    make: Factory,
    client: LoggedIn,
    session: Session,
    study: Collaboration,
    nodes: list[Node],
    events: list[Event],
) -> None:
    parent = make.task(study, nodes[0].organization, status=TaskStatus.ACTIVE)
    child = make.task(study, *study.organizations, parent=parent)
    other = make.task(study)
    assert client.post("/api/kill/task", json={"id": child.id}).status_code == 200
    session.expire_all()
    runs = [*parent.results, *child.results]
    assert [run.status for run in runs] == [TaskStatus.KILLED] * 3
    assert all(run.finished_at for run in runs)
    assert {run.log for run in runs} == {
        f"A user stopped task {child.id}, to whose run this belongs"
    }
    assert {run.status for run in other.results} == {TaskStatus.PENDING}
    (kill,) = kills(events)
    assert kill.rooms == tuple(f"node_{node.id}" for node in nodes)
    assert kill.payload == {
        "kill_list": [
            {
                "task_id": run.task_id,
                "result_id": run.id,
                "organization_id": run.organization_id,
            }
            for run in runs
        ],
        "collaboration_id": study.id,
    }
    told = {event.payload["result_id"] for event in events if event.name == "status_update"}
    assert told == {run.id for run in runs}


def test_what_has_ended_stays_as_it_ended(
    make: Factory, client: LoggedIn, session: Session, study: Collaboration, nodes: list[Node]
) -> None:
    ended = make.task(study, status=TaskStatus.COMPLETED)
    child = make.task(study, parent=ended)
    assert client.post("/api/kill/task", json={"id": child.id}).status_code == 200
    session.expire_all()
    assert {run.status for run in ended.results} == {TaskStatus.COMPLETED}
    again = client.post("/api/kill/task", json={"id": child.id})
    assert (again.status_code, "finished" in again.json["msg"]) == (400, True)


def test_a_node_that_reports_a_killed_run_is_refused(
    make: Factory,
    client: LoggedIn,
    login_as: Login,
    session: Session,
    study: Collaboration,
    nodes: list[Node],
) -> None:
    task = make.task(study, nodes[0].organization)
    client.post("/api/kill/task", json={"id": task.id})
    node = login_as(nodes[0])
    report = {"status": "completed", "result": "QUJD"}
    assert node.patch(f"/api/result/{task.results[0].id}", json=report).status_code == 400
    session.expire_all()
    assert task.results[0].status is TaskStatus.KILLED
    assert task.results[0].result is None
    open_runs = node.get(f"/api/result?state=open&include=task&node_id={nodes[0].id}")
    assert open_runs.json == []


def test_the_container_of_a_killed_run_is_locked_out(
    make: Factory, client: LoggedIn, login_as: Login, study: Collaboration, nodes: list[Node]
) -> None:
    task = make.task(study, nodes[0].organization)
    container = login_as(task.results[0])
    assert container.get(f"/api/task/{task.id}").status_code == 200
    client.post("/api/kill/task", json={"id": task.id})
    assert container.get(f"/api/task/{task.id}").status_code == 401


def test_all_runs_of_a_node_are_killed_and_those_of_others_go_on(
    make: Factory,
    client: LoggedIn,
    session: Session,
    study: Collaboration,
    nodes: list[Node],
    events: list[Event],
) -> None:
    tasks = [make.task(study), make.task(study)]
    elsewhere = make.task(make.collaboration(nodes[0].organization))
    answer = client.post("/api/kill/node/tasks", json={"id": nodes[0].id})
    assert answer.status_code == 200
    assert "2 run" in answer.json["msg"]
    session.expire_all()
    for task in tasks:
        assert [run.status for run in task.results] == [TaskStatus.KILLED, TaskStatus.PENDING]
    assert elsewhere.results[0].status is TaskStatus.PENDING
    assert "this node" in (tasks[0].results[0].log or "")
    (kill,) = kills(events)
    assert kill.rooms == (f"node_{nodes[0].id}",)
    assert kill.payload["node_id"] == nodes[0].id
    assert len(kill.payload["kill_list"]) == 2
    nothing = client.post("/api/kill/node/tasks", json={"id": nodes[0].id})
    assert (nothing.status_code, len(kills(events))) == (200, 1)


def test_a_node_without_a_collaboration_runs_nothing(
    make: Factory, login_as: Login, root: User, study: Collaboration, nodes: list[Node]
) -> None:
    login_as(root).delete(f"/api/collaboration/{study.id}/node", json={"id": nodes[0].id})
    answer = login_as(root).post("/api/kill/node/tasks", json={"id": nodes[0].id})
    assert answer.status_code == 404


def test_what_cannot_be_seen_looks_as_if_it_were_not_there(
    make: Factory, client: LoggedIn, login_as: Login, root: User
) -> None:
    stranger = make.organization()
    foreign = make.collaboration(stranger)
    node, task = make.node(stranger, foreign), make.task(foreign)
    for path, id_ in (("node/tasks", node.id), ("task", task.id)):
        theirs = client.post(f"/api/kill/{path}", json={"id": id_})
        nobodys = client.post(f"/api/kill/{path}", json={"id": 999})
        assert (theirs.status_code, theirs.json) == (403, nobodys.json)
        missing = login_as(root).post(f"/api/kill/{path}", json={"id": 999})
        assert missing.status_code == 404


def test_nodes_are_told_to_stop_what_is_deleted(
    make: Factory,
    client: LoggedIn,
    study: Collaboration,
    nodes: list[Node],
    events: list[Event],
) -> None:
    parent = make.task(study, nodes[0].organization, status=TaskStatus.ACTIVE)
    child = make.task(study, nodes[0].organization, parent=parent, status=TaskStatus.ACTIVE)
    grandchild = make.task(study, nodes[1].organization, parent=child)
    assert client.delete(f"/api/task/{child.id}").status_code == 200
    (kill,) = kills(events)
    assert kill.rooms == tuple(f"node_{node.id}" for node in nodes)
    told = [run["task_id"] for run in kill.payload["kill_list"]]
    assert told == [child.id, grandchild.id]
    done = make.task(study, status=TaskStatus.COMPLETED)
    client.delete(f"/api/task/{done.id}")
    assert len(kills(events)) == 1


def test_kills_are_on_the_audit_trail(
    make: Factory,
    client: LoggedIn,
    study: Collaboration,
    nodes: list[Node],
    caplog: pytest.LogCaptureFixture,
) -> None:
    task: Task = make.task(study)
    client.post("/api/kill/task", json={"id": task.id})
    client.post("/api/kill/node/tasks", json={"id": nodes[0].id})
    lines = [r.getMessage() for r in caplog.records if r.name == "vantage6.audit"]
    assert any('"task.kill"' in line and f'"task_id": {task.id}' in line for line in lines)
    assert any('"node.kill_tasks"' in line for line in lines)


def test_subtasks_that_come_meanwhile_are_killed_too(
    make: Factory,
    client: LoggedIn,
    study: Collaboration,
    nodes: list[Node],
    session: Session,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from vantage6.server.service import kill

    task = make.task(study, nodes[0].organization)
    look, looks = kill.open_runs, []

    def look_and_be_overtaken(session: Session, condition: object) -> list[Result]:
        found: list[Result] = look(session, condition)  # type: ignore[arg-type]
        looks.append(found)
        if len(looks) == 1:
            late = Task(run_id=task.run_id, parent_id=task.id, collaboration_id=study.id)
            late.initiator_id = nodes[0].organization_id
            late.results = [Result(organization_id=nodes[1].organization_id)]
            session.add(late)
            session.flush()
        return found

    monkeypatch.setattr(kill, "open_runs", look_and_be_overtaken)
    client.post("/api/kill/task", json={"id": task.id})
    session.expire_all()
    (late,) = task.children
    assert late.results[0].status is TaskStatus.KILLED
