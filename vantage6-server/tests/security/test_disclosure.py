"""What nobody learns of others: neither from links, nor by filters, nor from files and logs."""

import io
import stat
from pathlib import Path
from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from vantage6.server.database import Database
from vantage6.server.model import Collaboration


class World:
    """An organization, its partner, and what that partner does with a third."""

    def __init__(self, make: Factory, login_as: Login) -> None:
        self.own, self.partner, self.stranger = (make.organization() for _ in range(3))
        self.shared: Collaboration = make.collaboration(self.own, self.partner)
        self.foreign: Collaboration = make.collaboration(self.partner, self.stranger)
        self.node = make.node(self.own, self.shared)
        self.partner_node = make.node(self.partner, self.shared)
        self.foreign_node = make.node(self.partner, self.foreign)
        self.task = make.task(self.shared, self.own)
        self.shared_task = make.task(self.shared, self.partner)
        self.foreign_task = make.task(self.foreign, self.partner)
        self.role = make.role(self.partner)
        self.partner_user = make.user(self.partner, role="Root")
        self.user = make.user(self.own, role="Organization Admin")
        self.caller = login_as(self.user)
        self.container = login_as(self.task.results[0])


@pytest.fixture
def world(make: Factory, login_as: Login) -> World:
    return World(make, login_as)


def linked(client: LoggedIn, path: str, name: str) -> list[int]:
    """The ids behind the links of an object."""
    links = client.get(f"/api/{path}").json[name]
    return ids(links or [])


def test_links_of_a_partner_end_where_the_own_collaborations_do(world: World) -> None:
    path = f"organization/{world.partner.id}"
    for client in (world.caller, world.container):
        assert linked(client, path, "collaborations") == [world.shared.id]
        assert linked(client, path, "nodes") == [world.partner_node.id]
        assert linked(client, path, "users") == []
        assert client.get(f"/api/{path}").json["roles"] == []
    assert linked(world.caller, path, "results") == [world.shared_task.results[0].id]
    assert linked(world.container, path, "results") == []


def test_a_container_does_not_learn_what_else_its_collaboration_does(world: World) -> None:
    path = f"collaboration/{world.shared.id}"
    assert linked(world.container, path, "tasks") == [world.task.id]
    assert linked(world.caller, path, "tasks") == [world.task.id, world.shared_task.id]


def test_links_of_the_own_organization_are_complete(world: World) -> None:
    path = f"organization/{world.own.id}"
    assert linked(world.caller, path, "nodes") == [world.node.id]
    assert linked(world.caller, path, "users") == [world.user.id]
    assert linked(world.caller, path, "results") == [world.task.results[0].id]


def test_nobody_learns_who_is_mighty_elsewhere(world: World, make: Factory) -> None:
    root = make.default_role("Root")
    assert linked(world.caller, f"role/{root.id}", "users") == []
    assert world.caller.get(f"/api/role?user_id={world.partner_user.id}").status_code == 403
    assert world.caller.get(f"/api/role?user_id={world.user.id}").status_code == 200


def test_rules_are_not_a_way_into_the_roles_of_others(world: World) -> None:
    assert world.caller.get(f"/api/role/{world.role.id}/rule").status_code == 403
    assert world.caller.get(f"/api/rule?role_id={world.role.id}").status_code == 403
    assert world.caller.get("/api/rule?role_id=999").status_code == 403


def test_organizations_are_not_a_way_into_the_collaborations_of_others(world: World) -> None:
    def ask(id_: int) -> tuple[int, Any]:
        answer = world.caller.get(f"/api/organization?collaboration_id={id_}")
        return answer.status_code, answer.json

    assert ask(world.foreign.id) == ask(999)
    assert ask(world.foreign.id)[0] == 403
    assert ids(ask(world.shared.id)[1]) == [world.own.id, world.partner.id]


def test_the_file_of_a_new_database_is_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "x.sqlite"
    database = Database(f"sqlite:///{path}")
    database.create_tables()
    with database.engine.connect():
        modes = [stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()]
    database.dispose()
    assert set(modes) == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_errors_of_the_database_do_not_tell_what_was_to_be_stored(app: Flask) -> None:
    database: Database = app.extensions["database"]
    with pytest.raises(DatabaseError) as failed, database.transaction() as session:
        session.execute(text("INSERT INTO nowhere VALUES (:x)"), {"x": "the hash of a password"})
    assert "the hash" not in str(failed.value)


def test_a_body_without_a_length_is_not_read_before_the_login(client: FlaskClient) -> None:
    answer = client.post(
        "/api/token/user",
        input_stream=io.BytesIO(b'{"username": "' + b"x" * 10**6),
        content_type="application/json",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (answer.status_code, answer.json) == (
        400,
        {"msg": "The request must say how long it is"},
    )


def test_only_data_of_algorithms_may_be_large(world: World, make: Factory) -> None:
    large = "x" * 100_000
    answer: Any = world.caller.patch(f"/api/user/{world.user.id}", json={"firstname": large})
    assert (answer.status_code, answer.json["msg"]) == (400, "The request is too large")
    body = {
        "collaboration_id": world.shared.id,
        "organizations": [{"id": world.own.id, "input": large}],
    }
    assert world.caller.post("/api/task", json=body).status_code == 201


@pytest.mark.parametrize("name", ["name", "description", "image", "database"])
def test_what_is_in_every_list_of_tasks_is_not_large(world: World, name: str) -> None:
    body = {
        "collaboration_id": world.shared.id,
        "organizations": [{"id": world.own.id, "input": "x"}],
        name: "x" * 10_001,
    }
    answer: Any = world.caller.post("/api/task", json=body)
    assert (answer.status_code, [*answer.json["errors"]]) == (400, [name])


@pytest.mark.parametrize("name", ["name", "ip"])
def test_what_is_in_every_list_of_results_is_not_large(
    world: World, login_as: Login, name: str
) -> None:
    answer: Any = login_as(world.node).patch(f"/api/node/{world.node.id}", json={name: "x" * 1001})
    assert (answer.status_code, [*answer.json["errors"]]) == (400, [name])


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00"])
def test_moments_at_the_end_of_time_are_bad_requests(
    world: World, login_as: Login, moment: str
) -> None:
    node = login_as(world.node)
    path = f"/api/result/{world.task.results[0].id}"
    assert node.patch(path, json={"started_at": moment}).status_code == 400
    assert node.get("/api/result", query_string={"started_from": moment}).status_code == 400
