"""k of n: settled by enough answers, by too many failures or by the clock; the rest is late."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import product
from typing import Any

import pytest
from clients import Login
from factories import IMAGE, Factory
from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus, is_final
from vantage6.server.model import Result, Run, Task
from vantage6.server.model.base import now
from vantage6.server.service import settling
from vantage6.server.service import task as service
from vantage6.server.service.event import Event

LATER = timedelta(hours=1)
STATES = [
    TaskStatus.PENDING,
    TaskStatus.ACTIVE,
    TaskStatus.COMPLETED,
    TaskStatus.CRASHED,
    TaskStatus.FAILED,
]


class Study:
    """Three hospitals with a node each, and a researcher in the first."""

    def __init__(self, make: Factory, login_as: Login, app: Flask) -> None:
        self.hospitals = [make.organization() for _ in range(3)]
        self.collaboration = make.collaboration(*self.hospitals)
        self.nodes = [
            login_as(make.node(hospital, self.collaboration)) for hospital in self.hospitals
        ]
        self.researcher = login_as(make.user(self.hospitals[0], role="Researcher"))
        self.database = app.extensions["database"]

    def post(self, **values: Any) -> Any:
        """The answer to an order for all three."""
        order = {
            "collaboration_id": self.collaboration.id,
            "organizations": [{"id": hospital.id, "input": ""} for hospital in self.hospitals],
            "image": IMAGE,
        }
        return self.researcher.post("/api/task", json={**order, **values})

    def ask(self, **values: Any) -> int:
        """A task for all three; its id."""
        made = self.post(**values)
        assert made.status_code == 201, made.json
        id_: int = made.json["id"]
        return id_

    def answer(self, task_id: int, place: int, status: str = "completed") -> dict[str, Any]:
        """Let one node report the end of its run; the run as the server shows it."""
        run = self.runs(task_id)[place]
        result = {"result": "QUJD"} if status == "completed" else {"log": "It did not work"}
        report = {"status": status, **result}
        answer = self.nodes[place].patch(f"/api/result/{run['id']}", json=report)
        assert answer.status_code == 200, answer.json
        shown: dict[str, Any] = answer.json
        return shown

    def task(self, id_: int, wait: float = 0) -> dict[str, Any]:
        """A task as its researcher sees it."""
        shown: dict[str, Any] = self.researcher.get(f"/api/task/{id_}?wait={wait}").json
        return shown

    def runs(self, task_id: int) -> list[dict[str, Any]]:
        """Its runs."""
        shown: list[dict[str, Any]] = self.researcher.get(f"/api/task/{task_id}/result").json
        return shown

    def set_deadline(self, task_id: int, moment: Any) -> None:
        """Move a deadline, as if time had passed."""
        with self.database.transaction() as session:
            session.execute(update(Task).where(Task.id == task_id).values(deadline=moment))


@pytest.fixture
def study(make: Factory, login_as: Login, app: Flask) -> Study:
    return Study(make, login_as, app)


def state(task: dict[str, Any]) -> tuple[str, bool]:
    return task["status"], task["complete"]


def settled(events: list[Event]) -> list[Any]:
    return [told.payload["task_id"] for told in events if told.name == "task_settled"]


def test_a_task_is_over_with_enough_answers_and_later_ones_are_late(
    study: Study, events: list[Event]
) -> None:
    id_ = study.ask(quorum=2)
    assert study.task(id_)["quorum"] == 2
    assert study.answer(id_, 0)["late"] is False
    assert (state(study.task(id_)), settled(events)) == (("active", False), [])
    assert study.answer(id_, 2)["late"] is False
    over = study.task(id_)
    assert (state(over), settled(events)) == (("completed", True), [id_])
    late = study.answer(id_, 1)
    assert (late["late"], late["status"], late["result"]) == (True, "completed", "QUJD")
    after = study.task(id_)
    assert after["settled_at"] == over["settled_at"]
    assert (state(after), settled(events)) == (("completed", True), [id_])


def test_failures_do_not_count_and_enough_answers_outweigh_them(study: Study) -> None:
    id_ = study.ask(quorum=2)
    study.answer(id_, 0, "crashed")
    study.answer(id_, 1)
    assert state(study.task(id_)) == ("active", False)
    study.answer(id_, 2)
    assert state(study.task(id_)) == ("completed", True)


def test_a_task_that_cannot_get_enough_answers_any_more_has_failed(study: Study) -> None:
    id_ = study.ask(quorum=2)
    study.answer(id_, 0, "crashed")
    study.answer(id_, 1, "not allowed")
    assert state(study.task(id_)) == ("crashed", True)
    assert study.answer(id_, 2)["late"] is True
    assert state(study.task(id_)) == ("crashed", True)


@pytest.mark.parametrize(
    ("limits", "status"),
    [({"quorum": 1}, "completed"), ({"quorum": 2}, "failed"), ({}, "failed")],
    ids=["enough", "too-few", "all-were-asked"],
)
def test_at_its_deadline_a_task_is_over_with_what_there_is(
    study: Study, limits: dict[str, int], status: str, events: list[Event]
) -> None:
    id_ = study.ask(deadline=(now() + LATER).isoformat())
    study.answer(id_, 0)
    assert state(study.task(id_)) == ("active", False)
    with study.database.transaction() as session:
        session.execute(update(Task).where(Task.id == id_).values(**(limits or {"quorum": None})))
    passed = now()
    study.set_deadline(id_, passed)
    over = study.task(id_)
    assert state(over) == (status, True)
    assert over["settled_at"] == over["deadline"] == passed.isoformat()
    assert settled(events) == [id_]
    assert [run["late"] for run in study.runs(id_)] == [False] * 3
    assert study.answer(id_, 1)["late"] is True
    assert state(study.task(id_)) == (status, True)


def test_a_deadline_alone_gives_nothing_up_early(study: Study) -> None:
    id_ = study.ask(deadline=(now() + LATER).isoformat())
    study.answer(id_, 0, "crashed")
    assert state(study.task(id_)) == ("active", False)
    study.answer(id_, 1)
    assert study.answer(id_, 2)["late"] is False
    over = study.task(id_)
    assert (state(over), over["settled_at"] is not None) == (("crashed", True), True)


def test_an_answer_after_the_deadline_is_late_before_anybody_looked(
    study: Study, events: list[Event]
) -> None:
    id_ = study.ask(quorum=1, deadline=(now() + LATER).isoformat())
    study.set_deadline(id_, now())
    assert study.answer(id_, 0)["late"] is True
    assert (state(study.task(id_)), settled(events)) == (("failed", True), [id_])


def test_no_clock_but_that_of_the_server_makes_an_answer_late_or_not(study: Study) -> None:
    id_ = study.ask(quorum=2)
    run = study.runs(id_)[0]
    years_later = {"status": "completed", "result": "QUJD", "finished_at": "2999-01-01T00:00:00"}
    answer = study.nodes[0].patch(f"/api/result/{run['id']}", json=years_later)
    assert answer.json["late"] is False
    study.answer(id_, 1)
    years_ago = {**years_later, "finished_at": "2001-01-01T00:00:00"}
    run = study.runs(id_)[2]
    assert study.nodes[2].patch(f"/api/result/{run['id']}", json=years_ago).json["late"] is True


def test_housekeeping_settles_what_is_due_and_nothing_else(
    study: Study, events: list[Event], session: Session
) -> None:
    due, not_due, without = (
        study.ask(deadline=(now() + LATER).isoformat()),
        study.ask(deadline=(now() + LATER).isoformat()),
        study.ask(quorum=1),
    )
    assert settling.settle_all_due(study.database) == 0
    study.set_deadline(due, now())
    assert settling.settle_all_due(study.database) == 1
    assert settling.settle_all_due(study.database) == 0
    assert settled(events) == [due]
    session.expire_all()
    assert [session.get_one(Task, id_).settled_at for id_ in (not_due, without)] == [None] * 2


def test_who_waits_is_answered_at_the_deadline(study: Study) -> None:
    id_ = study.ask(deadline=(now() + LATER).isoformat())
    study.set_deadline(id_, now() + timedelta(seconds=0.3))
    assert state(study.task(id_, wait=50)) == ("failed", True)


def test_who_waits_is_answered_with_the_last_answer_that_is_needed(
    study: Study, app: Flask
) -> None:
    id_ = study.ask(quorum=1)
    events = app.extensions["events"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(study.task, id_, 50)
        gone = threading.Event()
        while not events.count_waiting():
            assert not waiting.done()
            gone.wait(0.01)
        study.answer(id_, 1)
        assert state(waiting.result()) == ("completed", True)


def test_of_two_last_answers_at_once_one_settles_the_task(
    study: Study, events: list[Event]
) -> None:
    for quorum in (1, 2) * 3:
        id_ = study.ask(quorum=quorum)
        with ThreadPoolExecutor(3) as pool:
            shown = list(pool.map(partial(study.answer, id_), range(3)))
        assert sorted(run["late"] for run in shown) == [False] * quorum + [True] * (3 - quorum)
        assert state(study.task(id_)) == ("completed", True)
    assert len(settled(events)) == len(set(settled(events))) == 6


def test_open_runs_of_a_settled_task_go_on_and_can_be_killed(
    study: Study, login_as: Login, make: Factory
) -> None:
    id_ = study.ask(quorum=1)
    study.answer(id_, 0)
    of_node = f"/api/result?state=open&node_id={study.runs(id_)[1]['node']['id']}"
    assert [run["task"]["id"] for run in study.nodes[1].get(of_node).json] == [id_]
    assert study.researcher.post("/api/kill/task", json={"id": id_}).status_code == 200
    killed = study.runs(id_)[1]
    assert (killed["status"], killed["late"]) == ("killed by user", True)
    assert state(study.task(id_)) == ("completed", True)


def test_a_task_that_is_killed_is_settled_without_its_answers(
    study: Study, events: list[Event]
) -> None:
    id_ = study.ask(quorum=2)
    study.answer(id_, 0)
    assert study.researcher.post("/api/kill/task", json={"id": id_}).status_code == 200
    assert state(study.task(id_)) == ("killed by user", True)
    assert settled(events) == [id_]


def test_a_container_may_order_subtasks_for_k_of_n(
    study: Study, login_as: Login, session: Session
) -> None:
    parent = study.ask()
    container = login_as(session.scalars(select(Result).where(Result.task_id == parent)).first())
    order = {
        "collaboration_id": study.collaboration.id,
        "organizations": [{"id": hospital.id, "input": ""} for hospital in study.hospitals],
        "image": IMAGE,
        "quorum": 1,
    }
    child = container.post("/api/task", json=order)
    assert child.status_code == 201
    study.answer(child.json["id"], 1)
    assert container.get(f"/api/task/{child.json['id']}").json["complete"] is True
    assert state(study.task(parent)) == ("pending", False)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "more-than-asked": ({"quorum": 4}, "4 answers cannot come from 3 organization(s)"),
    "none": ({"quorum": 0}, "quorum"),
    "no-number": ({"quorum": "most"}, "quorum"),
    "past": ({"deadline": "2001-01-01T00:00:00+00:00"}, "has passed"),
    "no-moment": ({"deadline": "soon"}, "Not a moment"),
}


@pytest.mark.parametrize(("limits", "said"), REFUSED.values(), ids=REFUSED)
def test_limits_that_cannot_be_kept_are_refused(
    study: Study, limits: dict[str, Any], said: str, session: Session
) -> None:
    refused = study.post(**limits)
    assert refused.status_code == 400
    assert said in str(refused.json)
    assert session.scalars(select(Task)).all() == []


def test_an_order_that_is_repeated_after_its_deadline_is_the_same_task(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def order() -> Any:
        path, headers = "/api/task", {"Authorization": f"Bearer {study.researcher.token}"}
        return study.researcher.post(
            path, json=body, headers={**headers, "Idempotency-Key": "word"}
        )

    body = {
        "collaboration_id": study.collaboration.id,
        "organizations": [{"id": study.hospitals[0].id, "input": ""}],
        "image": IMAGE,
        "deadline": (now() + timedelta(seconds=30)).isoformat(),
    }
    id_ = order().json["id"]
    study.set_deadline(id_, now())
    assert state(study.task(id_)) == ("failed", True)
    monkeypatch.setattr(service, "now", lambda: now() + LATER)
    again = order()
    assert (again.status_code, again.json["id"]) == (201, id_)


def test_tasks_are_found_by_the_state_in_which_they_are_shown(
    study: Study, session: Session
) -> None:
    limits = ({"quorum": 1}, {"quorum": 2}, {"deadline": now()}, {"quorum": 1, "deadline": now()})
    ends = [
        (status, late)
        for status in STATES
        for late in ((False, True) if is_final(status) else (False,))
    ]
    for limit, first, second in product(limits, ends, ends):
        is_over = "deadline" in limit or first[1] or second[1]
        session.add(
            Task(
                collaboration_id=study.collaboration.id,
                run=Run(),
                initiator_id=study.hospitals[0].id,
                settled_at=now() if is_over else None,
                results=[
                    Result(organization_id=hospital.id, status=status, late=late)
                    for hospital, (status, late) in zip(
                        study.hospitals[:2], (first, second), strict=True
                    )
                ],
                **limit,
            )
        )
    session.commit()
    shown = {task.id: task.status for task in session.scalars(select(Task))}
    assert len(set(shown.values())) == 5
    for status in TaskStatus:
        found = session.scalars(select(Task.id).where(service.has_status(status)))
        assert set(found) == {id_ for id_, state in shown.items() if state is status}, status


def test_a_task_without_limits_is_shown_and_counted_as_ever(
    study: Study, events: list[Event]
) -> None:
    id_ = study.ask()
    for place, status in enumerate(("completed", "crashed", "completed")):
        assert not study.task(id_)["complete"]
        assert study.answer(id_, place, status)["late"] is False
    shown = study.task(id_)
    assert (state(shown), shown["settled_at"], settled(events)) == (("crashed", True), None, [])


def test_who_reports_for_a_task_without_limits_holds_no_task(study: Study) -> None:
    id_ = study.ask()
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    run = study.runs(id_)[0]
    event.listen(study.database.engine, "before_cursor_execute", note)
    report = {"status": "completed", "result": "QUJD"}
    study.nodes[0].patch(f"/api/result/{run['id']}", json=report)
    event.remove(study.database.engine, "before_cursor_execute", note)
    assert asked
    assert not [line for line in asked if "UPDATE task" in line or "FROM task" in line]
