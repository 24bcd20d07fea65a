"""Nodes, where they can stand, and their API keys."""

import uuid

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from vantage6.server.model import Collaboration, Node, Organization, User
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service.event import Event

CREATE_OWN = rule("node", Scope.ORGANIZATION, Operation.CREATE)
EDIT_OWN = rule("node", Scope.ORGANIZATION, Operation.EDIT)


@pytest.fixture
def caller(login_as: Login, root: User) -> LoggedIn:
    return login_as(root)


@pytest.fixture
def hospital(make: Factory) -> Organization:
    return make.organization(name="Maastro")


@pytest.fixture
def study(make: Factory, hospital: Organization) -> Collaboration:
    return make.collaboration(hospital, name="Study")


def test_a_node_is_created_and_logs_in_with_its_key(
    caller: LoggedIn, client: FlaskClient, hospital: Organization, study: Collaboration
) -> None:
    body = {"collaboration_id": study.id, "organization_id": hospital.id, "name": None}
    made = caller.post("/api/node", json=body)
    assert made.status_code == 201
    assert made.json["name"] == "Maastro - Study Node"
    assert made.json["type"] == "node"
    assert uuid.UUID(made.json["api_key"]).version == 4
    assert "api_key" not in caller.get(f"/api/node/{made.json['id']}").json
    key = {"api_key": made.json["api_key"]}
    assert client.post("/api/token/node", json=key).status_code == 200


def test_a_node_is_for_the_own_organization_unless_the_request_says_so(
    make: Factory, login_as: Login, hospital: Organization, study: Collaboration
) -> None:
    creator = login_as(make.user(hospital, rules=[CREATE_OWN]))
    made = creator.post("/api/node", json={"collaboration_id": study.id, "name": "ours"})
    assert made.json["organization"]["id"] == hospital.id
    assert made.json["name"] == "ours"


def test_an_organization_has_one_node_in_a_collaboration_that_it_is_in(
    make: Factory, caller: LoggedIn, hospital: Organization, study: Collaboration
) -> None:
    make.node(hospital, study)

    def create(organization_id: int, collaboration_id: int) -> int:
        body = {"organization_id": organization_id, "collaboration_id": collaboration_id}
        return caller.post("/api/node", json=body).status_code

    assert create(hospital.id, study.id) == 400, "has one there"
    assert create(make.organization().id, study.id) == 400, "is not in it"
    assert create(999, study.id) == 400, "does not exist"
    assert create(hospital.id, 999) == 404


def test_whoever_creates_own_nodes_only_cannot_tell_what_collaborations_there_are(
    make: Factory, login_as: Login, hospital: Organization
) -> None:
    creator = login_as(make.user(hospital, rules=[CREATE_OWN]))
    foreign = make.collaboration(make.organization())
    hidden, missing = (
        creator.post("/api/node", json={"collaboration_id": id_}) for id_ in (foreign.id, 999)
    )
    assert (hidden.status_code, hidden.json) == (missing.status_code, missing.json)
    assert hidden.status_code == 400


def test_the_list_can_be_filtered(
    make: Factory, caller: LoggedIn, hospital: Organization, study: Collaboration
) -> None:
    other = make.organization()
    elsewhere = make.collaboration(other)
    node = make.node(hospital, study, name="first", status="online", ip="10.0.0.1", last_seen=now())
    make.node(other, elsewhere, name="second", status="offline")
    for query in (
        "name=fi%25",
        "status=online",
        "ip=10.0.0.1",
        f"organization_id={hospital.id}",
        f"collaboration_id={study.id}",
        "last_seen_from=2020-01-01",
        "last_seen_till=2999-01-01T00:00:00Z",
    ):
        assert ids(caller.get(f"/api/node?{query}").json) == [node.id], query
    assert caller.get("/api/node?last_seen_till=2020-01-01").json == []
    assert caller.get("/api/node?last_seen_from=yesterday").status_code == 400


def test_null_and_zero_leave_a_node_as_it_is(
    make: Factory, caller: LoggedIn, hospital: Organization, study: Collaboration
) -> None:
    node = make.node(hospital, study, name="kept", ip="10.0.0.1")
    nothing = {"name": None, "organization_id": None, "collaboration_id": 0, "ip": ""}
    changed = caller.patch(f"/api/node/{node.id}", json=nothing)
    assert changed.status_code == 200
    assert changed.json == caller.get(f"/api/node/{node.id}").json
    assert (changed.json["name"], changed.json["ip"]) == ("kept", "10.0.0.1")
    assert changed.json["collaboration"]["id"] == study.id


def test_a_node_tells_its_address(
    make: Factory, login_as: Login, hospital: Organization, study: Collaboration
) -> None:
    node = make.node(hospital, study)
    changed = login_as(node).patch(f"/api/node/{node.id}", json={"ip": "10.76.0.2"})
    assert changed.json["ip"] == "10.76.0.2"


def test_only_who_edits_any_node_gives_one_to_another_organization(
    make: Factory, login_as: Login, caller: LoggedIn, hospital: Organization
) -> None:
    other = make.organization()
    shared = make.collaboration(hospital, other)
    node = make.node(hospital, shared)
    path, body = f"/api/node/{node.id}", {"organization_id": other.id}
    editor = login_as(make.user(hospital, rules=[EDIT_OWN]))
    assert editor.patch(path, json=body).status_code == 403
    assert caller.patch(path, json=body).json["organization"]["id"] == other.id
    assert caller.patch(path, json={"organization_id": 999}).status_code == 404


def test_a_node_is_moved_to_a_collaboration_of_the_own_organization(
    make: Factory,
    login_as: Login,
    hospital: Organization,
    study: Collaboration,
    events: list[Event],
) -> None:
    node = make.node(hospital, study)
    target, foreign = make.collaboration(hospital), make.collaboration(make.organization())
    editor = login_as(make.user(hospital, rules=[EDIT_OWN]))
    path = f"/api/node/{node.id}"
    for hidden in (foreign.id, 999):
        assert editor.patch(path, json={"collaboration_id": hidden}).status_code == 403
    moved = editor.patch(path, json={"collaboration_id": target.id})
    assert moved.json["collaboration"]["id"] == target.id
    assert [event.identity_id for event in events] == [node.id]


def test_a_node_is_not_moved_to_where_one_is(
    make: Factory, caller: LoggedIn, hospital: Organization, study: Collaboration
) -> None:
    node, taken = make.node(hospital, study), make.collaboration(hospital)
    make.node(hospital, taken)
    path = f"/api/node/{node.id}"
    assert caller.patch(path, json={"collaboration_id": taken.id}).status_code == 400
    assert caller.patch(path, json={"collaboration_id": 999}).status_code == 404


def test_a_deleted_node_is_gone_at_once_and_its_id_never_comes_back(
    make: Factory,
    caller: LoggedIn,
    login_as: Login,
    session: Session,
    hospital: Organization,
    study: Collaboration,
    events: list[Event],
) -> None:
    node = make.node(hospital, study)
    run = make.task(study).results[0]
    as_node = login_as(node)
    assert caller.delete(f"/api/node/{node.id}").status_code == 200
    assert as_node.get("/api/node").status_code == 401
    assert [event.identity_id for event in events] == [node.id]
    assert caller.get(f"/api/result/{run.id}").json["node"] == {}
    body = {"collaboration_id": study.id, "organization_id": hospital.id}
    assert caller.post("/api/node", json=body).json["id"] > node.id


def test_a_new_api_key_makes_the_old_one_and_its_tokens_void(
    make: Factory,
    login_as: Login,
    client: FlaskClient,
    session: Session,
    hospital: Organization,
    study: Collaboration,
    events: list[Event],
) -> None:
    node: Node = make.node(hospital, study, api_key="old")
    as_node = login_as(node)
    editor = login_as(make.user(hospital, rules=[EDIT_OWN]))
    answer = editor.post("/api/recover/node", json={"id": node.id})
    assert answer.status_code == 200
    assert client.post("/api/token/node", json={"api_key": "old"}).status_code == 401
    assert client.post("/api/token/node", json=answer.json).status_code == 200
    assert as_node.get("/api/node").status_code == 401
    assert [event.identity_id for event in events] == [node.id]
    assert editor.post("/api/recover/node", json={}).status_code == 400
