"""Our client against the released classic server: what it does everywhere, it does there too."""

import threading

import pytest
import requests

from development import classic
from tests.conformance.node import ScriptedNode
from vantage6.client import Client
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import (
    AuthenticationException,
    NotFound,
    ServerError,
    ServerUnreachable,
)
from vantage6.common.serialization import PICKLE, decode, serialize
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s

ADDRESS = {"address1": "a", "address2": "", "zipcode": "1", "country": "NL", "domain": "h.example"}
METHOD = {"method": "mean", "args": [], "kwargs": {"column": "age"}}


def plain(value):
    """An answer as a node without encryption sends it."""
    return bytes_to_base64s(serialize(value, "json"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with classic.server(tmp_path_factory.mktemp("classic-server")) as server:
        yield server


@pytest.fixture(scope="module")
def connect(server, tmp_path_factory):
    """Log somebody in; pins of each test module's own."""

    def connect(username="root", password="root", **options):
        pins = tmp_path_factory.mktemp("pins") / "pins.json"
        client = Client(f"http://{classic.LOOPBACK}", server.port, pins_file=pins, **options)
        client.authenticate(username, password)
        return client

    return connect


@pytest.fixture(scope="module")
def root(connect):
    """The first user, without encryption."""
    client = connect()
    client.setup_encryption(None)
    return client


@pytest.fixture(scope="module")
def hospital(root):
    return root.organization.create("hospital", **ADDRESS)


@pytest.fixture(scope="module")
def node(root, hospital, server):
    """The scripted node of the hospital, without encryption."""
    ids = [root.whoami.organization_id, hospital["id"]]
    study = root.collaboration.create("study", ids, encrypted=False)
    return ScriptedNode(server.url, root.node.create(study["id"], hospital["id"], "first"))


@pytest.fixture
def ask(root, node):
    """Ask the hospital a question; gives the task and its run."""

    def ask(**said):
        said = said or {"method": "mean", "kwargs": {"column": "age"}}
        where = (node.collaboration, [node.organization])
        task = root.task.create(*where, name="question", image="image", **said)
        assert "id" in task, task
        (run,) = node.open_runs(task_id=task["id"])
        return task, run["id"]

    return ask


def test_a_log_in_tells_who_one_is(root):
    assert (root.whoami.type_, root.whoami.organization_name) == ("user", "root")
    assert root.user.get()["username"] == "root"
    assert root.util.get_server_version()["version"] == "3.5.2"


def test_wrong_credentials_are_refused(connect):
    with pytest.raises(AuthenticationException):
        connect("root", "wrong")


def test_a_token_that_is_no_longer_accepted_is_renewed(connect):
    client = connect()
    client._access_token = "no.such.token"
    # The classic server answers a token it cannot read in its own way.
    client.refresh_token()
    assert client._access_token != "no.such.token"
    assert client.organization.get()["name"] == "root"


def test_organizations(root, hospital):
    assert root.organization.get(hospital["id"])["name"] == "hospital"
    changed = root.organization.update(hospital["id"], country="BE")
    assert (changed["country"], changed["domain"]) == ("BE", "h.example")
    assert {"id": hospital["id"], "name": "hospital"} in root.organization.list(
        fields=["id", "name"]
    )
    assert [one["name"] for one in root.organization.list(name="hosp%")["data"]] == ["hospital"]


def test_collaborations_and_nodes(root, node, hospital):
    assert "study" in [one["name"] for one in root.collaboration.list()]
    (found,) = root.collaboration.list(scope="global", name="study")["data"]
    assert root.collaboration.get(found["id"])["encrypted"] is False
    (listed,) = root.node.list(organization=hospital["id"], name="first")["data"]
    assert root.node.get(listed["id"])["name"] == "first"
    assert root.node.update(listed["id"], name="first")["name"] == "first"
    other = root.collaboration.create("other", [hospital["id"]])
    made = root.node.create(other["id"], hospital["id"])
    assert made["api_key"]
    root.node.delete(made["id"])
    assert set(root.node.get(made["id"])) == {"msg"}


def test_users_roles_and_rules(root, hospital, connect):
    rules = root.rule.list(name="task", operation="VIEW", include_metadata=False)
    assert {rule["name"] for rule in rules} == {"task"}
    for name in ("user", "organization"):
        rules += root.rule.list(name=name, operation="VIEW", include_metadata=False)
    ids = [rule["id"] for rule in rules]
    role = root.role.create("watcher", "watches", ids, hospital["id"])
    assert root.role.update(role["id"], description="looks")["description"] == "looks"
    assert root.role.get(role["id"])["name"] == "watcher"
    made = root.user.create(
        "ada", "Ada", "L", "Passw0rd!", "ada@h.example", hospital["id"], roles=[role["id"]]
    )
    assert root.user.update(made["id"], lastname="Lovelace")["firstname"] == "Ada"
    assert [one["username"] for one in root.user.list(firstname="Ad%")["data"]] == ["ada"]
    ada = connect("ada", "Passw0rd!")
    assert ada.name == "Ada"
    assert "msg" in ada.organization.create("mine", **ADDRESS)
    assert root.role.delete(role["id"]) is None


def test_a_task_its_runs_and_its_values(root, node, ask):
    task, run = ask()
    assert root.task.get(task["id"])["complete"] is False
    assert [one["id"] for one in root.task.list(name="quest%")["data"]][:1] == [task["id"]]
    assert len(root.task.get(task["id"], include_results=True)["results"]) == 1
    node.start(run)
    node.finish(run, plain({"mean": 40.5}))
    assert root.task.wait(task["id"], show_progress=False) == [{"mean": 40.5}]
    assert root.task.results(task["id"]) == [{"mean": 40.5}]
    (result,) = root.result.list(task=task["id"])["data"]
    assert result["result"] == {"mean": 40.5}
    assert root.result.get(result["id"])["result"] == {"mean": 40.5}
    assert root.result.from_task(task["id"])[0]["result"] == {"mean": 40.5}
    assert root.get_results(task_id=task["id"])[0]["result"] == b'json.{"mean": 40.5}'


@pytest.mark.parametrize("data_format", ["json", "legacy"])
def test_the_node_gets_the_input_that_was_given(root, node, ask, data_format):
    task, run = ask(input=METHOD, data_format=data_format)
    (seen,) = [one for one in node.open_runs(task_id=task["id"]) if one["id"] == run]
    payload = base64s_to_bytes(seen["input"])
    if data_format == "json":
        assert payload.startswith(b"json.")
    else:
        assert decode(payload, PICKLE) == METHOD


def test_an_end_is_waited_for_while_the_server_tells_nothing_of_states(root, node, ask):
    """It knows neither a long request nor `status`; it is asked again and again."""
    task, run = ask()
    values = []
    waiting = threading.Thread(
        target=lambda: values.append(root.task.wait(task["id"], show_progress=False))
    )
    waiting.start()
    node.start(run)
    node.finish(run, plain([1, 2]))
    waiting.join()
    assert values == [[[1, 2]]]


def test_the_classic_way_to_wait_gives_bytes(root, node, ask):
    task, run = ask()
    node.start(run)
    node.finish(run, plain(7))
    (result,) = root.wait_for_results(task["id"], sleep=0.1)
    assert result["result"] == b"json.7"


def test_pages(root, ask):
    for _ in range(3):
        ask()
    page = root.task.list(page=1, per_page=2)
    assert len(page["data"]) == 2
    assert page["links"]["next"]
    walked = [task["id"] for task in root.task.iterate(per_page=2)]
    assert sorted(walked) == sorted(task["id"] for task in root.task.list(page=None)["data"])


def test_a_task_is_deleted(root, ask):
    task, _ = ask()
    assert root.task.delete(task["id"]) is None
    assert set(root.task.get(task["id"])) == {"msg"}


def test_refusals_are_raised_where_that_is_wished(connect):
    client = connect(raise_errors=True)
    with pytest.raises(NotFound):
        client.task.get(99_999)
    with pytest.raises(ServerError):
        client.role.create("role", "of nothing", [99_999])


def test_a_lost_answer_is_not_asked_for_again(connect, node, monkeypatch):
    """A second order would be a second task there."""
    client = connect()
    client.setup_encryption(None)
    session = client.transport.session
    send = session.request
    orders = []

    def lose(method, url, **call):
        answer = send(method, url, **call)
        if url.endswith("/task"):
            orders.append(answer.json()["id"])
            raise requests.ConnectionError("cut")
        return answer

    monkeypatch.setattr(session, "request", lose)
    with pytest.raises(ServerUnreachable, match="may have been created"):
        client.task.create(node.collaboration, [node.organization], image="i", method="m")
    assert len(orders) == 1


def test_encrypted_in_the_classic_envelope(connect, root, hospital, server, tmp_path):
    own, theirs = tmp_path / "own.pem", tmp_path / "theirs.pem"
    for path in (own, theirs):
        RSACryptor.create_new_rsa_key(path)
    cryptor = RSACryptor(theirs)
    root.organization.update(hospital["id"], public_key=cryptor.public_key_str)
    client = connect()
    ids = [client.whoami.organization_id, hospital["id"]]
    study = root.collaboration.create("encrypted", ids, encrypted=True)
    node = ScriptedNode(server.url, root.node.create(study["id"], hospital["id"]))
    client.setup_encryption(own)
    task = client.task.create(study["id"], [hospital["id"]], image="i", method="mean")
    (run,) = node.open_runs(task_id=task["id"])
    assert b'"method": "mean"' in cryptor.decrypt_str_to_bytes(run["input"])
    public = client.organization.get()["public_key"]
    node.start(run["id"])
    sealed = cryptor.encrypt_bytes_to_str(serialize(40.5, "json"), public)
    node.finish(run["id"], sealed)
    assert client.task.wait(task["id"], show_progress=False) == [40.5]
