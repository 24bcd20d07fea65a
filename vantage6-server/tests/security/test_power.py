"""Who cannot be outdone: nodes by other nodes, the mighty by the less so, keys by old tokens."""

from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.model import Collaboration, Node, Organization
from vantage6.server.permission.catalogue import RULES, Operation, Scope, rule
from vantage6.server.service.fixture import insert_fixture


@pytest.fixture
def first(make: Factory, own: Organization) -> Collaboration:
    return make.collaboration(own)


@pytest.fixture
def second(make: Factory, own: Organization) -> Collaboration:
    return make.collaboration(own)


@pytest.fixture
def node(make: Factory, own: Organization, first: Collaboration) -> Node:
    return make.node(own, first)


@pytest.fixture
def as_node(login_as: Login, node: Node) -> LoggedIn:
    return login_as(node)


def test_a_node_does_not_change_other_nodes_of_its_organization(
    make: Factory, own: Organization, second: Collaboration, as_node: LoggedIn
) -> None:
    other = make.node(own, second)
    assert as_node.patch(f"/api/node/{other.id}", json={"ip": "10.0.0.1"}).status_code == 403


def test_a_node_does_not_move_into_another_collaboration(
    node: Node, as_node: LoggedIn, second: Collaboration
) -> None:
    path = f"/api/node/{node.id}"
    assert as_node.patch(path, json={"collaboration_id": second.id}).status_code == 403
    unchanged = {"collaboration_id": node.collaboration_id, "organization_id": None}
    answer = as_node.patch(path, json={"ip": "10.0.0.1", **unchanged})
    assert (answer.status_code, answer.json["ip"]) == (200, "10.0.0.1")


def test_nobody_deletes_an_account_that_may_do_more(
    make: Factory, login_as: Login, own: Organization
) -> None:
    admin = login_as(make.user(own, role="Organization Admin"))
    stronger, weaker = make.user(own, role="Root"), make.user(own, role="Viewer")
    assert admin.delete(f"/api/user/{stronger.id}").status_code == 403
    assert admin.delete(f"/api/user/{weaker.id}").status_code == 200


def test_nobody_takes_a_role_apart_that_holds_more(
    make: Factory, login_as: Login, own: Organization
) -> None:
    """Neither as a whole nor rule by rule; what he holds himself he may take out."""
    admin = login_as(make.user(own, role="Organization Admin"))
    held, lacking = (
        rule("port", Scope.ORGANIZATION, Operation.VIEW),
        rule("node", Scope.GLOBAL, Operation.EDIT),
    )
    role = make.role(own, [held, lacking])
    path, ids = f"/api/role/{role.id}", {r.name: r.id for r in role.rules}
    assert admin.delete(path).status_code == 403
    assert admin.patch(path, json={"rules": []}).status_code == 403
    assert admin.delete(f"{path}/rule/{ids['node']}").status_code == 403
    assert admin.patch(path, json={"rules": [ids["node"]]}).status_code == 200
    own_role = make.role(own, [held])
    assert admin.delete(f"/api/role/{own_role.id}").status_code == 200


@pytest.mark.parametrize(
    "change", [{"email": "mine@evil.example"}, {"username": "mine"}, {"roles": []}, {"rules": []}]
)
def test_nobody_takes_over_an_account_that_may_do_more(
    make: Factory, login_as: Login, own: Organization, change: dict[str, Any]
) -> None:
    admin = login_as(make.user(own, role="Organization Admin"))
    stronger = make.user(own, role="Root", rules=[RULES[0]])
    assert admin.patch(f"/api/user/{stronger.id}", json=change).status_code == 403
    assert admin.delete(f"/api/user/{stronger.id}/2fa").status_code == 403
    for field in ({"password": "Mine-now-1"}, {"organization_id": own.id}, {"otp_secret": "x"}):
        assert admin.patch(f"/api/user/{stronger.id}", json=field).status_code == 400


def test_a_new_api_key_ends_the_tokens_of_containers_too(
    make: Factory, session: Session, login_as: Login, node: Node, first: Collaboration
) -> None:
    task = make.task(first)
    container = login_as(task.results[0])
    assert container.get(f"/api/task/{task.id}").status_code == 200
    root = login_as(make.user(role="Root"))
    assert root.post("/api/recover/node", json={"id": node.id}).status_code == 200
    assert container.get(f"/api/task/{task.id}").status_code == 401


def test_the_addresses_of_one_network_guess_together(client: FlaskClient) -> None:
    def guess(address: str) -> int:
        body = {"username": "ada", "password": "wrong"}
        return client.post(
            "/api/token/user", json=body, environ_overrides={"REMOTE_ADDR": address}
        ).status_code

    assert [guess(f"2001:db8::{number}") for number in range(6)] == [401] * 5 + [429]
    assert guess("2001:db8:0:1::1") == 401
    # These are neighbours in notation only.
    assert [guess(f"::ffff:192.0.2.{number}") for number in range(6)] == [401] * 6


def test_an_import_does_not_take_one_organization_for_another(
    make: Factory, session: Session
) -> None:
    for _ in range(2):
        make.organization(name="Alpha")
    participant = {"name": "Alpha", "api_key": "123e4567-e89b-42d3-a456-426614174000"}
    collaboration = {"name": "study", "participants": [participant], "tasks": []}
    fixture = {"organizations": [], "collaborations": [{**collaboration, "encrypted": True}]}
    with pytest.raises(ConfigurationError, match="several organizations of that name"):
        insert_fixture(session, fixture)
    session.rollback()
