"""Who cannot be outdone: nodes by other nodes, the mighty by the less so, keys by old tokens."""

import pytest
from clients import LoggedIn, Login
from factories import Factory
from sqlalchemy.orm import Session

from vantage6.server.model import Collaboration, Node, Organization


@pytest.fixture
def own(make: Factory) -> Organization:
    return make.organization()


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


def test_a_new_api_key_ends_the_tokens_of_containers_too(
    make: Factory, session: Session, login_as: Login, node: Node, first: Collaboration
) -> None:
    task = make.task(first)
    container = login_as(task.results[0])
    assert container.get(f"/api/task/{task.id}").status_code == 200
    root = login_as(make.user(role="Root"))
    assert root.post("/api/recover/node", json={"id": node.id}).status_code == 200
    assert container.get(f"/api/task/{task.id}").status_code == 401
