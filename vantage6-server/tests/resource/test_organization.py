"""Organizations: the exemplar of how a resource is tested."""

from typing import Any

import pytest
from clients import Login
from factories import Factory, ids

from vantage6.common import bytes_to_base64s
from vantage6.server.model import User
from vantage6.server.permission.catalogue import Operation, Scope, rule

VIEW_ALL = rule("organization", Scope.GLOBAL, Operation.VIEW)
VIEW_PARTNERS = rule("organization", Scope.COLLABORATION, Operation.VIEW)
VIEW_OWN = rule("organization", Scope.ORGANIZATION, Operation.VIEW)
EDIT_OWN = rule("organization", Scope.ORGANIZATION, Operation.EDIT)


def test_an_organization_is_shown_with_links_to_what_belongs_to_it(
    make: Factory, login_as: Login
) -> None:
    hospital = make.organization(
        name="Maastro",
        country="NL",
        zipcode="6229",
        domain="maastro.nl",
        address1="here",
        public_key=bytes_to_base64s(b"key"),
    )
    study = make.collaboration(hospital)
    node = make.node(hospital, study)
    role = make.role(hospital)
    user = make.user(hospital, role="Root")
    task = make.task(study)
    assert login_as(user).get(f"/api/organization/{hospital.id}").json == {
        "id": hospital.id,
        "name": "Maastro",
        "country": "NL",
        "zipcode": "6229",
        "domain": "maastro.nl",
        "address1": "here",
        "address2": None,
        "public_key": "a2V5",
        "capabilities": None,
        "collaborations": [
            {
                "id": study.id,
                "link": f"/api/collaboration/{study.id}",
                "methods": ["GET", "PATCH", "DELETE"],
            }
        ],
        "nodes": [
            {"id": node.id, "link": f"/api/node/{node.id}", "methods": ["GET", "PATCH", "DELETE"]}
        ],
        "users": [
            {"id": user.id, "link": f"/api/user/{user.id}", "methods": ["GET", "PATCH", "DELETE"]}
        ],
        "results": [
            {
                "id": task.results[0].id,
                "link": f"/api/result/{task.results[0].id}",
                "methods": ["GET", "PATCH"],
            }
        ],
        "roles": [role.id],
    }


def test_lists_of_links_are_null_when_empty_and_lists_of_numbers_are_not(
    make: Factory, login_as: Login, root: User
) -> None:
    shown = login_as(root).get(f"/api/organization/{make.organization().id}").json
    assert shown["nodes"] is shown["collaborations"] is shown["users"] is shown["results"] is None
    assert shown["roles"] == []


def test_how_much_is_listed_depends_on_the_widest_rule(make: Factory, login_as: Login) -> None:
    own, partner, stranger = make.organization(), make.organization(), make.organization()
    make.collaboration(own, partner)
    make.collaboration(stranger)
    seen = {
        name: ids(login_as(make.user(own, rules=[rule])).get("/api/organization").json)
        for name, rule in (("own", VIEW_OWN), ("partners", VIEW_PARTNERS), ("all", VIEW_ALL))
    }
    assert seen["own"] == [own.id]
    assert seen["partners"] == [own.id, partner.id]
    assert set(seen["all"]) >= {own.id, partner.id, stranger.id}


def test_what_may_not_be_seen_and_what_is_not_there_look_the_same(
    make: Factory, login_as: Login
) -> None:
    client = login_as(make.user(rules=[VIEW_PARTNERS]))
    hidden = client.get(f"/api/organization/{make.organization().id}")
    missing = client.get("/api/organization/999")
    assert (hidden.status_code, hidden.json) == (missing.status_code, missing.json)
    assert hidden.status_code == 403


def test_whoever_may_see_all_learns_what_is_not_there(login_as: Login, root: User) -> None:
    assert login_as(root).get("/api/organization/999").status_code == 404


def test_the_list_can_be_filtered(make: Factory, login_as: Login, root: User) -> None:
    dutch = make.organization(name="Maastro", country="NL")
    norwegian = make.organization(name="Cancer Registry", country="NO")
    study = make.collaboration(norwegian)
    client = login_as(root)
    assert ids(client.get("/api/organization?name=%25aastr%25").json) == [dutch.id]
    assert ids(client.get("/api/organization?country=NL").json) == [dutch.id]
    found = client.get(f"/api/organization?collaboration_id={study.id}").json
    assert ids(found) == [norwegian.id]


def test_an_organization_is_created(login_as: Login, root: User) -> None:
    made = login_as(root).post("/api/organization", json={"name": "New"})
    assert made.status_code == 201
    assert made.json["name"] == "New"
    assert made.json["country"] == made.json["public_key"] == ""
    assert made.json["address2"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"nmae": "typing error"}, "nmae"),
        ({"public_key": "not base64!"}, "public_key"),
        ({"name": 5}, "name"),
        ({"name": "13"}, "name"),
        ({"capabilities": "x" * 4_001}, "capabilities"),
        (["name"], "_schema"),
    ],
)
def test_what_is_wrong_with_a_request_is_said_by_field(
    login_as: Login, root: User, body: Any, field: str
) -> None:
    answer = login_as(root).post("/api/organization", json=body)
    assert answer.status_code == 400
    assert list(answer.json["errors"]) == [field]
    assert field in answer.json["msg"]


def test_a_request_without_a_body_is_a_bad_request(login_as: Login, root: User) -> None:
    assert login_as(root).post("/api/organization").status_code == 400


def test_an_organization_is_changed_where_the_request_says_so(
    make: Factory, login_as: Login
) -> None:
    own = make.organization(name="Old", country="NL", domain="old.nl")
    client = login_as(make.user(own, rules=[EDIT_OWN]))
    changes = {"name": "New", "domain": "", "country": None}
    changed = client.patch(f"/api/organization/{own.id}", json=changes)
    assert changed.status_code == 200
    assert changed.json["name"] == "New"
    assert changed.json["domain"] == ""
    assert changed.json["country"] == "NL", "null means unchanged"


def test_a_node_uploads_the_public_key_of_its_organization(make: Factory, login_as: Login) -> None:
    own = make.organization()
    node = make.node(own, make.collaboration(own))
    key = {"public_key": bytes_to_base64s(b"new key")}
    changed = login_as(node).patch(f"/api/organization/{own.id}", json=key)
    assert changed.json["public_key"] == key["public_key"]


@pytest.mark.parametrize("body", [{"country": "NL"}, {"capabilities": None}])
def test_what_its_nodes_can_read_is_published_and_stays(
    make: Factory, login_as: Login, body: dict[str, Any]
) -> None:
    own = make.organization(public_key=bytes_to_base64s(b"key"))
    node = make.node(own, make.collaboration(own))
    said = {"capabilities": "signed"}
    assert login_as(node).patch(f"/api/organization/{own.id}", json=said).status_code == 200
    # The same key once more is no other one.
    again = {"public_key": bytes_to_base64s(b"key"), **body}
    assert login_as(node).patch(f"/api/organization/{own.id}", json=again).status_code == 200
    colleague = login_as(make.user(own, rules=[VIEW_PARTNERS]))
    assert colleague.get(f"/api/organization/{own.id}").json["capabilities"] == "signed"
    assert colleague.get("/api/organization").json[0]["capabilities"] == "signed"
    study = node.collaboration_id
    listed = login_as(node).get(f"/api/collaboration/{study}/organization").json
    assert listed[0]["capabilities"] == "signed"


@pytest.mark.parametrize("body", [{"capabilities": ""}, {"public_key": "b3RoZXI="}])
def test_what_its_nodes_can_read_is_withdrawn(
    make: Factory, login_as: Login, body: dict[str, str]
) -> None:
    """By an empty text; and by another key, since it was signed with the old one."""
    own = make.organization(public_key="a2V5", capabilities="signed")
    client = login_as(make.user(own, rules=[EDIT_OWN]))
    changed = client.patch(f"/api/organization/{own.id}", json=body)
    assert changed.json["capabilities"] is None


@pytest.mark.parametrize("order", [1, -1])
def test_another_key_may_come_with_what_is_signed_with_it(
    make: Factory, login_as: Login, order: int
) -> None:
    own = make.organization(public_key="a2V5", capabilities="signed")
    client = login_as(make.user(own, rules=[EDIT_OWN]))
    body = dict([("public_key", "b3RoZXI="), ("capabilities", "new")][::order])
    changed = client.patch(f"/api/organization/{own.id}", json=body).json
    assert (changed["public_key"], changed["capabilities"]) == ("b3RoZXI=", "new")


def test_who_may_not_change_the_key_may_not_say_what_it_can_read(
    make: Factory, login_as: Login
) -> None:
    own, partner = make.organization(), make.organization()
    study = make.collaboration(own, partner)
    container = login_as(make.task(study, own).results[0]) if make.node(own, study) else None
    callers = [
        login_as(make.user(own, rules=[VIEW_ALL])),
        login_as(make.node(partner, study)),
        container,
    ]
    for caller in callers:
        assert caller is not None
        said = caller.patch(f"/api/organization/{own.id}", json={"capabilities": "forged"})
        assert said.status_code == 403


def test_a_container_sees_the_organizations_of_its_collaboration_only(
    make: Factory, login_as: Login
) -> None:
    own, partner, elsewhere = make.organization(), make.organization(), make.organization()
    study = make.collaboration(own, partner)
    make.collaboration(own, elsewhere)
    make.node(own, study)
    container = login_as(make.task(study, own).results[0])
    assert ids(container.get("/api/organization").json) == [own.id, partner.id]
    assert container.get(f"/api/organization/{elsewhere.id}").status_code == 403


def test_collaborations_and_nodes_of_an_organization_are_listed(
    make: Factory, login_as: Login, root: User
) -> None:
    own = make.organization()
    study = make.collaboration(own)
    node = make.node(own, study)
    make.collaboration(make.organization())
    client = login_as(root)
    assert ids(client.get(f"/api/organization/{own.id}/collaboration").json) == [study.id]
    assert ids(client.get(f"/api/organization/{own.id}/node").json) == [node.id]
    assert client.get("/api/organization/999/node").status_code == 404


def test_there_is_no_way_to_delete_an_organization(login_as: Login, root: User) -> None:
    answer = login_as(root).delete("/api/organization/1")
    assert (answer.status_code, list(answer.json)) == (405, ["msg"])
