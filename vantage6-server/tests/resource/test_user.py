"""Users: accounts, and who gives whom what."""

from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.model import Task, User
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service.event import Event

NEWCOMER = {
    "username": "newcomer",
    "firstname": "New",
    "lastname": "Comer",
    "password": "Passw0rd!",
    "email": "new@hospital.example",
}
VIEW_TASKS = rule("task", Scope.ORGANIZATION, Operation.VIEW)
VIEW_ALL_TASKS = rule("task", Scope.GLOBAL, Operation.VIEW)
EDIT_OWN = rule("user", Scope.ORGANIZATION, Operation.EDIT)
CREATE_OWN = rule("user", Scope.ORGANIZATION, Operation.CREATE)
VIEW_ROLES = rule("role", Scope.ORGANIZATION, Operation.VIEW)


@pytest.fixture
def caller(login_as: Login, root: User) -> LoggedIn:
    return login_as(root)


@pytest.fixture
def admin(make: Factory) -> User:
    """Somebody who manages the users of one organization and sees its tasks."""
    return make.user(rules=[EDIT_OWN, CREATE_OWN, VIEW_ROLES, VIEW_TASKS])


def link(kind: str, id_: int) -> dict[str, Any]:
    methods = ["GET"] if kind == "rule" else ["GET", "PATCH", "DELETE"]
    return {"id": id_, "link": f"/api/{kind}/{id_}", "methods": methods}


def test_a_user_is_created_and_logs_in(
    make: Factory, caller: LoggedIn, client: FlaskClient, root: User
) -> None:
    role, view = make.default_role("Researcher"), make.rule(VIEW_ALL_TASKS)
    made = caller.post("/api/user", json={**NEWCOMER, "roles": [role.id], "rules": [view.id]})
    assert made.status_code == 201
    id_ = made.json["id"]
    assert made.json == {
        "id": id_,
        "type": "user",
        "username": "newcomer",
        "firstname": "New",
        "lastname": "Comer",
        "email": "new@hospital.example",
        "ip": None,
        "status": None,
        "last_seen": None,
        "otp_secret": None,
        "organization": {
            "id": root.organization_id,
            "link": f"/api/organization/{root.organization_id}",
            "methods": ["GET", "PATCH"],
        },
        "roles": [link("role", role.id)],
        "rules": [link("rule", view.id)],
        "created_tasks": [],
    }
    login = {"username": "newcomer", "password": "Passw0rd!"}
    assert client.post("/api/token/user", json=login).status_code == 200


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": None}, "username"),
        ({"username": "13"}, "username"),
        ({"username": "with space"}, "username"),
        ({"email": None}, "email"),
        ({"roles": "Root"}, "roles"),
        ({"otp_secret": "x"}, "otp_secret"),
    ],
)
def test_what_is_wrong_with_an_account_is_said_by_field(
    caller: LoggedIn, change: dict[str, Any], field: str
) -> None:
    answer = caller.post("/api/user", json={**NEWCOMER, **change})
    assert (answer.status_code, list(answer.json["errors"])) == (400, [field])


@pytest.mark.parametrize(
    ("word", "lacks"),
    [
        ("Pass0!", "at least 8"),
        ("Passw0rd!" * 15, "at most 128"),
        ("Password!", "digit"),
        ("passw0rd!", "upper-case"),
        ("PASSW0RD!", "lower-case"),
        ("Passw0rdd", "special"),
    ],
)
def test_a_weak_password_is_refused_with_what_it_lacks(
    caller: LoggedIn, session: Session, word: str, lacks: str
) -> None:
    answer = caller.post("/api/user", json={**NEWCOMER, "password": word})
    assert answer.status_code == 400
    assert lacks in answer.json["msg"]
    assert session.scalar(select(User).where(User.username == "newcomer")) is None


@pytest.mark.parametrize("name", ["username", "email"])
def test_names_and_addresses_are_unique(make: Factory, caller: LoggedIn, name: str) -> None:
    taken = make.user()
    other = make.user()
    body = {name: getattr(taken, name)}
    created = caller.post("/api/user", json={**NEWCOMER, **body})
    assert (created.status_code, list(created.json["errors"])) == (400, [name])
    assert caller.patch(f"/api/user/{other.id}", json=body).status_code == 400
    assert caller.patch(f"/api/user/{taken.id}", json=body).status_code == 200


def test_whoever_may_not_create_learns_no_names(make: Factory, login_as: Login) -> None:
    taken = {**NEWCOMER, "username": make.user().username}
    assert login_as(make.user()).post("/api/user", json=taken).status_code == 403


def test_nobody_gives_what_he_lacks(make: Factory, login_as: Login, admin: User) -> None:
    client = login_as(admin)

    def create(number: int, **power: Any) -> int:
        names = {"username": f"new{number}", "email": f"new{number}@hospital.example"}
        return client.post("/api/user", json={**NEWCOMER, **names, **power}).status_code

    assert create(1, rules=[make.rule(VIEW_TASKS).id]) == 201
    assert create(2, rules=[make.rule(VIEW_ALL_TASKS).id]) == 403
    assert create(3, roles=[make.role(admin.organization, [VIEW_TASKS]).id]) == 201
    assert create(4, roles=[make.default_role("Root").id]) == 403
    assert create(5, rules=[999]) == 404


def test_holding_the_wider_rule_is_not_holding_the_narrower(make: Factory, login_as: Login) -> None:
    creator = make.user(rules=[CREATE_OWN, VIEW_ALL_TASKS])
    body = {**NEWCOMER, "rules": [make.rule(VIEW_TASKS).id]}
    assert login_as(creator).post("/api/user", json=body).status_code == 403


def test_a_role_of_an_organization_is_for_its_users(
    make: Factory, login_as: Login, caller: LoggedIn, admin: User
) -> None:
    foreign = make.role(make.organization(), [VIEW_TASKS])
    assert caller.post("/api/user", json={**NEWCOMER, "roles": [foreign.id]}).status_code == 403
    assert caller.post("/api/user", json={**NEWCOMER, "roles": [999]}).status_code == 404
    client = login_as(admin)
    hidden = client.post("/api/user", json={**NEWCOMER, "roles": [foreign.id]})
    missing = client.post("/api/user", json={**NEWCOMER, "roles": [999]})
    assert (hidden.status_code, hidden.json) == (missing.status_code, missing.json)


def test_a_user_for_an_organization_that_does_not_exist(
    caller: LoggedIn, login_as: Login, admin: User
) -> None:
    nowhere = {**NEWCOMER, "organization_id": 999}
    assert caller.post("/api/user", json=nowhere).status_code == 404
    assert login_as(admin).post("/api/user", json=nowhere).status_code == 403


def test_the_list_can_be_filtered(make: Factory, caller: LoggedIn, root: User) -> None:
    user = make.user(
        username="alice", firstname="Alice", lastname="Liddell", email="a@b.example",
        rules=[VIEW_TASKS], role="Viewer", last_seen=now(),
    )  # fmt: skip
    for query in (
        "username=ali%25",
        "firstname=Alice",
        "lastname=%25dell",
        "email=a@%25",
        f"organization_id={user.organization_id}",
        f"role_id={user.roles[0].id}",
        f"rule_id={user.rules[0].id}",
    ):
        assert ids(caller.get(f"/api/user?{query}").json) == [user.id], query
    seen = caller.get("/api/user?last_seen_from=2020-01-01&last_seen_till=2999-01-01").json
    assert ids(seen) == [root.id, user.id]


def test_an_account_is_changed_and_empty_text_leaves_it(make: Factory, caller: LoggedIn) -> None:
    user = make.user(firstname="Old", lastname="Name")
    changed = caller.patch(
        f"/api/user/{user.id}",
        json={"firstname": "New", "lastname": "", "username": "", "email": None},
    )
    assert changed.status_code == 200
    assert (changed.json["firstname"], changed.json["lastname"]) == ("New", "Name")
    assert changed.json["username"] == user.username


@pytest.mark.parametrize(
    "body", [{"password": "Passw0rd!"}, {"organization_id": 1}, {"credential_version": 0}, []]
)
def test_what_cannot_be_changed_this_way(make: Factory, caller: LoggedIn, body: Any) -> None:
    user = make.user()
    before = caller.get(f"/api/user/{user.id}").json
    assert caller.patch(f"/api/user/{user.id}", json=body).status_code == 400
    assert caller.get(f"/api/user/{user.id}").json == before


def test_roles_and_rules_are_replaced(make: Factory, caller: LoggedIn) -> None:
    user = make.user(role="Viewer", rules=[VIEW_TASKS])
    role, view = make.default_role("Researcher"), make.rule(VIEW_ALL_TASKS)
    path = f"/api/user/{user.id}"
    changed = caller.patch(path, json={"roles": [role.id], "rules": [view.id]}).json
    assert (ids(changed["roles"]), ids(changed["rules"])) == ([role.id], [view.id])
    emptied = caller.patch(path, json={"roles": [], "rules": []}).json
    assert emptied["roles"] is emptied["rules"] is None


def test_nobody_changes_his_own_power(caller: LoggedIn, root: User) -> None:
    for body in ({"roles": []}, {"rules": []}):
        assert caller.patch(f"/api/user/{root.id}", json=body).status_code == 403
    assert caller.patch(f"/api/user/{root.id}", json={"firstname": "R"}).status_code == 200


def test_nobody_takes_away_what_he_lacks(make: Factory, login_as: Login, admin: User) -> None:
    weak = make.user(admin.organization, rules=[VIEW_TASKS])
    strong = make.user(admin.organization, rules=[VIEW_ALL_TASKS])
    in_role = make.user(admin.organization, role="Root")
    client = login_as(admin)
    assert client.patch(f"/api/user/{weak.id}", json={"rules": []}).status_code == 200
    assert client.patch(f"/api/user/{strong.id}", json={"rules": []}).status_code == 403
    assert client.patch(f"/api/user/{in_role.id}", json={"roles": []}).status_code == 403


@pytest.mark.parametrize("body", [{"email": "mine@evil.example"}, {"username": "mine"}])
def test_nobody_takes_over_the_account_of_somebody_stronger(
    make: Factory, login_as: Login, admin: User, body: dict[str, str]
) -> None:
    weak = make.user(admin.organization, rules=[VIEW_TASKS])
    strong = make.user(admin.organization, role="Root")
    client = login_as(admin)
    assert client.patch(f"/api/user/{strong.id}", json=body).status_code == 403
    assert client.patch(f"/api/user/{strong.id}", json={"lastname": "New"}).status_code == 200
    assert client.patch(f"/api/user/{weak.id}", json=body).status_code == 200


def test_a_deleted_user_is_gone_at_once_and_the_tasks_stay(
    make: Factory,
    login_as: Login,
    caller: LoggedIn,
    client: FlaskClient,
    session: Session,
    events: list[Event],
) -> None:
    user = make.user()
    as_user = login_as(user)
    make.task(make.collaboration(user.organization), init_user=user)
    assert caller.delete(f"/api/user/{user.id}").status_code == 200
    assert as_user.get("/api/rule").status_code == 401
    login = {"username": user.username, "password": "Passw0rd!"}
    assert client.post("/api/token/user", json=login).status_code == 401
    assert session.scalars(select(Task.init_user_id)).all() == [None]
    assert [event.identity_id for event in events] == [user.id]
