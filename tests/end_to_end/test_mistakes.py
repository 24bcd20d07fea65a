"""Mistakes that users make: one clear sentence each, and no task that stays open."""

import os
import signal
import socket
import subprocess
import threading

import pytest

from development import average
from development.federation import COMMANDS, Federation, Hospital
from tests.end_to_end.conftest import GHOST_IMAGE
from vantage6.common.exceptions import EncryptionError, TaskFailed

pytestmark = pytest.mark.docker


def ends(*command, **environment):
    """Run a command that is expected to fail; return its exit status and last line."""
    result = subprocess.run(
        [COMMANDS / command[0], *map(str, command[1:])],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    output = result.stdout + result.stderr
    assert "Traceback" not in output, output
    return result.returncode, output.strip().splitlines()[-1]


def other_config(federation, changes):
    """A configuration that differs from that of the first hospital's node, beside it."""
    first = federation.hospitals[0]
    home = federation.home(first) / "other"
    changes = {"directories": {"data": str(home), "log": str(home)}, **changes}
    changed = federation.write_node_config(Hospital(first.name, first.database, changes))
    other = changed.rename(changed.with_name("other.yaml"))
    federation.write_node_config(first)
    return other


def failure(client, task):
    with pytest.raises(TaskFailed) as caught:
        client.task.wait(task["id"])
    assert client.task.get(task["id"])["complete"]
    return caught.value


def test_a_column_that_is_not_there(client, create):
    task = create({"method": "average_partial", "kwargs": {"column_name": "shoe size"}})
    error = failure(client, task)
    assert "shoe size" in str(error)
    assert error.runs[0]["status"] == "crashed"


def test_a_column_that_is_not_there_in_the_partials(client, create):
    task = create({"master": True, "method": "master", "kwargs": {"column_name": "shoe size"}})
    assert "shoe size" in str(failure(client, task))


def test_a_method_that_is_not_there(client, create):
    assert "nonsense" in str(failure(client, create({"method": "nonsense"})))


def test_an_image_that_does_not_exist(client, create):
    error = failure(client, create(average.partial_input(), image=GHOST_IMAGE))
    assert error.runs[0]["status"] == "non-existing Docker image"
    assert GHOST_IMAGE.split(":")[0] in str(error)


def test_an_image_that_is_not_allowed(client, create):
    error = failure(client, create(average.partial_input(), image="somebody/else:latest"))
    assert error.runs[0]["status"] == "not allowed"
    assert "somebody/else:latest" in str(error)


def test_a_database_file_that_is_not_there(plain, image, create):
    client = plain.client()
    error = failure(client, create(average.partial_input(), client=client))
    assert "database" in str(error)
    assert "/nowhere" not in str(error), "a path inside the hospital is nobody else's business"


def test_an_organization_without_a_key(image, hospitals, tmp_path, create):
    members = Federation(tmp_path / "f", hospitals[:2], [f"^{image}$"])
    members.prepare()
    members.start_server()
    try:
        client = members.client()
        keyless = next(o for o in client.organization.list()["data"] if o["name"] == "south")
        admin = client.request(
            f"organization/{keyless['id']}", json={"public_key": ""}, method="patch"
        )
        assert admin["public_key"] == ""
        with pytest.raises(EncryptionError, match="south"):
            create(average.partial_input(), client=client, organizations=[keyless["id"]])
    finally:
        members.stop()


def test_a_wrong_api_key(federation):
    config = other_config(federation, {"api_key": "wrong"})
    status, sentence = ends("vnode-local", "start", "--config", config)
    assert status == 1
    assert "does not accept the API key" in sentence


def test_a_node_that_is_not_encrypted(federation):
    config = other_config(federation, {"encryption": {"enabled": False}})
    status, sentence = ends("vnode-local", "start", "--config", config)
    assert status == 1
    assert "has its encryption off" in sentence


def test_no_engine(federation):
    config = federation.write_node_config(federation.hospitals[0])
    status, sentence = ends(
        "vnode-local", "start", "--config", config, DOCKER_HOST="unix:///nowhere/docker.sock"
    )
    assert status == 1
    assert "engine" in sentence.lower() or "docker" in sentence.lower()


def test_a_port_that_is_taken(federation):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        options = ["--config", federation.server_config, "--environment", "dev"]
        status, sentence = ends("vserver-local", "start", *options, "--port", port)
    assert status == 1
    assert str(port) in sentence


def test_a_server_that_is_not_there_yet(image, hospitals, tmp_path):
    """The node says what it tries, goes on, and is there once the server is."""
    members = Federation(tmp_path / "f", hospitals[:1], [f"^{image}$"])
    members.prepare()
    members.start_server()
    members.services["server"].ask_to_stop()
    members.services["server"].wait_for_end()
    try:
        node = members.start_node(hospitals[0])
        node.wait_until(lambda: str(members.port) in node.output.read_text(), "say what it tries")
        assert node.process.poll() is None
        members.start_server()
        members.wait_for_nodes()
        assert "Traceback" not in node.output.read_text()
    finally:
        members.stop()


def test_an_interrupted_start_leaves_nothing(federation):
    """Ctrl-C on a node that still waits for its server ends it at once and without a trace."""
    config = federation.write_node_config(federation.hospitals[0])
    process = subprocess.Popen(
        [COMMANDS / "vnode-local", "start", "--config", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout.readline()
    killer = threading.Timer(60, process.kill)
    killer.start()
    process.send_signal(signal.SIGINT)
    output = process.stdout.read()
    process.stdout.close()
    status = process.wait()
    killer.cancel()
    assert status >= 0, "it had to be killed"
    assert "Traceback" not in output
