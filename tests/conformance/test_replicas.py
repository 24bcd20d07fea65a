"""The released classic node at a server of two processes behind nginx."""

from pathlib import Path

import pytest
import yaml
from served import API_KEY, write_import

from development import average, classic, nginx, postgres, rabbitmq
from development import replicas as whole
from development.hospitals import rows_of
from development.images import BASE, Image, ensure
from development.ports import LOOPBACK
from development.replicas import API_PATH, wait_until
from tests.conformance import classic_node
from tests.conformance.classic_node import ClassicNode
from vantage6.client import Client
from vantage6.client.outcome import TaskFailed

pytestmark = pytest.mark.docker

NAME = "classic-at-replicas"
PROBE = Path(__file__).parents[2] / "vantage6-node" / "tests" / "runner" / "probe"
PROGRAM = "import time; time.sleep(3600)"
#: A node whose replica died looks for another one by itself, but not at once.
PATIENCE = 120.0


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    for obstacle in (nginx.NGINX.obstacle(), postgres.obstacle(), rabbitmq.obstacle()):
        if obstacle:
            pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("replicas")
    study = {
        "name": "study",
        "participants": [{"name": "Alpha", "api_key": API_KEY}],
        "tasks": [],
        "encrypted": False,
    }
    first = write_import(folder, collaborations=[study])
    with whole.running(folder, import_file=first) as members:
        yield members


@pytest.fixture(scope="module")
def sleeper(image):
    """An image whose containers do what their environment says."""
    return ensure(Image("vantage6/test-probe:latest", PROBE, parent=BASE))


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    place, *_ = average.hospitals(tmp_path_factory.mktemp("hospital"))
    return classic_node.hospital(
        place.name, place.database, algorithm_env={"PROGRAM": PROGRAM, "ALLOW_PICKLE": "true"}
    )


@pytest.fixture(scope="module")
def node(members, hospital, image, sleeper, tmp_path_factory):
    """The classic node; it comes in through nginx, as everybody does."""
    home = tmp_path_factory.mktemp("node")
    config = {
        "api_key": API_KEY,
        "server_url": f"http://{LOOPBACK}",
        "port": members.port,
        "api_path": API_PATH,
        "task_dir": str(home / "data"),
        "databases": {"default": str(hospital.database)},
        "allowed_images": [f"^{image}$", f"^{sleeper}$"],
        "encryption": {"enabled": False, "private_key": ""},
        "directories": {"data": str(home / "data"), "log": str(home / "log")},
        **hospital.node_config,
    }
    path = home / f"{NAME}.yaml"
    path.write_text(yaml.safe_dump({"application": config}), encoding="utf-8")
    with ClassicNode(classic.environment(classic.NODE), path) as running:
        wait_until(lambda: arrivals(members) != [0, 0], "the node is connected", PATIENCE)
        yield running


def arrivals(members):
    """How often a node came to each of the replicas."""
    return [one.log.read_text(encoding="utf-8").count("INFO     - node ") for one in members]


def client_of(replica):
    client = Client(f"http://{LOOPBACK}", replica.port, API_PATH)
    client.authenticate("ada", "Lovelace-1")
    client.setup_encryption(None)
    return client


def statuses(members):
    return [client_of(one).node.list()["data"][0]["status"] for one in members]


@pytest.fixture
def apart(members, node):
    """The replica at which the node is, and the researcher at the other one."""
    node.check()
    wait_until(lambda: statuses(members) == ["online", "online"], "the node is online", PATIENCE)
    places = [connected(one) for one in members]
    here = places.index(True)
    return here, client_of(members[1 - here])


def connected(replica):
    """Whether the node is at a replica, by what that has said last of it."""
    said = replica.log.read_text(encoding="utf-8").rpartition("vantage6 server")[2]
    return said.count("is connected") > said.count(" left: ")


def ask(client, image, method):
    (collaboration,) = client.collaboration.list()
    organization = client.whoami.organization_id
    return client.task.create(collaboration["id"], [organization], "t", image, "", method)["id"]


def test_a_task_of_one_replica_is_done_by_the_node_at_the_other(apart, image, hospital):
    _, researcher = apart
    task = ask(researcher, image, average.partial_input())
    (answer,) = researcher.task.wait(task, timeout=PATIENCE)
    assert answer["count"] == rows_of([hospital])[hospital.name]


def test_a_kill_at_one_replica_is_final_at_both(apart, members, image, sleeper):
    """The classic node does not listen to kills: its container runs on, and others beside it."""
    here, researcher = apart
    task = ask(researcher, sleeper, {"method": "sleep"})
    at_the_other = client_of(members[here])

    def has_begun():
        (run,) = at_the_other.request(f"task/{task}/result")
        return run["started_at"] is not None

    wait_until(has_begun, "the node has begun", PATIENCE)
    researcher.task.kill(task)
    for client in (researcher, at_the_other):
        with pytest.raises(TaskFailed, match="killed by user"):
            client.task.wait(task, timeout=PATIENCE)
    assert statuses(members) == ["online", "online"]
    assert len(researcher.task.wait(ask(researcher, image, average.partial_input()))) == 1


def test_a_node_whose_replica_is_killed_works_on_at_the_other(apart, members, image):
    here, researcher = apart
    before = arrivals(members)[1 - here]
    members.kill(here)
    try:
        wait_until(lambda: arrivals(members)[1 - here] > before, "the node comes", PATIENCE)
        task = ask(researcher, image, average.partial_input())
        assert len(researcher.task.wait(task, timeout=PATIENCE)) == 1
    finally:
        members.mend()
    # Also after the dead one was missed.
    logs = [one.log for one in members]
    wait_until(
        lambda: any("taken for dead" in log.read_text("utf-8") for log in logs), "it is missed"
    )
    assert statuses(members) == ["online", "online"]


def test_a_node_that_ends_is_offline_at_both(apart, members, node):
    node.stop()
    wait_until(lambda: statuses(members) == ["offline", "offline"], "it is offline", PATIENCE)
