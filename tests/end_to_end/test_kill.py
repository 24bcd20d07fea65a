"""What is killed stops: at once where the node can be told, at its next start where not."""

from pathlib import Path

import pytest

from development import federation, kill
from development.federation import Federation, Hospital
from development.images import BASE, Image, ensure
from vantage6.client.outcome import TaskFailed

pytestmark = pytest.mark.docker

PROBE = Path(__file__).parents[2] / "vantage6-node" / "tests" / "runner" / "probe"
PROGRAM = "import time; time.sleep(3600)"


@pytest.fixture(scope="session")
def sleeper(image):
    """An image whose containers do what their environment says."""
    return ensure(Image("vantage6/test-probe:latest", PROBE, parent=BASE))


@pytest.fixture
def members(sleeper, hospitals, tmp_path):
    """One hospital whose algorithms sleep for ever."""
    sleepy = Hospital("sleepy", hospitals[0].database, {"algorithm_env": {"PROGRAM": PROGRAM}})
    made = Federation(tmp_path / "f", [sleepy], [f"^{sleeper}$"])
    try:
        with federation.running(made) as running:
            yield running
    finally:
        # Also when a test failed: they would sleep on.
        federation.remove(made.folder)


def sleeping(members):
    """The containers of runs."""
    return [one.name for one in federation.containers(members.folder) if "-result-" in one.name]


@pytest.fixture
def start(members, sleeper, create):
    """Start a task, and wait for its container."""

    def start(client):
        task = create({"method": "sleep"}, image=sleeper, client=client)
        members.services["sleepy"].wait_until(lambda: sleeping(members), "start the container")
        return task["id"]

    return start


def assert_is_killed(client, task_id):
    with pytest.raises(TaskFailed, match="killed by user"):
        client.task.wait(task_id, timeout=60)


def test_a_killed_task_stops_at_the_node(members, start):
    client = members.client()
    task_id = start(client)
    client.task.kill(task_id)
    assert_is_killed(client, task_id)
    node = members.services["sleepy"]
    node.wait_until(lambda: not sleeping(members), "stop the container")
    assert client.result.list(state="open")["data"] == []


def test_all_that_a_node_does_is_stopped(members, start):
    client = members.client()
    task_id = start(client)
    client.node.kill_tasks(client.node.list()["data"][0]["id"])
    assert_is_killed(client, task_id)
    node = members.services["sleepy"]
    node.wait_until(lambda: not sleeping(members), "stop the container")


def test_a_task_that_is_deleted_stops_at_the_node(members, start):
    client = members.client()
    client.task.delete(start(client))
    node = members.services["sleepy"]
    node.wait_until(lambda: not sleeping(members), "stop the container")


def test_a_node_that_could_not_be_told_learns_of_it(members, start):
    client = members.client()
    task_id = start(client)
    node = members.services["sleepy"]
    node.process.kill()
    node.process.wait()
    client.task.kill(task_id)
    assert_is_killed(client, task_id)
    assert sleeping(members), "nobody could stop it yet"
    again = members.start_node(members.hospitals[0])
    again.wait_until(lambda: not sleeping(members), "remove the container")


def test_all_that_runs_and_all_that_waits_is_gone_at_once_on_every_node(image, hospitals, tmp_path):
    with kill.two_sleepy_nodes(tmp_path / "many", hospitals[0].database) as members:
        client = members.client()
        ended = client.task.create(
            collaboration=client.collaboration.list(scope="organization")[0]["id"],
            organizations=[client.whoami.organization_id],
            name="refused",
            image="not-allowed:1",
            description="",
            input={"method": "none"},
        )
        with pytest.raises(TaskFailed, match="not allowed"):
            client.task.wait(ended["id"], timeout=60)
        task = kill.start_many(members, client)
        client.task.kill(task["id"], wait=kill.PATIENCE)
        # The nodes have confirmed: nothing is waited for any more.
        assert kill.running_containers(members) == []
        runs = kill.runs_of(client, task)
        assert len(runs) == kill.RUNNING + kill.QUEUED
        assert {run["status"] for run in runs} == {"killed by user"}
        assert all(run["stopped_at"] for run in runs)
        assert client.task.get(ended["id"])["status"] == "not allowed"
