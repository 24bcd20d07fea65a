"""What goes with what is deleted: nothing is orphaned, and no id is given out twice."""

from collections.abc import Iterator

import pytest
from clients import LoggedIn, Login
from factories import Factory
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from tables import dangling

from vantage6.server.model import (
    AlgorithmPort,
    Authenticatable,
    Collaboration,
    Model,
    Node,
    Organization,
    Result,
    Role,
    Task,
    TaskCount,
    User,
)
from vantage6.server.permission.catalogue import RULES

KINDS = (Organization, Collaboration, Node, User, Role, Task, Result, AlgorithmPort)


class World:
    """Two studies of two hospitals, with something of everything in each."""

    def __init__(self, make: Factory) -> None:
        self.session = make.session
        self.hospitals = [make.organization() for _ in range(2)]
        self.studies = [make.collaboration(*self.hospitals) for _ in range(2)]
        self.nodes = [
            make.node(hospital, study) for study in self.studies for hospital in self.hospitals
        ]
        self.role = make.role(self.hospitals[0], RULES[:3])
        self.user = make.user(self.hospitals[0], role="Researcher", rules=RULES[5:7])
        self.user.roles.append(self.role)
        self.tasks = [make.task(study, init_user=self.user) for study in self.studies]
        self.subtasks = [make.task(task.collaboration, parent=task) for task in self.tasks]
        for task in (*self.tasks, *self.subtasks):
            for result in task.results:
                result.ports.append(AlgorithmPort(port=8888, label="web"))
        self.session.commit()

    def numbers(self) -> dict[str, int]:
        """How many there are of each kind."""
        self.session.rollback()
        return {
            kind.__name__: self.session.scalar(select(func.count()).select_from(kind.__table__))
            or 0
            for kind in KINDS
        }


@pytest.fixture
def world(make: Factory) -> World:
    return World(make)


@pytest.fixture
def root(make: Factory, login_as: Login, world: World) -> LoggedIn:
    return login_as(make.user(role="Root"))


@pytest.fixture(autouse=True)
def nothing_is_orphaned(app: Flask, world: World) -> Iterator[None]:
    """What every test leaves behind is whole, with no end loose."""
    yield
    world.session.rollback()
    with app.extensions["database"].engine.connect() as connection:
        assert dangling(connection) == []
        identities = set(connection.scalars(select(Authenticatable.__table__.c.id)))
        people = set(connection.scalars(select(User.__table__.c.id)))
        nodes = set(connection.scalars(select(Node.__table__.c.id)))
        assert identities == people | nodes
        tasks = connection.execute(
            select(Task.collaboration_id, func.count()).group_by(Task.collaboration_id)
        )
        counted = connection.execute(select(TaskCount).where(TaskCount.c.tasks > 0))
        assert dict(map(tuple, counted)) == dict(map(tuple, tasks))


def lost(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    return {name: number - after[name] for name, number in before.items() if number != after[name]}


@pytest.mark.parametrize(
    ("which", "goes"),
    [
        (
            "collaboration",
            {"Collaboration": 1, "Node": 2, "Task": 2, "Result": 4, "AlgorithmPort": 4},
        ),
        ("node", {"Node": 1}),
        ("user", {"User": 1}),
        ("role", {"Role": 1}),
        ("task", {"Task": 2, "Result": 4, "AlgorithmPort": 4}),
    ],
)  # fmt: skip
def test_what_hangs_on_it_goes_and_nothing_else(
    world: World, root: LoggedIn, which: str, goes: dict[str, int]
) -> None:
    one: dict[str, Model] = {
        "collaboration": world.studies[0],
        "node": world.nodes[0],
        "user": world.user,
        "role": world.role,
        "task": world.tasks[0],
    }
    before = world.numbers()
    assert root.delete(f"/api/{which}/{one[which].id}").status_code == 200
    assert lost(before, world.numbers()) == goes


def test_a_subtask_goes_alone(world: World, root: LoggedIn) -> None:
    before = world.numbers()
    assert root.delete(f"/api/task/{world.subtasks[0].id}").status_code == 200
    assert lost(before, world.numbers()) == {"Task": 1, "Result": 2, "AlgorithmPort": 2}


def test_a_task_outlives_its_user(world: World, root: LoggedIn) -> None:
    root.delete(f"/api/user/{world.user.id}")
    task = root.get(f"/api/task/{world.tasks[0].id}").json
    assert (task["init_user"], len(task["results"])) == (None, 2)


def test_a_member_that_leaves_keeps_its_results(world: World, root: LoggedIn) -> None:
    before = world.numbers()
    path = f"/api/collaboration/{world.studies[0].id}/organization"
    assert root.delete(path, json={"id": world.hospitals[0].id}).status_code == 200
    assert lost(before, world.numbers()) == {}
    assert root.get(f"/api/node/{world.nodes[0].id}").json["collaboration"] is None


def test_of_an_organization_everything_goes(world: World, session: Session) -> None:
    before = world.numbers()
    session.delete(world.hospitals[0])
    session.commit()
    # The tasks too: all of them are asked by this organization.
    assert lost(before, world.numbers()) == {
        "Organization": 1, "Node": 2, "User": 1, "Role": 1, "Task": 4, "Result": 8,
        "AlgorithmPort": 8,
    }  # fmt: skip


@pytest.mark.parametrize("kind", ["collaboration", "node", "user", "role"])
def test_an_id_is_not_given_out_again(world: World, root: LoggedIn, kind: str) -> None:
    hospital, study = world.hospitals[0].id, world.studies[1].id
    place = {"organization_id": hospital, "collaboration_id": study}
    assert root.delete(f"/api/node/{world.nodes[2].id}").status_code == 200
    bodies = {
        "collaboration": {"name": "new", "organization_ids": [hospital]},
        "node": place,
        "user": {
            "username": "newcomer", "firstname": "", "lastname": "", "password": "Passw0rd!",
            "email": "new@hospital.example", "organization_id": hospital,
        },
        "role": {"name": "new", "description": "", "rules": [], "organization_id": hospital},
    }  # fmt: skip
    seen = set()
    for _ in range(3):
        made = root.post(f"/api/{kind}", json=bodies[kind]).json["id"]
        seen.add(made)
        assert root.delete(f"/api/{kind}/{made}").status_code == 200
    assert len(seen) == 3


def test_the_ids_of_a_task_are_not_given_out_again(
    world: World, make: Factory, root: LoggedIn
) -> None:
    seen = set()
    for _ in range(3):
        task = make.task(world.studies[0], world.hospitals[0])
        seen |= {("task", task.id), ("run", task.run_id), ("result", task.results[0].id)}
        assert root.delete(f"/api/task/{task.id}").status_code == 200
    assert len(seen) == 9
