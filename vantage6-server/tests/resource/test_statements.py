"""How many statements a list costs: few, and the same for one object as for many."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import AlgorithmPort
from vantage6.server.permission.catalogue import ADMISSION, Kind
from vantage6.server.resource import RESOURCES
from vantage6.server.resource.contract import Shape

# Who calls and what that gives them.
AUTHENTICATION = 1
LIST = 5
PAGE_OF_TASKS = 2
NEW_TASK = 5

ROUTES = [
    resource.route
    for resource in RESOURCES
    if "GET" in resource.contracts and resource.contracts["GET"].shape is not Shape.ONE
]


def queries(route: str) -> Iterator[str]:
    """What a list can be asked for besides its objects."""
    (terms,) = (each.contracts["GET"] for each in RESOURCES if each.route == route)
    yield ""
    for include in terms.all_includes:
        yield f"include={include}"
    yield "&".join(f"include={include}" for include in terms.all_includes)


LISTS = [(route, query) for route in ROUTES for query in queries(route)]


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """All that the database is asked meanwhile."""
    engine, asked = app.extensions["database"].engine, []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement not in ("BEGIN", "BEGIN IMMEDIATE"):
            asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


def grow(make: Factory, session: Session) -> int:
    """Some more of everything, all of it connected; the first id is in all of it."""
    first, second = make.organization(), make.organization()
    make.user(second)
    study = make.collaboration(first, second)
    make.node(first, study)
    make.node(second, study)
    role = make.role(first)
    user = make.user(first, role="Root")
    user.roles.append(role)
    parent = make.task(study, status=TaskStatus.COMPLETED)
    for _ in range(3):
        child = make.task(study, parent=parent)
        session.add(AlgorithmPort(port=8888, label="http", result_id=child.results[0].id))
    session.commit()
    return study.id


@pytest.fixture
def root(make: Factory, session: Session, login_as: Login) -> LoggedIn:
    grow(make, session)
    return login_as(make.user(make.organization(), role="Root"))


def test_every_list_is_looked_at() -> None:
    readable = {
        route for route, methods in ADMISSION.items() if Kind.USER in methods.get("GET", ())
    }
    # Numbers and bytes, not objects
    readable -= {"/stats", "/result/<id>/input", "/result/<id>/output"}
    assert {route for route in readable if not route.endswith("<id>")} == set(ROUTES)


@pytest.mark.parametrize(("route", "query"), LISTS)
def test_a_list_costs_few_statements_whatever_is_in_it(
    app: Flask, make: Factory, session: Session, root: LoggedIn, route: str, query: str
) -> None:
    path = f"/api{route.replace('<id>', '1')}?{query}"
    # The first request also notes that the caller was here.
    assert root.get(path).status_code == 200
    with statements(app) as asked:
        before = root.get(path)
    cost = len(asked)
    assert cost <= AUTHENTICATION + LIST, asked
    for _ in range(3):
        grow(make, session)
    with statements(app) as asked:
        after = root.get(path)
    assert len(asked) == cost, asked
    if "<id>" not in route and route != "/rule":
        assert len(after.data) > len(before.data)


def test_the_first_page_of_tasks_costs_two_statements(app: Flask, root: LoggedIn) -> None:
    path = "/api/task?page=1&per_page=2"
    assert root.get(path).headers["total-count"] == "4"
    with statements(app) as asked:
        assert len(root.get(path).json) == 2
    assert len(asked) == AUTHENTICATION + PAGE_OF_TASKS, asked


def test_a_new_task_costs_as_much_whomever_it_asks(
    app: Flask, make: Factory, session: Session, login_as: Login
) -> None:
    hospitals = [make.organization() for _ in range(5)]
    study = make.collaboration(*hospitals)
    for hospital in hospitals:
        make.node(hospital, study)
    user = login_as(make.user(hospitals[0], role="Root"))
    user.get("/api/task")
    order = {"image": "registry.example/mean:1", "collaboration_id": study.id}
    for number in (1, 2, 5):
        parts = [{"id": one.id, "input": one.name} for one in hospitals[:number]]
        with statements(app) as asked:
            task = user.post("/api/task", json={**order, "organizations": parts}).json
        assert len(asked) == AUTHENTICATION + NEW_TASK, asked
        runs = user.get(f"/api/task/{task['id']}/result").json
        assert [{"id": run["organization"], "input": run["input"]} for run in runs] == parts


def test_a_caller_is_known_by_few_statements(
    app: Flask, make: Factory, root: LoggedIn, login_as: Login
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    callers = [root, login_as(make.node(hospital, study)), login_as(make.task(study).results[0])]
    for caller in callers:
        caller.get("/api/organization/1")
        with statements(app) as asked:
            # Nothing is looked up for what cannot be: only who asks.
            caller.get("/api/organization?none=1")
        assert len(asked) <= AUTHENTICATION, asked


def test_what_a_caller_may_do_is_looked_up_at_every_request(
    make: Factory, session: Session, login_as: Login
) -> None:
    user = make.user(role="Root")
    client = login_as(user)
    assert ids(client.get("/api/task").json) == []
    user.roles.clear()
    session.commit()
    assert client.get("/api/task").status_code == 403
