"""A server that lies: each lie is found out by whom it would harm, and said.

The database is the server's own word, so changing it is what a dishonest server would do; what
is posted by hand is what such a server could make up.
"""

import sqlite3
from contextlib import closing, contextmanager

import pytest

from development import average
from tests.end_to_end.conftest import GHOST_IMAGE
from vantage6.common.encryption import RSACryptor
from vantage6.common.envelope import is_authenticated_envelope
from vantage6.common.exceptions import Downgraded, EncryptionError, KeyChanged, TaskFailed

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def database(federation):
    return federation.server_config.parent / "server.sqlite"


def execute(database, statement, values=()):
    with closing(sqlite3.connect(database, timeout=30)) as connection, connection:
        return connection.execute(statement, values).fetchall()


@contextmanager
def lie(database, table, column, id_, value):
    """Have the server say something else, for a while."""
    ((truth,),) = execute(database, f"SELECT {column} FROM {table} WHERE id = ?", (id_,))
    execute(database, f"UPDATE {table} SET {column} = ? WHERE id = ?", (value, id_))
    try:
        yield truth
    finally:
        execute(database, f"UPDATE {table} SET {column} = ? WHERE id = ?", (truth, id_))


@pytest.fixture(scope="module")
def members(client):
    """The ids of the organizations, the researcher's first."""
    collaboration = client.collaboration.list(scope="organization")[0]["id"]
    listed = client.organization.list(collaboration=collaboration, per_page=100)["data"]
    found = sorted(row["id"] for row in listed)
    found.remove(client.whoami.organization_id)
    return [client.whoami.organization_id, *found]


@pytest.fixture(scope="module")
def done(client, create, members):
    """Two tasks of one partial each, both over, with what the server has of their runs."""
    tasks = [create(average.partial_input(), organizations=[members[1]]) for _ in range(2)]
    for task in tasks:
        client.task.wait(task["id"])
    return [client.request("result", params={"task_id": task["id"]})[0] for task in tasks]


def post(client, image, organization, input_):
    """A task with an input that is taken as it is."""
    body = {
        "name": "made up",
        "image": image,
        "collaboration_id": client.collaboration.list(scope="organization")[0]["id"],
        "organizations": [{"id": organization, "input": input_}],
    }
    return client.send("post", "task", json=body)["id"]


def refusal(client, task_id):
    with pytest.raises(TaskFailed) as failure:
        client.task.wait(task_id)
    (run,) = failure.value.runs
    assert run["status"] == "not allowed"
    return run["log"]


def test_what_clients_and_nodes_exchange_is_signed(done):
    assert all(is_authenticated_envelope(run["input"]) for run in done)
    assert all(is_authenticated_envelope(run["result"]) for run in done)


def test_an_input_that_is_sent_again(client, image, members, done):
    told = refusal(client, post(client, image, members[1], done[0]["input"]))
    assert "used for another run already" in told


def fresh(client, image, organization):
    """An input that nobody has used yet, sealed for an image and an organization."""
    collaboration = client.collaboration.list(scope="organization")[0]["id"]
    return client._letters().seal_input(organization, collaboration, image, b"json.{}")


def test_an_input_for_another_image(client, image, members):
    task = post(client, GHOST_IMAGE, members[1], fresh(client, image, members[1]))
    assert "its image differs" in refusal(client, task)


def test_an_input_for_another_organization(client, image, members):
    task = post(client, image, members[1], fresh(client, image, members[2]))
    assert "made for another key" in refusal(client, task)


def test_results_that_are_swapped(client, database, done):
    first, second = done
    with (
        lie(database, "result", "result", first["id"], second["result"]),
        pytest.raises(EncryptionError, match="is not of this run: its task_id differs"),
    ):
        client.task.results(first["task"]["id"])
    (answer,) = client.task.results(first["task"]["id"])
    assert answer


def test_a_result_that_was_changed(client, database, done):
    head, header, body, signature = done[0]["result"].split("$")
    changed = "$".join([head, header, body[:8] + body[8:20].swapcase() + body[20:], signature])
    with lie(database, "result", "result", done[0]["id"], changed):
        with pytest.raises(EncryptionError, match="cannot be trusted"):
            client.task.results(done[0]["task"]["id"])
        with pytest.raises(EncryptionError, match="cannot be trusted"):
            client.result.get(done[0]["id"])
        (listed,) = client.result.list(task=done[0]["task"]["id"])["data"]
        assert listed["result"] == changed
        assert "cannot be trusted" in listed["unverified"]


def test_a_result_that_the_server_made_itself(client, database, done):
    """In the classic envelope it takes no more than the public key of whoever asked."""
    forged = client.cryptor.encrypt_bytes_to_str(b"json.{}", client.cryptor.public_key_str)
    with (
        lie(database, "result", "result", done[0]["id"], forged),
        lie(database, "result", "input", done[0]["id"], forged),
        pytest.raises(EncryptionError, match="not in an authenticated envelope"),
    ):
        client.task.results(done[0]["task"]["id"])


def test_another_public_key(client, create, database, members, tmp_path, done):
    RSACryptor.create_new_rsa_key(tmp_path / "evil.pem")
    evil = RSACryptor(tmp_path / "evil.pem").public_key_bytes
    told = rf"\(organization {members[1]}\).*client\.util\.confirm_key\({members[1]}\)"
    with lie(database, "organization", "_public_key", members[1], evil):
        with pytest.raises(KeyChanged, match=told):
            create(average.partial_input(), organizations=[members[1]])
        (pin,) = [pin for pin in client.util.pinned_keys() if pin["organization_id"] == members[1]]
        assert pin["offered"]
    task = create(average.partial_input(), organizations=[members[1]])
    assert client.task.wait(task["id"])


def test_a_promise_that_is_left_out(client, create, database, members, done):
    with (
        lie(database, "organization", "capabilities", members[1], None),
        pytest.raises(Downgraded, match=rf"client\.util\.accept_classic\({members[1]}\)"),
    ):
        create(average.partial_input(), organizations=[members[1]])
