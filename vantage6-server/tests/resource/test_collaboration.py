"""Collaborations, who takes part in them, and with which nodes."""

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.model import Authenticatable, Node, Result, Task, User
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service.event import Event


@pytest.fixture
def caller(login_as: Login, root: User) -> LoggedIn:
    return login_as(root)


def test_a_collaboration_is_created(make: Factory, caller: LoggedIn) -> None:
    hospitals = [make.organization(), make.organization()]
    made = caller.post(
        "/api/collaboration",
        json={"name": "Study", "organization_ids": ids(hospitals), "encrypted": 1},
    )
    assert made.status_code == 200
    assert made.json["encrypted"] is True
    assert ids(made.json["organizations"]) == ids(hospitals)
    assert made.json["nodes"] is made.json["tasks"] is None


def test_a_collaboration_is_not_encrypted_unless_the_request_says_so(
    make: Factory, caller: LoggedIn
) -> None:
    body = {"name": "Study", "organization_ids": [make.organization().id]}
    assert caller.post("/api/collaboration", json=body).json["encrypted"] is False


def test_what_a_collaboration_cannot_be(make: Factory, caller: LoggedIn) -> None:
    hospital = make.organization()
    make.collaboration(hospital, name="Taken")
    bodies = {
        "organization_ids": {"name": "Study", "organization_ids": [hospital.id, 998, 999]},
        "name": {"name": "Taken", "organization_ids": [hospital.id]},
    }
    for field, body in bodies.items():
        answer = caller.post("/api/collaboration", json=body)
        assert (answer.status_code, list(answer.json["errors"])) == (400, [field])
    empty = caller.post("/api/collaboration", json={"name": "Study", "organization_ids": []})
    assert empty.status_code == 400


def test_a_taken_name_is_told_to_nobody_who_may_not_create(make: Factory, login_as: Login) -> None:
    study = make.collaboration(make.organization())
    body = {"name": study.name, "organization_ids": [1]}
    assert login_as(make.user()).post("/api/collaboration", json=body).status_code == 403


def test_the_list_can_be_filtered(make: Factory, caller: LoggedIn) -> None:
    one, other = make.organization(), make.organization()
    plain = make.collaboration(one, name="plain")
    secret = make.collaboration(other, name="secret", encrypted=True)
    for query, found in {
        "name=pl%25": plain,
        "encrypted=1": secret,
        "encrypted=false": plain,
        f"organization_id={other.id}": secret,
    }.items():
        assert ids(caller.get(f"/api/collaboration?{query}").json) == [found.id], query
    assert caller.get("/api/collaboration?encrypted=maybe").status_code == 400


def test_others_collaborations_cannot_be_asked_for(make: Factory, login_as: Login) -> None:
    own, other = make.organization(), make.organization()
    study = make.collaboration(own, other)
    view = rule("collaboration", Scope.ORGANIZATION, Operation.VIEW)
    client = login_as(make.user(own, rules=[view]))
    path = "/api/collaboration?organization_id="
    assert ids(client.get(path + str(own.id)).json) == [study.id]
    assert client.get(path + str(other.id)).status_code == 403


def test_a_collaboration_is_changed(make: Factory, caller: LoggedIn) -> None:
    stays, goes, comes = (make.organization() for _ in range(3))
    study = make.collaboration(stays, goes, name="old")
    node = make.node(goes, study)
    changed = caller.patch(
        f"/api/collaboration/{study.id}",
        json={"name": "new", "organization_ids": [stays.id, comes.id], "encrypted": None},
    )
    assert changed.status_code == 200
    assert changed.json["name"] == "new"
    assert changed.json["encrypted"] is False
    assert ids(changed.json["organizations"]) == ids([stays, comes])
    assert caller.get(f"/api/node/{node.id}").json["collaboration"] is None


def test_a_collaboration_keeps_its_own_name_and_takes_no_others(
    make: Factory, caller: LoggedIn
) -> None:
    one, other = make.collaboration(), make.collaboration()
    path = f"/api/collaboration/{one.id}"
    assert caller.patch(path, json={"name": one.name}).status_code == 200
    assert caller.patch(path, json={"name": other.name}).status_code == 400


def test_with_a_collaboration_everything_in_it_is_deleted(
    make: Factory, caller: LoggedIn, session: Session, events: list[Event]
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    node = make.node(hospital, study)
    make.task(study, parent=make.task(study))
    assert caller.delete(f"/api/collaboration/{study.id}").status_code == 200
    assert [event.identity_id for event in events] == [node.id]
    for model in (Node, Task, Result):
        assert session.scalars(select(model.id)).all() == []
    query = select(Authenticatable.id).where(Authenticatable.type == "node")
    assert session.scalars(query).all() == []


def test_organizations_are_added_and_taken_out(make: Factory, caller: LoggedIn) -> None:
    one, other = make.organization(), make.organization()
    study = make.collaboration(one)
    node = make.node(one, study)
    path = f"/api/collaboration/{study.id}/organization"
    for _ in range(2):
        added = caller.post(path, json={"id": other.id})
        assert added.status_code == 200
        assert ids(added.json) == ids([one, other]), "adding twice changes nothing"
    removed = caller.delete(path, json={"id": one.id})
    assert ids(removed.json) == [other.id]
    assert caller.delete(path, json={"id": one.id}).status_code == 400
    assert caller.post(path, json={"id": 999}).status_code == 404
    assert caller.post(path, json={}).status_code == 400
    assert caller.get(f"/api/node/{node.id}").json["collaboration"] is None


def test_nodes_are_moved_in_and_out(make: Factory, caller: LoggedIn, events: list[Event]) -> None:
    hospital, stranger = make.organization(), make.organization()
    first, second = make.collaboration(hospital), make.collaboration(hospital)
    node = make.node(hospital, first)
    path = f"/api/collaboration/{second.id}/node"
    moved = caller.post(path, json={"id": node.id})
    assert moved.status_code == 201
    assert moved.json == [
        {
            "id": node.id,
            "name": node.name,
            "ip": None,
            "status": None,
            "last_seen": None,
            "organization": {
                "id": hospital.id,
                "link": f"/api/organization/{hospital.id}",
                "methods": ["GET", "PATCH"],
            },
        }
    ]
    assert caller.post(path, json={"id": node.id}).status_code == 400, "is there already"
    removed = caller.delete(path, json={"id": node.id})
    assert (removed.status_code, list(removed.json)) == (200, ["msg"])
    assert caller.delete(path, json={"id": node.id}).status_code == 400, "is not there"
    assert {event.identity_id for event in events} == {node.id}, "its rooms are others now"
    homeless = make.node(stranger, make.collaboration(stranger))
    assert caller.post(path, json={"id": homeless.id}).status_code == 400, "not a member"


def test_organizations_nodes_and_tasks_of_a_collaboration_are_listed(
    make: Factory, caller: LoggedIn
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    node = make.node(hospital, study)
    tasks = [make.task(study), make.task(study)]
    make.task(make.collaboration(hospital))
    path = f"/api/collaboration/{study.id}"
    assert ids(caller.get(f"{path}/organization").json) == [hospital.id]
    assert ids(caller.get(f"{path}/node").json) == [node.id]
    assert ids(caller.get(f"{path}/task").json) == ids(tasks)
    assert caller.get("/api/collaboration/999/task").status_code == 404


def test_the_links_to_tasks_are_left_out_on_request(
    make: Factory, login_as: Login, root: User
) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    make.task(study)
    client = login_as(root)
    one, many = f"/api/collaboration/{study.id}", "/api/collaboration"
    of_organization = f"/api/organization/{hospital.id}/collaboration"
    for path in (one, many, of_organization):
        whole, rest = client.get(path).json, client.get(f"{path}?exclude=tasks").json
        whole, rest = (shown if path is one else shown[0] for shown in (whole, rest))
        assert ids(whole.pop("tasks")) == [1]
        assert rest == whole
    assert client.get(f"{one}?exclude=name").status_code == 400
    assert client.get(f"{many}?exclude=nodes").status_code == 400
