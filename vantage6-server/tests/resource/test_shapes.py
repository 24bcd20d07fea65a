"""The JSON shape of every entity: keys and types that scripts on the raw API rely on.

A shape says what the classic line shows. Keys of ours may come besides; none of these may go or
change its type. The values of a link are those of the target's own route.
"""

from datetime import datetime
from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory
from flask import Flask

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import User
from vantage6.server.model.algorithm_port import AlgorithmPort

METHODS = {
    "organization": {"GET", "PATCH"},
    "result": {"GET", "PATCH"},
    "collaboration": {"GET", "PATCH", "DELETE"},
    "node": {"GET", "PATCH", "DELETE"},
    "user": {"GET", "PATCH", "DELETE"},
    "role": {"GET", "PATCH", "DELETE"},
    "task": {"GET", "DELETE"},
    "rule": {"GET"},
    "port": {"GET"},
}


def a(*kinds: type) -> Any:
    """A value of one of these types; a boolean is no integer."""
    return lambda value: type(value) in kinds


def is_moment(value: Any) -> bool:
    """A time with the offset of UTC."""
    return value is None or datetime.fromisoformat(value).isoformat()[-6:] == "+00:00"


def link(target: str) -> Any:
    """A reference to one entity."""

    def check(value: Any) -> bool:
        path = f"/api/{target}/{value['id']}"
        return (
            value.keys() == {"id", "link", "methods"}
            and value["link"] == path
            and set(value["methods"]) == METHODS[target]
        )

    return check


def optional(check: Any) -> Any:
    """What may be null instead."""
    return lambda value: value is None or check(value)


def links(target: str) -> Any:
    """References to several entities: null where there are none, never an empty list."""
    return lambda value: value is None or (bool(value) and all(map(link(target), value)))


def all_of(check: Any) -> Any:
    """A plain list, empty where there is nothing."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def shaped(shape: dict[str, Any]) -> Any:
    """A nested object."""
    return lambda value: not wrong(value, shape)


TEXT = a(str)
TEXT_OR_NULL = a(str, type(None))
INT = a(int)
INT_OR_NULL = a(int, type(None))

ORGANIZATION = {
    "id": INT,
    "public_key": TEXT,
    **dict.fromkeys(("name", "domain", "address1", "address2", "zipcode", "country"), TEXT_OR_NULL),
    "collaborations": links("collaboration"),
    "nodes": links("node"),
    "users": links("user"),
    "results": links("result"),
    "roles": all_of(INT),
}
COLLABORATION = {
    "id": INT,
    "name": TEXT,
    "encrypted": a(bool),
    "organizations": links("organization"),
    "nodes": links("node"),
    "tasks": links("task"),
}
NODE_OF_COLLABORATION = {
    "id": INT,
    "name": TEXT_OR_NULL,
    "ip": TEXT_OR_NULL,
    "status": TEXT_OR_NULL,
    "last_seen": is_moment,
    "organization": link("organization"),
}
NODE = {
    **NODE_OF_COLLABORATION,
    "type": lambda value: value == "node",
    "collaboration": optional(link("collaboration")),
}
TASK = {
    "id": INT,
    "run_id": INT,
    **dict.fromkeys(("name", "description", "image", "database"), TEXT),
    "initiator": INT_OR_NULL,
    "init_user": INT_OR_NULL,
    "complete": a(bool),
    "collaboration": optional(link("collaboration")),
    "parent": optional(link("task")),
    "children": links("task"),
    "results": links("result"),
}
NODE_OF_RESULT = {
    "id": INT,
    **dict.fromkeys(("name", "ip", "status"), TEXT_OR_NULL),
}
RESULT_IN_TASK = {
    "id": INT,
    **dict.fromkeys(("input", "result", "log"), TEXT_OR_NULL),
    **dict.fromkeys(("assigned_at", "started_at", "finished_at"), is_moment),
    "organization": INT,
    # without a node: an empty object
    "node": lambda value: value == {} or not wrong(value, NODE_OF_RESULT),
    "ports": all_of(shaped({"id": INT, "port": INT, "label": TEXT_OR_NULL})),
}
RESULT_OF_TASK = {**RESULT_IN_TASK, "task": INT}
RESULT = {**RESULT_IN_TASK, "organization": link("organization"), "task": link("task")}
TASK_IN_RESULT = {key: check for key, check in TASK.items() if key != "results"}
USER = {
    "id": INT,
    **dict.fromkeys(("username", "email"), TEXT),
    **dict.fromkeys(("firstname", "lastname", "ip", "status"), TEXT_OR_NULL),
    "type": lambda value: value == "user",
    "last_seen": is_moment,
    "organization": optional(link("organization")),
    "roles": links("role"),
    "rules": links("rule"),
    "created_tasks": all_of(INT),
    # nobody is shown one
    "otp_secret": a(type(None)),
}
ROLE = {
    "id": INT,
    "name": TEXT,
    "description": TEXT_OR_NULL,
    "organization": optional(link("organization")),
    "rules": links("rule"),
    "users": links("user"),
}
RULE = {
    "id": INT,
    "name": TEXT,
    "operation": lambda value: value in ("VIEW", "EDIT", "CREATE", "DELETE"),
    "scope": lambda value: value in ("OWN", "ORGANIZATION", "COLLABORATION", "GLOBAL"),
    "description": TEXT_OR_NULL,
    "users": links("user"),
}
PORT = {"id": INT, "port": INT, "label": TEXT_OR_NULL, "result": INT}

SHAPES = {
    "organization": ORGANIZATION,
    "organization/{organization}": ORGANIZATION,
    "organization/{organization}/node": NODE,
    "organization/{organization}/collaboration": COLLABORATION,
    "collaboration": COLLABORATION,
    "collaboration/{collaboration}": COLLABORATION,
    "collaboration/{collaboration}/organization": ORGANIZATION,
    "collaboration/{collaboration}/node": NODE_OF_COLLABORATION,
    "collaboration/{collaboration}/task": TASK,
    "node": NODE,
    "node/{node}": NODE,
    "task": TASK,
    "task/{task}": TASK,
    "task?include=result": {**TASK, "results": all_of(shaped(RESULT_IN_TASK))},
    "task/{task}?include=results": {**TASK, "results": all_of(shaped(RESULT_IN_TASK))},
    "task/{task}/result": RESULT_OF_TASK,
    "result": RESULT,
    "result/{result}": RESULT,
    "result?include=task": {**RESULT, "task": shaped(TASK_IN_RESULT)},
    "result/{result}?include=task": {**RESULT, "task": shaped(TASK_IN_RESULT)},
    "user": USER,
    "user/{user}": USER,
    "role": ROLE,
    "role/{role}": ROLE,
    "role/{role}/rule": RULE,
    "rule": RULE,
    "rule/{rule}": RULE,
    "port": PORT,
    "port/{port}": PORT,
}


def wrong(entity: Any, shape: dict[str, Any]) -> dict[str, Any]:
    """The keys of an entity that are not as its shape has them, with their values."""
    missing = object()
    values = {key: entity.get(key, missing) for key in shape}
    return {
        key: "missing" if value is missing else value
        for key, value in values.items()
        if value is missing or not shape[key](value)
    }


@pytest.fixture
def ids(make: Factory, root: User) -> dict[str, int]:
    """Ids of one of everything, with all relations, beside others with none."""
    make.organization()
    make.role()
    hospital = make.organization(name="A", public_key="a2V5")
    partner = make.organization()
    study = make.collaboration(hospital, partner)
    make.collaboration()
    node = make.node(hospital, study)
    role = make.role(hospital)
    user = make.user(hospital, role="Researcher", firstname="Ada", lastname="L")
    rule = make.default_role("Researcher").rules[0]
    user.rules = [rule]
    user.roles = [*user.roles, role]
    task = make.task(study, hospital, partner, init_user=user, description="d", input="aW5wdXQ=")
    make.task(study, hospital, parent=task, description="", status=TaskStatus.COMPLETED)
    result = task.results[0]
    session = make.session
    port = AlgorithmPort(port=8080, label="http", result_id=result.id)
    session.add(port)
    session.commit()
    made = {"organization": hospital, "collaboration": study, "node": node, "task": task}
    made |= {"result": result, "user": user, "role": role, "rule": rule, "port": port}
    # one with rules, of which the list is shown
    return {name: each.id for name, each in made.items()} | {
        "role": make.default_role("Researcher").id
    }


@pytest.fixture
def as_root(login_as: Login, root: User) -> LoggedIn:
    return login_as(root)


@pytest.mark.parametrize("path", SHAPES)
def test_an_entity_has_its_shape(path: str, as_root: LoggedIn, ids: dict[str, int]) -> None:
    answer = as_root.get(f"/api/{path.format(**ids)}")
    assert answer.status_code == 200, answer.text
    entities = answer.json if isinstance(answer.json, list) else [answer.json]
    assert entities
    for entity in entities:
        assert wrong(entity, SHAPES[path]) == {}


def test_lists_that_are_nested_say_what_they_are_in(as_root: LoggedIn, ids: dict[str, int]) -> None:
    task = as_root.get(f"/api/task/{ids['task']}?include=results").json
    assert all("task" not in result for result in task["results"])
    result = as_root.get(f"/api/result/{ids['result']}?include=task").json
    assert "results" not in result["task"]


def test_the_key_of_a_node_is_shown_once(as_root: LoggedIn, make: Factory, app: Flask) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    body = {"collaboration_id": study.id, "organization_id": hospital.id}
    made = as_root.post("/api/node", json=body).json
    assert wrong(made, {**NODE, "api_key": TEXT}) == {}
    assert "api_key" not in as_root.get(f"/api/node/{made['id']}").json
