"""The audit trail: what stands in it, and what does not."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from clients import Login
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from person import Person, log_in

from vantage6.server.model import User
from vantage6.server.service import audit

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines that were written since the last look."""

    def read() -> list[dict[str, Any]]:
        found = [
            record.getMessage() for record in caplog.records if record.name == audit.trail.name
        ]
        caplog.clear()
        return [json.loads(text) for text in found]

    # The rest may be as silent as it likes.
    caplog.set_level(logging.CRITICAL)
    caplog.handler.setLevel(logging.NOTSET)
    return read


def test_every_log_in_of_a_user_is_written(client: FlaskClient, root: User, lines: Lines) -> None:
    lines()
    assert log_in(client, root.username).status_code == 200
    assert log_in(client, root.username, "wrong").status_code == 401
    right, wrong = lines()
    about = {"id": root.id, "name": root.username, "organization_id": root.organization_id}
    assert right.items() >= {"action": "login", "outcome": "success", "kind": "user"}.items()
    assert wrong.items() >= {"action": "login", "outcome": "failure", "status": 401}.items()
    assert right.items() >= about.items() <= wrong.items()
    assert right["address"] == "127.0.0.1"
    assert right["time"].endswith("+00:00")


def test_past_the_limit_log_ins_are_written_as_such(
    client: FlaskClient, root: User, lines: Lines
) -> None:
    statuses = [log_in(client, root.username, "wrong").status_code for _ in range(6)]
    assert statuses[-1] == 429
    outcomes = [line["outcome"] for line in lines() if line["action"] == "login"]
    assert outcomes == ["failure"] * 5 + ["limited"]


def test_a_name_that_does_not_exist_is_not_written(client: FlaskClient, lines: Lines) -> None:
    """Who types the password into the field for the name finds it in no log."""
    assert log_in(client, "S3cret!typed-here", "x").status_code == 401
    (line,) = lines()
    assert line["id"] is None
    assert "S3cret" not in json.dumps(line)


def test_every_log_in_of_a_node_is_written(
    client: FlaskClient, make: Factory, lines: Lines
) -> None:
    hospital = make.organization()
    node = make.node(hospital, make.collaboration(hospital), api_key="the key")
    lines()
    for key in ("the key", "another"):
        client.post("/api/token/node", json={"api_key": key})
    right, wrong = lines()
    assert (right["outcome"], right["kind"], right["id"]) == ("success", "node", node.id)
    assert (wrong["outcome"], wrong["kind"], wrong["id"]) == ("failure", "node", None)


def test_refusals_are_written_with_who_asked_for_what(
    client: FlaskClient, make: Factory, login_as: Login, lines: Lines
) -> None:
    user = make.user()
    lines()
    client.get("/api/user")
    login_as(user).get("/api/user")
    stranger, known = lines()
    assert stranger["actor"] is None
    assert stranger.items() >= {"path": "/api/user", "method": "GET", "status": 401}.items()
    assert known["actor"] == {
        "kind": "user",
        "id": user.id,
        "name": user.username,
        "organization_id": user.organization_id,
    }
    assert known.items() >= {"action": "request", "outcome": "refused", "status": 403}.items()


def test_a_changed_password_is_written_and_a_wrong_one_too(
    make: Factory, login_as: Login, lines: Lines
) -> None:
    user = make.user()
    lines()
    for current in ("wrong", "Passw0rd!"):
        body = {"current_password": current, "new_password": "Passw0rd!2"}
        login_as(user).patch("/api/password/change", json=body)
    found = [line for line in lines() if line["action"] == "password.change"]
    assert [line["outcome"] for line in found] == ["failure", "success"]
    assert {line["actor"]["id"] for line in found} == {user.id}
    assert "Passw0rd" not in json.dumps(found)


def test_one_line_stays_one(app: Flask, lines: Lines, caplog: pytest.LogCaptureFixture) -> None:
    name = 'a\nb\r\u2028\x1b[31m"}'
    audit.record("login", "failure", name=name)
    assert caplog.records[-1].getMessage().isprintable()
    (line,) = lines()
    assert line["name"] == name


def test_nobody_makes_a_line_long(lines: Lines) -> None:
    audit.record("request", "refused", path="x" * 10_000, ids=["y" * 10_000])
    assert len(json.dumps(lines())) < 1000


def test_a_change_is_written_once_it_is_committed(app: Flask, lines: Lines) -> None:
    database = app.extensions["database"]
    with database.session(writes=True) as session, session.begin():
        audit.record("role.change", "success", session=session, role_id=1)
        assert lines() == []
    assert [line["role_id"] for line in lines()] == [1]


def test_a_change_that_is_rolled_back_is_not_written(app: Flask, lines: Lines) -> None:
    database = app.extensions["database"]
    with database.session(writes=True) as session:
        session.begin()
        audit.record("role.change", "success", session=session)
        session.rollback()
    assert lines() == []


def test_giving_and_taking_a_role_is_written(
    make: Factory, root: User, login_as: Login, lines: Lines
) -> None:
    user = make.user(role="Viewer")
    viewer, researcher = user.roles[0].id, make.default_role("Researcher").id
    lines()
    login_as(root).patch(f"/api/user/{user.id}", json={"roles": [researcher]})
    (line,) = lines()
    assert line.items() >= {"action": "user.change", "user_id": user.id}.items()
    assert line["changed"] == {"roles": {"added": [researcher], "removed": [viewer]}}
    assert line["actor"]["id"] == root.id


def test_a_refused_change_of_rights_is_written_as_refused_only(
    make: Factory, login_as: Login, lines: Lines
) -> None:
    administrator, user = make.user(role="Organization Admin"), make.user()
    role = make.default_role("Root").id
    lines()
    login_as(administrator).patch(f"/api/user/{user.id}", json={"roles": [role]})
    assert [line["outcome"] for line in lines()] == ["refused"]


def test_roles_and_their_rules_are_written(
    make: Factory, root: User, login_as: Login, lines: Lines
) -> None:
    client = login_as(root)
    lines()
    body = {"name": "reader", "description": "", "rules": [1, 2]}
    role = client.post("/api/role", json=body).json["id"]
    client.post(f"/api/role/{role}/rule/3")
    client.delete(f"/api/role/{role}/rule/1")
    client.delete(f"/api/role/{role}")
    made, added, removed, deleted = lines()
    assert (made["action"], made["rules"], made["name"]) == ("role.create", [1, 2], "reader")
    assert added["changed"]["rules"] == {"added": [3], "removed": []}
    assert removed["changed"]["rules"] == {"added": [], "removed": [1]}
    assert (deleted["action"], deleted["role_id"]) == ("role.delete", role)


def test_membership_of_collaborations_is_written(
    make: Factory, root: User, login_as: Login, lines: Lines
) -> None:
    client, alpha, beta = login_as(root), make.organization(), make.organization()
    lines()
    body = {"name": "study", "organization_ids": [alpha.id], "encrypted": True}
    id_ = client.post("/api/collaboration", json=body).json["id"]
    client.post(f"/api/collaboration/{id_}/organization", json={"id": beta.id})
    client.delete(f"/api/collaboration/{id_}/organization", json={"id": alpha.id})
    client.patch(f"/api/collaboration/{id_}", json={"encrypted": False})
    made, added, removed, opened = lines()
    assert made.items() >= {"organizations": [alpha.id], "encrypted": True}.items()
    assert added["changed"]["organizations"]["added"] == [beta.id]
    assert removed["changed"]["organizations"]["removed"] == [alpha.id]
    assert opened["changed"] == {"encrypted": {"from": True, "to": False}}


def test_accounts_are_written_without_their_secrets(
    make: Factory, root: User, login_as: Login, lines: Lines
) -> None:
    client = login_as(root)
    lines()
    body = {
        "username": "ada",
        "firstname": "Ada",
        "lastname": "L",
        "email": "ada@hospital.example",
        "password": "Passw0rd!",
        "roles": [make.default_role("Viewer").id],
    }
    lines()
    id_ = client.post("/api/user", json=body).json["id"]
    client.patch(f"/api/user/{id_}", json={"email": "countess@hospital.example"})
    client.delete(f"/api/user/{id_}")
    made, given, changed, deleted = lines()
    assert given["changed"]["roles"]["added"] == body["roles"]
    assert (made["action"], made["name"], made["user_id"]) == ("user.create", "ada", id_)
    assert changed["changed"]["email"]["to"] == "countess@hospital.example"
    assert (deleted["action"], deleted["name"]) == ("user.delete", "ada")
    assert "$2b$" not in json.dumps([made, given, changed, deleted])


def test_a_new_key_of_a_node_is_written_without_the_key(
    make: Factory, root: User, login_as: Login, lines: Lines
) -> None:
    hospital = make.organization()
    node = make.node(hospital, make.collaboration(hospital))
    lines()
    key = login_as(root).post("/api/recover/node", json={"id": node.id}).json["api_key"]
    (line,) = lines()
    assert line["changed"] == {"api_key": None}
    assert key not in json.dumps(line)


def test_a_public_key_is_written_by_name(
    make: Factory, root: User, login_as: Login, lines: Lines
) -> None:
    hospital = make.organization()
    lines()
    login_as(root).patch(f"/api/organization/{hospital.id}", json={"public_key": "QUJD"})
    (line,) = lines()
    assert line["changed"] == {"public_key": None}


def test_tasks_are_written_when_they_come_and_go(
    make: Factory, login_as: Login, lines: Lines
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    node = make.node(hospital, study)
    client = login_as(make.user(hospital, role="Researcher"))
    body = {
        "image": "registry.example/algorithm:1",
        "collaboration_id": study.id,
        "organizations": [{"id": hospital.id, "input": "the input"}],
    }
    lines()
    task = client.post("/api/task", json=body).json
    made = lines()
    login_as(node).patch(f"/api/result/{task['id']}", json={"started_at": "2026-01-01T10:00:00"})
    assert lines() == [], "what a run goes through is no change of rights"
    client.delete(f"/api/task/{task['id']}")
    (deleted,) = lines()
    assert [line["action"] for line in made] == ["task.create"]
    assert made[0].items() >= {"task_id": task["id"], "organizations": [hospital.id]}.items()
    assert (deleted["action"], deleted["task_id"]) == ("task.delete", task["id"])
    assert "the input" not in json.dumps(made)


class TestSecondFactor:
    """Log-ins that take a code, each step of them."""

    @pytest.fixture
    def config(self, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "two_factor_auth": True}

    def test_every_step_is_written_without_its_codes(
        self, client: FlaskClient, make: Factory, lines: Lines
    ) -> None:
        user = make.user()
        person = Person(client, user.username)
        lines()
        person.enrol()
        person.log_in("000000")
        person.log_in(person.recovery_codes[0])
        found = lines()
        assert [(line["action"], line["outcome"]) for line in found] == [
            ("login", "incomplete"),
            ("second_factor.confirm", "success"),
            ("login", "success"),
            ("login", "failure"),
            ("second_factor.recovery_code", "success"),
            ("login", "success"),
        ]
        assert {line["id"] for line in found if line["action"] == "login"} == {user.id}
        text = json.dumps(found)
        assert not [code for code in person.recovery_codes if code in text]


def test_recovery_by_mail_is_written(client: FlaskClient, make: Factory, lines: Lines) -> None:
    user = make.user()
    lines()
    client.post("/api/recover/lost", json={"username": user.username})
    client.post("/api/recover/reset", json={"reset_token": "a.b.c", "password": "Passw0rd!2"})
    found = [line for line in lines() if line["address"]]
    assert [(line["action"], line["outcome"]) for line in found] == [
        ("password.lost", "success"),
        ("password.reset", "failure"),
    ]
