"""Containers of a real engine, all under an instance of their own that is removed at the end."""

import os
import secrets
from pathlib import Path

import docker
import pytest

from development import debian
from development.console import SetupError
from development.engine import ensure_engine
from development.images import BASE, Image, ensure, ensure_relay_image
from vantage6.node.databases import Database
from vantage6.node.globals import RELAY_IMAGE
from vantage6.node.runner.docker import DockerRunner
from vantage6.node.runner.settings import (
    INSTANCE_LABEL,
    Identity,
    Limits,
    Rules,
    container_settings,
    own_user,
)
from vantage6.node.workspace import Workspace

PROBE_IMAGE = "vantage6/test-probe:latest"
LIMITS = Limits(memory=128 * 2**20, cpus=1.0, pids=32)


@pytest.fixture(scope="session")
def engine():
    """A client of the engine, with our images in it."""
    try:
        client = ensure_engine()
        ensure_relay_image()
        ensure(Image(PROBE_IMAGE, Path(__file__).with_name("probe"), parent=BASE))
    except SetupError as error:
        if debian.is_ours():
            raise
        pytest.skip(str(error))
    return client


@pytest.fixture
def identity(engine):
    """A node of our own; what it leaves behind is removed, and makes the test fail."""
    identity = Identity("probe", "user", secrets.token_hex(4))
    yield identity
    filters = {"label": f"{INSTANCE_LABEL}={identity.instance}"}
    left = engine.containers.list(all=True, filters=filters)
    for container in left:
        container.remove(force=True)
    assert [container.name for container in left] == []


@pytest.fixture
def make_runner(identity, tmp_path):
    """Make runners as one node starts them one after the other."""
    runners = []

    def make(**options):
        options = {"relay_image": RELAY_IMAGE, "identity": identity, **options}
        runner = DockerRunner(folder=tmp_path / "sandboxes", **options)
        runners.append(runner)
        return runner

    yield make
    for runner in runners:
        runner.close(kill=True)


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path / "node")


@pytest.fixture
def probe(identity, workspace, assignment, database):
    """The settings of a container that runs a program, made as the node makes them."""

    def make(program, image=PROBE_IMAGE, limits=LIMITS, **values):
        run = assignment(image=image, **values)
        source = Database("default", str(database), database)
        files = workspace.prepare(run, b"json.{}", source)
        rules = Rules(limits, {"PROGRAM": program})
        user = own_user("", os.getuid(), os.getgid())
        return run, container_settings(run, identity, files, source, rules, user)

    return make


@pytest.fixture
def api(engine):
    client = docker.APIClient()
    yield client
    client.close()
