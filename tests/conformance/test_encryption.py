"""Keys made and made known by the classic client, and what it encrypts with them."""

import pytest

from tests.conformance.node import ScriptedNode
from tests.conformance.remote import Remote
from vantage6.common.encryption import RSACryptor

FIELDS = dict.fromkeys(("address1", "address2", "zipcode", "country", "domain"), "")
PASSWORD = "Passw0rd!"


@pytest.fixture(scope="module")
def organization(root):
    return root.organization.create(name="with a new key", **FIELDS)["id"]


@pytest.fixture(scope="module")
def owner(root, organization, server, pythons, version, tmp_path_factory):
    """The client of its administrator, in a process of its own: a process has one key only."""
    (role,) = root.role.list(name="Root")["data"]
    person = {"username": "owner", "firstname": "O", "lastname": "O", "email": "o@o.org"}
    root.user.create(**person, password=PASSWORD, organization=organization, roles=[role["id"]])
    with Remote(pythons[version], tmp_path_factory.mktemp("owner")) as remote:
        yield remote.log_in(server.url, "owner", PASSWORD)


@pytest.fixture(scope="module")
def key(owner, tmp_path_factory):
    """The key that the client made."""
    file = tmp_path_factory.mktemp("key") / "key.pem"
    owner.setup_encryption(None)
    owner.util.generate_private_key(str(file))
    return RSACryptor(file)


def test_the_public_key_is_made_known(root, organization, key):
    assert root.organization.get(organization)["public_key"] == key.public_key_str


@pytest.fixture(scope="module")
def node(root, organization, server):
    collaboration = root.collaboration.create("encrypted", [organization], encrypted=True)
    return ScriptedNode(server.url, root.node.create(collaboration["id"], organization))


def test_a_task_and_its_result_are_encrypted(node, owner, key):
    run = node.new_run(owner, {"method": "sum"})
    (row,) = node.open_runs()
    assert row["input"].count("$") == 2
    assert key.decrypt_str_to_bytes(row["input"]) == b'json.{"method": "sum"}'
    node.start(run)
    node.finish(run, key.encrypt_bytes_to_str(b"json.[1]", key.public_key_str))
    assert owner.result.get(run)["result"] == [1]


def test_what_is_not_encrypted_is_refused(node, owner, key):
    body = {"name": "t", "image": "i", "collaboration_id": node.collaboration}
    body["organizations"] = [{"id": node.organization, "input": "anNvbi57fQ=="}]
    assert "encrypted" in owner.request("task", json=body, method="post")["msg"]
    assert owner.task.list(collaboration=node.collaboration, name="t", image="i")["data"] == []
