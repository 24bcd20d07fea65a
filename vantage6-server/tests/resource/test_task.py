"""Tasks: who may ask whom, what is announced, and waiting for the end."""

import threading
from itertools import product
from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import AUTHENTICATED, ENVELOPE, IMAGE, Factory, ids
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus, combined
from vantage6.server.model import Organization, Result, Run, Task, User
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service import task as service
from vantage6.server.service.event import Event


class Study:
    """Two hospitals with a node each, and a researcher in the first."""

    def __init__(self, make: Factory, login_as: Login, *, encrypted: bool = False) -> None:
        self.first, self.second = make.organization(), make.organization()
        self.collaboration = make.collaboration(self.first, self.second, encrypted=encrypted)
        self.nodes = [
            make.node(organization, self.collaboration)
            for organization in (self.first, self.second)
        ]
        self.user = make.user(self.first, role="Researcher")
        self.researcher = login_as(self.user)

    def order(self, *organizations: Organization, **values: Any) -> dict[str, Any]:
        """The body of a request for a task."""
        return {
            "collaboration_id": self.collaboration.id,
            "organizations": [{"id": item.id, "input": "aW5wdXQ="} for item in organizations],
            "image": IMAGE,
            **values,
        }


@pytest.fixture
def study(make: Factory, login_as: Login) -> Study:
    return Study(make, login_as)


def test_a_task_has_a_run_for_each_organization(study: Study, session: Session) -> None:
    order = study.order(
        study.second, study.first, name="mean", description="of ages", database="default"
    )
    made = study.researcher.post("/api/task", json=order)
    assert made.status_code == 201
    runs = session.scalars(select(Result).order_by(Result.id)).all()
    assert [run.organization_id for run in runs] == [study.second.id, study.first.id]
    assert made.json == {
        "id": 1,
        "run_id": 1,
        "name": "mean",
        "description": "of ages",
        "image": IMAGE,
        "database": "default",
        "initiator": study.first.id,
        "init_user": study.user.id,
        "complete": False,
        "status": "pending",
        "quorum": None,
        "deadline": None,
        "settled_at": None,
        "collaboration": {
            "id": study.collaboration.id,
            "link": f"/api/collaboration/{study.collaboration.id}",
            "methods": ["GET", "PATCH", "DELETE"],
        },
        "parent": None,
        "children": None,
        "results": [
            {"id": run.id, "link": f"/api/result/{run.id}", "methods": ["GET", "PATCH"]}
            for run in runs
        ],
    }


def test_a_task_is_announced_to_the_nodes_that_run_it(study: Study, events: list[Event]) -> None:
    study.researcher.post("/api/task", json=study.order(study.second))
    status, new = events
    assert (new.name, new.payload) == ("new_task", 1)
    assert new.rooms == (f"node_{study.nodes[1].id}",)
    assert status.name == "status_update"
    assert status.rooms == (f"collaboration_{study.collaboration.id}_users",)
    assert status.payload["status"] == "pending"


def test_a_refused_task_leaves_nothing_behind(
    study: Study, make: Factory, session: Session, events: list[Event]
) -> None:
    order = study.order(study.first, make.organization())
    assert study.researcher.post("/api/task", json=order).status_code == 400
    assert session.scalars(select(Task)).all() == []
    assert events == []


def test_a_task_without_organizations_is_complete_at_once(study: Study) -> None:
    made = study.researcher.post("/api/task", json=study.order())
    assert made.status_code == 201
    assert (made.json["complete"], made.json["status"]) == (True, "completed")
    assert made.json["results"] is None


def test_run_ids_count_user_tasks_and_never_come_back(study: Study, make: Factory) -> None:
    first = study.researcher.post("/api/task", json=study.order()).json
    make.task(study.collaboration, parent=make.session.get(Task, first["id"]))
    second = study.researcher.post("/api/task", json=study.order()).json
    assert (first["run_id"], second["run_id"]) == (1, 2)
    study.researcher.delete(f"/api/task/{second['id']}")
    third = study.researcher.post("/api/task", json=study.order()).json
    assert third["run_id"] == 3
    assert third["id"] > second["id"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"collaboration_id": None}, "collaboration_id"),
        ({"collaboration_id": 2**40}, "collaboration_id"),
        ({"organizations": None}, "organizations"),
        ({"organizations": [1]}, "organizations"),
        ({"organizations": [{"input": "x"}]}, "organizations"),
        ({"organizations": [{"id": 999}]}, "organizations"),
        ({"image": "Not An Image"}, "image"),
        ({"databases": ["default"]}, "databases"),
    ],
)
def test_what_is_wrong_with_an_order_is_said_by_field(
    study: Study, change: dict[str, Any], field: str
) -> None:
    answer = study.researcher.post("/api/task", json=study.order(**change))
    assert answer.status_code == 400
    assert list(answer.json["errors"]) == [field]


def test_organizations_without_a_node_or_named_twice_are_refused(
    study: Study, make: Factory, session: Session
) -> None:
    session.delete(study.nodes[1])
    session.commit()
    missing = study.researcher.post("/api/task", json=study.order(study.first, study.second))
    assert missing.status_code == 400
    assert str(study.second.id) in missing.json["msg"]
    twice = study.researcher.post("/api/task", json=study.order(study.first, study.first))
    assert twice.status_code == 400


def test_master_runs_the_part_of_the_own_organization_only(study: Study, session: Session) -> None:
    order = study.order(study.first, study.second, master=True)
    study.researcher.post("/api/task", json=order)
    runs = session.scalars(select(Result)).all()
    assert [run.organization_id for run in runs] == [study.first.id]
    order = study.order(study.second, master=True)
    assert study.researcher.post("/api/task", json=order).status_code == 400


def test_an_input_is_kept_as_text(study: Study, session: Session) -> None:
    order = study.order(organizations=[{"id": study.first.id, "input": {"method": "mean"}}])
    study.researcher.post("/api/task", json=order)
    assert session.scalars(select(Result.input)).one() == '{"method": "mean"}'


def test_a_run_may_have_no_input(study: Study, session: Session) -> None:
    order = study.order(organizations=[{"id": study.first.id}])
    assert study.researcher.post("/api/task", json=order).status_code == 201
    assert session.scalars(select(Result.input)).one() is None


def test_nobody_asks_in_a_collaboration_of_others_not_even_with_every_rule(
    study: Study, make: Factory, login_as: Login, root: User
) -> None:
    order = study.order(study.first)
    everything = login_as(root)
    assert everything.post("/api/task", json=order).status_code == 403
    assert everything.post("/api/task", json={**order, "collaboration_id": 999}).status_code == 404
    stranger = login_as(make.user(role="Researcher"))
    hidden = stranger.post("/api/task", json=order)
    missing = stranger.post("/api/task", json={**order, "collaboration_id": 999})
    assert (hidden.status_code, hidden.json) == (missing.status_code, missing.json)
    assert hidden.status_code == 403


@pytest.mark.parametrize(
    ("encrypted", "text", "status"),
    [(True, ENVELOPE, 201), (True, AUTHENTICATED, 201), (True, "aW5wdXQ=", 400), (True, None, 400),
     (False, "aW5wdXQ=", 201), (False, ENVELOPE, 400), (False, AUTHENTICATED, 400)],
)  # fmt: skip
def test_inputs_are_encrypted_where_the_collaboration_is(
    make: Factory, login_as: Login, encrypted: bool, text: str | None, status: int
) -> None:
    study = Study(make, login_as, encrypted=encrypted)
    order = study.order(organizations=[{"id": study.first.id, "input": text}])
    assert study.researcher.post("/api/task", json=order).status_code == status


def test_a_container_creates_subtasks_in_its_own_run(
    study: Study, make: Factory, login_as: Login
) -> None:
    parent = make.task(study.collaboration, study.second, init_user=study.user)
    container = login_as(parent.results[0])
    order = study.order(study.first, study.second, name="subtask", master=True)
    made = container.post("/api/task", json=order)
    assert made.status_code == 201
    assert made.json["parent"]["id"] == parent.id
    assert made.json["run_id"] == parent.run_id
    assert made.json["init_user"] == study.user.id
    assert made.json["initiator"] == study.second.id
    assert len(made.json["results"]) == 2, "`master` is for users"
    assert ids(study.researcher.get(f"/api/task/{parent.id}").json["children"]) == [2]


@pytest.mark.parametrize(
    ("image", "status"),
    [
        (IMAGE, 201),
        ("evil.example/" + IMAGE, 403),
        ("registry.example/algorithm:2", 403),
        ("registry.example/algorithm", 403),
        ("", 403),
    ],
)
def test_a_container_creates_tasks_with_its_own_image_only(
    study: Study, make: Factory, login_as: Login, image: str, status: int
) -> None:
    container = login_as(make.task(study.collaboration, study.first).results[0])
    order = study.order(study.first, image=image)
    assert container.post("/api/task", json=order).status_code == status


def test_a_container_may_spell_its_image_in_another_way(
    study: Study, make: Factory, login_as: Login
) -> None:
    container = login_as(make.task(study.collaboration, study.first, image="average").results[0])
    order = study.order(study.first, image="docker.io/library/average:latest")
    assert container.post("/api/task", json=order).status_code == 201


def test_a_container_creates_tasks_in_its_own_collaboration_only(
    study: Study, make: Factory, login_as: Login
) -> None:
    elsewhere = make.collaboration(study.first)
    make.node(study.first, elsewhere)
    container = login_as(make.task(study.collaboration, study.first).results[0])
    for collaboration_id in (elsewhere.id, 999):
        order = study.order(study.first, collaboration_id=collaboration_id)
        assert container.post("/api/task", json=order).status_code == 403


def test_the_newest_tasks_come_first_and_can_be_filtered(study: Study, make: Factory) -> None:
    parent = make.task(study.collaboration, study.first, name="first", description="of ages")
    child = make.task(
        study.collaboration, study.second, parent=parent, image="average", init_user=study.user
    )
    get = study.researcher.get
    assert ids(get("/api/task").json) == [child.id, parent.id]
    for query, found in {
        "name=fi%25": parent,
        "description=%25ages": parent,
        "image=aver%25": child,
        f"parent_id={parent.id}": child,
        f"initiator_id={study.second.id}": child,
        f"init_user_id={study.user.id}": child,
        f"result_id={parent.results[0].id}": parent,
    }.items():
        assert ids(get(f"/api/task?{query}").json) == [found.id], query
    for query in (
        f"run_id={parent.run_id}", f"collaboration_id={study.collaboration.id}", "database=default"
    ):  # fmt: skip
        assert len(get(f"/api/task?{query}").json) == 2, query
    assert get("/api/task?status=done").status_code == 400


def test_the_filter_by_status_agrees_with_the_status_that_is_shown(
    study: Study, session: Session
) -> None:
    session.commit()
    for first, second in product(TaskStatus, repeat=2):
        task = Task(
            collaboration_id=study.collaboration.id,
            run=Run(),
            initiator_id=study.first.id,
            results=[
                Result(organization_id=study.first.id, status=first),
                Result(organization_id=study.second.id, status=second),
            ],
        )
        session.add(task)
    session.commit()
    shown = {
        task.id: combined(result.status for result in task.results)
        for task in session.scalars(select(Task))
    }
    for status in TaskStatus:
        found = session.scalars(select(Task.id).where(service.has_status(status)))
        assert set(found) == {id_ for id_, state in shown.items() if state is status}, status


@pytest.mark.parametrize("word", ["results", "result"])
def test_results_are_shown_inside_tasks_on_request(study: Study, make: Factory, word: str) -> None:
    task = make.task(study.collaboration, study.first, input="aW5wdXQ=")
    empty = make.task(study.collaboration)
    make.session.delete(empty.results[0])
    make.session.delete(empty.results[1])
    make.session.commit()
    expected = {
        "id": task.results[0].id,
        "input": "aW5wdXQ=",
        "result": None,
        "input_stored": None,
        "result_stored": None,
        "log": None,
        "status": "pending",
        "assigned_at": task.results[0].assigned_at.isoformat(),
        "started_at": None,
        "finished_at": None,
        "stopped_at": None,
        "late": False,
        "purged_at": None,
        "claim": None,
        "organization": study.first.id,
        "node": {
            "id": study.nodes[0].id,
            "name": study.nodes[0].name,
            "ip": None,
            "status": None,
        },
        "ports": [],
    }
    one = study.researcher.get(f"/api/task/{task.id}?include={word}").json
    assert one["results"] == [expected]
    expected["input"] = None
    many = study.researcher.get(f"/api/task?include={word}&include=metadata").json["data"]
    assert [item["results"] for item in many] == [[], [expected]]


def test_results_inside_tasks_are_those_that_may_be_seen(make: Factory, login_as: Login) -> None:
    own, stranger = make.organization(), make.organization()
    theirs = make.task(make.collaboration(stranger))
    rules = [
        rule("task", Scope.GLOBAL, Operation.VIEW),
        rule("result", Scope.ORGANIZATION, Operation.VIEW),
    ]
    client = login_as(make.user(own, rules=rules))
    assert client.get(f"/api/task/{theirs.id}?include=results").json["results"] == []


def test_results_of_one_task_name_their_task_and_organization_by_number(
    study: Study, make: Factory
) -> None:
    task = make.task(study.collaboration)
    make.task(study.collaboration)
    shown = study.researcher.get(f"/api/task/{task.id}/result").json
    assert ids(shown) == ids(task.results)
    assert shown[0]["task"] == task.id
    assert shown[0]["organization"] == study.first.id


def test_a_task_is_deleted_with_its_runs_and_subtasks(
    study: Study, make: Factory, session: Session, events: list[Event]
) -> None:
    task = make.task(study.collaboration)
    make.task(study.collaboration, parent=make.task(study.collaboration, parent=task))
    assert study.researcher.delete(f"/api/task/{task.id}").status_code == 200
    assert session.scalars(select(Task.id)).all() == []
    assert session.scalars(select(Result.id)).all() == []
    told = {event.task_id for event in events if event.name == "task_deleted"}
    assert told == {1, 2, 3}


def test_waiting_ends_when_the_task_does(
    study: Study, make: Factory, login_as: Login, app: Flask
) -> None:
    task = make.task(study.collaboration, study.first)
    node, path = login_as(study.nodes[0]), f"/api/result/{task.results[0].id}"
    waits = _signal_when_waiting(app)
    answers: list[Any] = []
    waiter = threading.Thread(
        target=lambda: answers.append(study.researcher.get(f"/api/task/{task.id}?wait=60"))
    )
    waiter.start()
    waits.wait(30)
    node.patch(path, json={"status": "active"})
    node.patch(path, json={"status": "completed", "result": "eA=="})
    waiter.join()
    assert answers[0].json["status"] == "completed"


def _signal_when_waiting(app: Flask) -> threading.Event:
    """An event that is set once a request has begun to wait, holding no connection."""
    hub, waits = app.extensions["events"], threading.Event()
    wait_for_task = hub.wait_for_task
    pool = app.extensions["database"].engine.pool
    before = pool.checkedout()

    def wait(task_id: int, is_final: Any, timeout: float) -> Any:
        assert pool.checkedout() == before
        waits.set()
        return wait_for_task(task_id, is_final, timeout)

    hub.wait_for_task = wait
    return waits


def test_waiting_ends_with_the_time(study: Study, make: Factory) -> None:
    task = make.task(study.collaboration)
    answer = study.researcher.get(f"/api/task/{task.id}?wait=0.01")
    assert (answer.status_code, answer.json["complete"]) == (200, False)


def test_for_a_task_that_has_ended_nobody_waits(study: Study, make: Factory) -> None:
    task = make.task(study.collaboration, status=TaskStatus.CRASHED)
    answer = study.researcher.get(f"/api/task/{task.id}?wait=60")
    assert (answer.json["complete"], answer.json["status"]) == (True, "crashed")


@pytest.mark.parametrize("wait", ["61", "-1", "nan", "soon"])
def test_nobody_waits_for_ever(study: Study, make: Factory, wait: str) -> None:
    task = make.task(study.collaboration)
    assert study.researcher.get(f"/api/task/{task.id}?wait={wait}").status_code == 400


def test_who_may_not_see_a_task_does_not_wait_for_it(
    study: Study, make: Factory, login_as: Login
) -> None:
    task = make.task(study.collaboration)
    stranger: LoggedIn = login_as(make.user(role="Researcher"))
    assert stranger.get(f"/api/task/{task.id}?wait=60").status_code == 403


def test_a_list_costs_the_same_number_of_queries_whatever_its_length(
    study: Study, make: Factory, app: Flask
) -> None:
    from sqlalchemy import event

    statements: list[str] = []
    engine = app.extensions["database"].engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    def cost() -> int:
        statements.clear()
        study.researcher.get("/api/task?include=results")
        return len(statements)

    make.task(study.collaboration)
    cost()
    of_one = cost()
    for _ in range(5):
        make.task(study.collaboration)
    assert cost() == of_one
