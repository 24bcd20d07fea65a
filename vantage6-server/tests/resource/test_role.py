"""Roles, and the rules in them."""

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from sqlalchemy.orm import Session

from vantage6.server.model import User
from vantage6.server.permission.catalogue import Operation, Scope, rule

VIEW_TASKS = rule("task", Scope.ORGANIZATION, Operation.VIEW)
VIEW_ALL_TASKS = rule("task", Scope.GLOBAL, Operation.VIEW)
OWN_ROLES = [rule("role", Scope.ORGANIZATION, operation) for operation in Operation]


@pytest.fixture
def caller(login_as: Login, root: User) -> LoggedIn:
    return login_as(root)


@pytest.fixture
def admin(make: Factory) -> User:
    """Somebody who manages the roles of one organization and sees its tasks."""
    return make.user(rules=[*OWN_ROLES, VIEW_TASKS])


def test_a_role_is_created_for_the_own_organization(
    make: Factory, login_as: Login, admin: User
) -> None:
    view = make.rule(VIEW_TASKS)
    body = {"name": "Reader", "description": "", "rules": [view.id], "organization_id": None}
    made = login_as(admin).post("/api/role", json=body)
    assert made.status_code == 201
    assert made.json == {
        "id": made.json["id"],
        "name": "Reader",
        "description": "",
        "organization": {
            "id": admin.organization_id,
            "link": f"/api/organization/{admin.organization_id}",
            "methods": ["GET", "PATCH"],
        },
        "rules": [{"id": view.id, "link": f"/api/rule/{view.id}", "methods": ["GET"]}],
        "users": None,
    }


def test_what_a_role_cannot_be(make: Factory, login_as: Login, caller: LoggedIn) -> None:
    named = {"name": "Reader", "description": "x"}
    assert caller.post("/api/role", json={"name": "Reader"}).status_code == 400
    assert caller.post("/api/role", json={**named, "rules": [999]}).status_code == 404
    assert caller.post("/api/role", json={**named, "organization_id": 999}).status_code == 404


def test_nobody_puts_into_a_role_what_he_lacks(make: Factory, login_as: Login, admin: User) -> None:
    client, role = login_as(admin), make.role(admin.organization)
    strong = make.rule(VIEW_ALL_TASKS).id
    body = {"name": "x", "description": "x", "rules": [strong]}
    assert client.post("/api/role", json=body).status_code == 403
    assert client.patch(f"/api/role/{role.id}", json={"rules": [strong]}).status_code == 403
    assert client.post(f"/api/role/{role.id}/rule/{strong}").status_code == 403


def test_null_leaves_a_role_as_it_is(make: Factory, caller: LoggedIn) -> None:
    role = make.role(make.organization(), [VIEW_TASKS])
    path = f"/api/role/{role.id}"
    before = caller.get(path).json
    nulls = {"name": None, "description": None, "rules": None}
    assert caller.patch(path, json=nulls).json == before
    assert caller.patch(path, json={"rules": []}).json["rules"] is None


def test_the_list_can_be_filtered(make: Factory, caller: LoggedIn) -> None:
    hospital = make.organization()
    role = make.role(hospital, [VIEW_TASKS])
    user = make.user(hospital)
    user.roles = [role]
    make.session.commit()
    for query in (
        f"name={role.name}",
        f"name=nothing&name={role.name}",
        f"organization_id={hospital.id}",
        f"user_id={user.id}",
        f"rule_id={make.rule(VIEW_TASKS).id}&organization_id={hospital.id}",
    ):
        assert ids(caller.get(f"/api/role?{query}").json) == [role.id], query
    with_defaults = f"/api/role?organization_id={hospital.id}&include_root=1"
    assert len(caller.get(with_defaults).json) == 8
    assert len(caller.get("/api/role?description=Super%25").json) == 1


def test_rules_are_put_into_a_role_and_taken_out(make: Factory, caller: LoggedIn) -> None:
    role, view = make.role(make.organization()), make.rule(VIEW_TASKS)
    path = f"/api/role/{role.id}/rule"
    for _ in range(2):
        assert caller.post(f"{path}/{view.id}").status_code == 201
        assert ids(caller.get(path).json) == [view.id], "adding twice changes nothing"
    assert caller.delete(f"{path}/{view.id}").status_code == 200
    assert caller.get(path).json == []
    assert caller.delete(f"{path}/{view.id}").status_code == 404
    assert caller.post(f"{path}/999").status_code == 404


def test_whoever_has_a_deleted_role_loses_it(
    make: Factory, caller: LoggedIn, session: Session
) -> None:
    user = make.user(role="Viewer")
    assert caller.delete(f"/api/role/{user.roles[0].id}").status_code == 200
    assert caller.get(f"/api/user/{user.id}").json["roles"] is None


@pytest.mark.parametrize("name", ["node", "container"])
def test_the_roles_of_nodes_and_containers_belong_to_the_server(
    make: Factory, caller: LoggedIn, name: str
) -> None:
    path = f"/api/role/{make.default_role(name).id}"
    assert caller.patch(path, json={"rules": []}).status_code == 403
    assert caller.delete(path).status_code == 403
    assert caller.post(f"{path}/rule/1").status_code == 403
    assert caller.delete(f"{path}/rule/2").status_code == 403
