"""Rules can be read by every user."""

from clients import Login
from factories import Factory

from vantage6.server.permission.catalogue import RULES


def test_all_rules_are_listed_in_the_words_of_the_catalogue(make: Factory, login_as: Login) -> None:
    shown = login_as(make.user()).get("/api/rule").json
    assert [(item["name"], item["scope"], item["operation"]) for item in shown] == [
        (record.name, record.scope.name, record.operation.name) for record in RULES
    ]
    assert shown[0] == {
        "id": 1,
        "name": "node",
        "operation": "VIEW",
        "scope": "GLOBAL",
        "description": RULES[0].description,
        "users": None,
    }


def test_rules_are_found_by_name_scope_operation_and_role(make: Factory, login_as: Login) -> None:
    client = login_as(make.user())
    found = client.get("/api/rule?name=task&scope=GLOBAL&operation=VIEW").json
    assert [item["id"] for item in found] == [20]
    role = make.default_role("container")
    assert len(client.get(f"/api/rule?role_id={role.id}").json) == 7
    assert client.get("/api/rule?operation=READ").status_code == 400


def test_one_rule_is_shown(make: Factory, login_as: Login) -> None:
    client = login_as(make.user())
    assert client.get("/api/rule/47").json["name"] == "port"
    assert client.get("/api/rule/48").status_code == 404
