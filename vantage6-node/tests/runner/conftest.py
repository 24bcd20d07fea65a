"""Containers of a real engine, all under an instance of their own that is removed at the end."""

import itertools
import os
import queue
import secrets
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest

from development import debian
from development.console import SetupError
from development.engine import ensure_engine
from development.images import BASE, Image, ensure, ensure_relay_image
from vantage6.node.databases import Database
from vantage6.node.globals import RELAY_IMAGE
from vantage6.node.runner.docker import DockerRunner
from vantage6.node.runner.interface import ContainerEnded
from vantage6.node.runner.settings import (
    INSTANCE_LABEL,
    Identity,
    Limits,
    Rules,
    container_settings,
    own_user,
)
from vantage6.node.state import Assignment
from vantage6.node.workspace import Workspace

PROBE_IMAGE = "vantage6/test-probe:latest"
LIMITS = Limits(memory=128 * 2**20, cpus=1.0, pids=32, tmp=2**20, disk=64 * 2**20)
SECONDS = 120


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


@contextmanager
def node_identity(engine):
    """A node of our own; what it leaves behind is removed, and makes the test fail."""
    identity = Identity("probe", "user", secrets.token_hex(4))
    yield identity
    filters = {"label": f"{INSTANCE_LABEL}={identity.instance}"}
    left = engine.containers.list(all=True, filters=filters)
    for container in left:
        container.remove(force=True)
    assert [container.name for container in left] == []


class Probes:
    """Settings of containers that run a program, made as the node makes them."""

    def __init__(self, identity, folder):
        self.identity = identity
        self.workspace = Workspace(folder / "node")
        self.database = folder / "patients.csv"
        self.database.write_text("age\n4\n5\n")
        self._ids = itertools.count(1)

    def __call__(
        self, program, image=PROBE_IMAGE, limits=LIMITS, run_id=None, image_user="", **exceptions
    ):
        result_id = next(self._ids)
        run = Assignment(result_id, 1, run_id or result_id, image, "default", "", 1)
        database = Database("default", str(self.database), self.database)
        files = self.workspace.prepare(run, b"json.{}", database)
        rules = Rules(limits, {"PROGRAM": program}, **exceptions)
        user = own_user(image_user, os.getuid(), os.getgid())
        return run, container_settings(run, self.identity, files, database, rules, user)


class Notices(queue.SimpleQueue):
    """What a runner tells."""

    def wait_for_end(self, result_id):
        while self.get(timeout=SECONDS) != ContainerEnded(result_id):
            continue


@pytest.fixture
def notices():
    return Notices()


@pytest.fixture
def identity(engine):
    with node_identity(engine) as identity:
        yield identity


@pytest.fixture
def probe(identity, tmp_path):
    return Probes(identity, tmp_path)


@pytest.fixture
def make_runner(identity, tmp_path):
    """Make runners as one node starts them one after the other."""
    runners = []

    def make(**options):
        options = {"relay_image": RELAY_IMAGE, "identity": identity, **options}
        folder = tmp_path / options["identity"].instance
        runner = DockerRunner(folder=folder, **options)
        runners.append(runner)
        return runner

    yield make
    for runner in runners:
        runner.close(kill=True)


@pytest.fixture(scope="module")
def laboratory(engine, tmp_path_factory):
    """One runner and its probes for all tests of a module."""
    folder = tmp_path_factory.mktemp("laboratory")
    with node_identity(engine) as identity:
        runner = DockerRunner(identity, RELAY_IMAGE, folder / "sandboxes")
        yield SimpleNamespace(runner=runner, probe=Probes(identity, folder), identity=identity)
        runner.close(kill=True)


@pytest.fixture
def api():
    client = docker.APIClient()
    yield client
    client.close()
