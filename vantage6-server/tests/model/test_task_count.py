"""The numbers of tasks: right after everything that can happen to tasks."""

from collections import Counter
from collections.abc import Callable

import pytest
from clients import Login
from factories import Factory
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from vantage6.server.model import Collaboration, Member, Organization, Run, Task, TaskCount, User
from vantage6.server.model.task_count import counted


@pytest.fixture
def hospital(make: Factory) -> Organization:
    return make.organization()


@pytest.fixture
def studies(make: Factory, hospital: Organization) -> list[Collaboration]:
    """Two collaborations: one with two tasks and a subtask, one with a single task."""
    first, second = make.collaboration(hospital), make.collaboration(hospital)
    make.task(first)
    make.task(first, parent=make.task(first))
    make.task(second)
    return [first, second]


Change = Callable[[Session, list[Collaboration]], object]

CHANGES: dict[str, Change] = {
    "nothing": lambda session, studies: None,
    "a subtask goes with its parent": lambda session, studies: session.execute(
        text("DELETE FROM task WHERE id = 2")
    ),
    "all tasks go": lambda session, studies: session.execute(text("DELETE FROM task")),
    "a collaboration goes": lambda session, studies: session.delete(studies[0]),
    "the organization goes": lambda session, studies: session.delete(studies[0].organizations[0]),
    "a task moves": lambda session, studies: session.execute(
        text("UPDATE task SET collaboration_id = 2 WHERE id = 1")
    ),
    "a task changes its name": lambda session, studies: session.execute(
        text("UPDATE task SET name = 'new'")
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_the_numbers_follow_the_tasks(
    session: Session, studies: list[Collaboration], change: Change
) -> None:
    change(session, studies)
    session.commit()
    numbers = {row.collaboration_id: row.tasks for row in session.execute(select(TaskCount))}
    tasks = Counter(session.scalars(select(Task.collaboration_id)))
    assert Counter(numbers) == tasks


def test_many_tasks_of_one_statement_are_counted_too(
    session: Session, studies: list[Collaboration]
) -> None:
    session.execute(
        text("INSERT INTO task (collaboration_id, run_id, initiator_id) "
             "SELECT collaboration_id, run_id, initiator_id FROM task")
    )  # fmt: skip
    assert session.execute(select(TaskCount)).all() == [(1, 6), (2, 2)]


def test_what_is_rolled_back_does_not_count(
    session: Session, studies: list[Collaboration], hospital: Organization
) -> None:
    session.add(Task(collaboration=studies[0], run=Run(), initiator=hospital))
    session.flush()
    session.rollback()
    assert session.execute(select(TaskCount)).all() == [(1, 3), (2, 1)]


def test_a_list_takes_its_total_from_the_numbers_where_they_tell_it(
    session: Session, studies: list[Collaboration], hospital: Organization
) -> None:
    members = select(Member.c.collaboration_id).where(Member.c.organization_id == hospital.id)
    tasks = select(Task)
    known = {
        tasks: 4,
        tasks.where(Task.collaboration_id == studies[0].id): 3,
        tasks.where(Task.collaboration_id.in_(members)): 4,
        tasks.where(Task.collaboration_id == 99): 0,
    }
    for query, number in known.items():
        total = counted(query)
        assert total is not None
        assert session.scalar(total) == number
    unknown = (Task.id == 1, Task.id.in_(select(Task.id)), Task.results.any())
    for condition in unknown:
        assert counted(tasks.where(Task.collaboration_id == 1, condition)) is None


def test_the_total_of_a_list_counts_what_the_caller_sees(
    make: Factory, login_as: Login, root: User, studies: list[Collaboration]
) -> None:
    stranger = make.organization()
    make.task(make.collaboration(stranger))
    seen = {
        login_as(root): {"": "5", "collaboration_id=1": "3", "run_id=1": "1", "name=task%": "5"},
        login_as(make.user(studies[0].organizations[0], role="Researcher")): {
            "": "4",
            "collaboration_id=2": "1",
            "collaboration_id=3": "0",
        },
    }
    for client, totals in seen.items():
        for query, total in totals.items():
            assert client.get(f"/api/task?{query}").headers["total-count"] == total, query
    one = login_as(root).get("/api/collaboration/1/task")
    assert one.headers["total-count"] == "3"
