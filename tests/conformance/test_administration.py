"""What an administrator does with the classic client."""

import secrets

import pytest

FIELDS = {
    "address1": "Street 1",
    "address2": "",
    "zipcode": "1234",
    "country": "NL",
    "domain": "hospital.example",
}


@pytest.fixture
def unique():
    """A name that no other test has taken."""
    return f"n{secrets.token_hex(4)}"


@pytest.fixture
def organization(root, unique):
    return root.organization.create(name=f"hospital {unique}", **FIELDS)


@pytest.fixture
def collaboration(root, organization, unique):
    return root.collaboration.create(f"study {unique}", [organization["id"]], encrypted=False)


def ids(rows):
    return [row["id"] for row in rows]


def test_organizations(root, organization, unique):
    assert {key: organization[key] for key in FIELDS} == FIELDS
    assert organization["name"] == f"hospital {unique}"
    assert root.organization.get(organization["id"]) == organization
    assert ids(root.organization.list(name=f"hospital {unique}")["data"]) == [organization["id"]]
    assert organization["id"] in ids(root.organization.list(include_metadata=False))
    # it sends null for everything that is not to change
    changed = root.organization.update(organization["id"], zipcode="4321")
    assert changed == {**organization, "zipcode": "4321"}


def test_collaborations(root, organization, collaboration, unique):
    assert collaboration["encrypted"] is False
    assert ids(collaboration["organizations"]) == [organization["id"]]
    assert root.collaboration.get(collaboration["id"])["name"] == f"study {unique}"
    everywhere = root.collaboration.list(scope="global", name=f"study {unique}")
    assert ids(everywhere["data"]) == [collaboration["id"]]
    plain = root.collaboration.list(
        scope="global", encrypted=False, organization=organization["id"]
    )
    assert ids(plain["data"]) == [collaboration["id"]]
    encrypted = root.collaboration.list(scope="global", encrypted=True)
    assert collaboration["id"] not in ids(encrypted["data"])


def test_the_own_collaborations(root, unique):
    own = root.whoami.value[4]
    collaboration = root.collaboration.create(f"study {unique}", [own], encrypted=True)
    (found,) = [each for each in root.collaboration.list() if each["id"] == collaboration["id"]]
    assert found["encrypted"] is True


def test_nodes(root, organization, collaboration, unique):
    node = root.node.create(collaboration["id"], organization["id"], name=f"node {unique}")
    assert node["api_key"]
    assert node["organization"]["id"] == organization["id"]
    shown = root.node.get(node["id"])
    assert "api_key" not in shown
    assert (shown["name"], shown["type"], shown["status"]) == (f"node {unique}", "node", None)
    assert ids(root.node.list(collaboration=collaboration["id"])["data"]) == [node["id"]]
    assert ids(root.node.list(name=f"node {unique}")["data"]) == [node["id"]]
    assert root.node.list(collaboration=collaboration["id"], is_online=True)["data"] == []
    # it sends null for what is not to change
    assert root.node.update(node["id"], name=f"other {unique}")["name"] == f"other {unique}"
    assert root.node.update(node["id"])["name"] == f"other {unique}"
    assert root.node.delete(node["id"])["msg"]
    assert root.node.get(node["id"])["msg"]


def test_a_node_of_the_own_organization(root, unique):
    own = root.whoami.value[4]
    collaboration = root.collaboration.create(f"study {unique}", [own])
    node = root.node.create(collaboration["id"])
    assert node["organization"]["id"] == own
    assert node["name"]


def test_roles_and_rules(root, organization, unique):
    rules = root.rule.list(operation="VIEW", scope="ORGANIZATION", per_page=100)["data"]
    assert {(rule["operation"], rule["scope"]) for rule in rules} == {("VIEW", "ORGANIZATION")}
    assert root.rule.get(rules[0]["id"])["name"] == rules[0]["name"]
    first, second = ids(rules)[:2]
    role = root.role.create(f"role {unique}", "reads", [first], organization["id"])
    assert ids(role["rules"]) == [first]
    assert root.role.get(role["id"])["description"] == "reads"
    assert ids(root.role.list(name=f"role {unique}")["data"]) == [role["id"]]
    # it sends null for what is not to change
    changed = root.role.update(role["id"], rules=[first, second])
    assert sorted(ids(changed["rules"])) == sorted([first, second])
    changed = root.role.update(role["id"], description="reads more")
    assert (changed["name"], changed["description"]) == (f"role {unique}", "reads more")
    assert len(changed["rules"]) == 2
    root.role.delete(role["id"])
    assert root.role.get(role["id"])["msg"]


def test_users(root, remote, server, organization, unique):
    (rule,) = root.rule.list(name="organization", operation="VIEW", scope="ORGANIZATION")["data"]
    (researcher,) = root.role.list(name="Researcher", include_root=True)["data"]
    person = {"username": unique, "firstname": "Ada", "lastname": "L", "email": f"{unique}@a.org"}
    user = root.user.create(
        **person,
        password="Passw0rd!",
        organization=organization["id"],
        roles=[researcher["id"]],
        rules=[rule["id"]],
    )
    assert {key: user[key] for key in person} == person
    assert ids(user["roles"]) == [researcher["id"]]
    assert ids(user["rules"]) == [rule["id"]]
    assert ids(root.user.list(username=unique)["data"]) == [user["id"]]
    assert ids(root.user.list(organization=organization["id"])["data"]) == [user["id"]]
    assert user["id"] in ids(root.user.list(role=researcher["id"])["data"])
    changed = root.user.update(user["id"], lastname="Lovelace")
    assert changed == {**user, "lastname": "Lovelace"}
    assert root.user.update(user["id"], rules=[])["rules"] is None

    ada = remote.log_in(server.url, unique, "Passw0rd!")
    assert ada.whoami.value[4] == organization["id"]
    # what she may not do is told, not done
    assert ada.organization.create(name=f"her own {unique}", **FIELDS)["msg"]


def test_a_second_user_of_the_same_name_is_refused(root, unique):
    person = {"username": unique, "firstname": "Ada", "lastname": "L", "password": "Passw0rd!"}
    assert root.user.create(**person, email=f"{unique}@a.org")["id"]
    assert root.user.create(**person, email=f"{unique}@b.org")["msg"]


def test_fields_that_the_client_picks_itself(root, organization):
    picked = root.organization.list(include_metadata=False, fields=["id", "name"])
    assert {"id": organization["id"], "name": organization["name"]} in picked
