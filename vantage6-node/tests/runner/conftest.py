"""Containers of a real engine, all under an instance of their own that is removed at the end."""

import io
import itertools
import json
import os
import queue
import secrets
import tarfile
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import docker
import pytest
from docker.errors import NotFound

from development import debian
from development import registry as registries
from development.console import SetupError
from development.engine import ensure_engine
from development.images import BASE, Image, ensure, ensure_relay_image
from vantage6.common.encryption import DummyCryptor
from vantage6.node.assignment import Assignment
from vantage6.node.audit import AuditLog
from vantage6.node.audit.runs import RunAudit
from vantage6.node.databases import Database
from vantage6.node.globals import RELAY_IMAGE
from vantage6.node.inbox import HeldInput
from vantage6.node.keyring import envelopes_of
from vantage6.node.proxy import Proxy
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.docker import DockerRunner
from vantage6.node.runner.interface import ContainerEnded
from vantage6.node.runner.settings import INSTANCE_LABEL, Identity, container_settings, own_user
from vantage6.node.server import Identity as NodeIdentity
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

    def __init__(self, engine, identity, folder):
        self._engine, self.identity = engine, identity
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
        files = self.workspace.prepare(run, HeldInput(b"json.{}"), [database])
        rules = Rules(limits, {"PROGRAM": program}, **exceptions)
        user = rules.run_as or own_user(image_user, os.getuid(), os.getgid())
        settings = container_settings(run, self.identity, files, [database], rules, user)
        return run, replace(settings, image=self._engine.images.get(image).id)

    def output(self, run):
        """What a run that has ended reports."""
        self.workspace.take_output(run.result_id, 2**20)
        return json.loads(self.workspace.outbox.read(run.result_id))


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
def probe(engine, identity, tmp_path):
    return Probes(engine, identity, tmp_path)


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
def laboratory_identity(engine):
    """A node for all tests of a module."""
    with node_identity(engine) as identity:
        yield identity


@pytest.fixture(scope="module")
def laboratory(engine, laboratory_identity, tmp_path_factory):
    """One runner and its probes for all tests of a module."""
    folder, identity = tmp_path_factory.mktemp("laboratory"), laboratory_identity
    runner = DockerRunner(identity, RELAY_IMAGE, folder / "sandboxes")
    yield SimpleNamespace(runner=runner, probe=Probes(engine, identity, folder), identity=identity)
    runner.close(kill=True)


# Helpers in front of every program
PRELUDE = """
import json, os, socket, sys, time, urllib.request, urllib.error
def can(action, *arguments):
    try:
        action(*arguments)
        return True
    except OSError:
        return False
def connects(host, port, family=socket.AF_INET):
    with socket.socket(family) as s:
        s.settimeout(1)
        return can(s.connect, (host, port))
def report(value):
    with open(os.environ["OUTPUT_FILE"], "w") as file:
        json.dump(value, file)
def ask(path, token):
    request = urllib.request.Request(
        f"{os.environ['HOST']}:{os.environ['PORT']}{path}",
        headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None
"""


class Upstream:
    """The server behind the proxies; it notes who asks."""

    def __init__(self):
        self.tokens = []

    def is_encrypted(self, collaboration_id):
        return False

    def uploads(self):
        """There is no payload store."""

    def large_elsewhere(self):
        return {}

    def forward(self, method, path, *, headers, body, **_):
        self.tokens.append(headers["Authorization"])
        content = json.dumps({"length": len(body)}).encode()
        return SimpleNamespace(status_code=200, content=content, headers={})


class House:
    """One node with its runner and proxy, in which hostile programs are let loose."""

    def __init__(self, runner, probe):
        self.runner, self.probe, self.workspace = runner, probe, probe.workspace
        self.running = []
        self.upstream = Upstream()
        who = NodeIdentity(1, "node", 7, "north", "", 3, encrypted=False)
        folder = self.workspace.root
        self.proxy = Proxy(
            self.upstream,
            envelopes_of(who, self.upstream, DummyCryptor(), "both", folder, journal=None),
            RunAudit(AuditLog(folder / "audit")),
            folder,
        )
        self.notices = Notices()
        runner.connect()
        runner.open(self.notices.put)

    def start(self, program, **values):
        run, settings = self.probe(PRELUDE + program, **values)
        folder = self.runner.create(settings)
        self.workspace.write_token(run, f"token-{run.result_id}")
        self.proxy.admit(run.result_id, folder, f"token-{run.result_id}")
        self.runner.start(run.result_id)
        self.running.append(run)
        return run

    def finish(self, run):
        self.notices.wait_for_end(run.result_id)
        return self.runner.ending(run.result_id, 50)

    def report(self, program, **values):
        """Run a program to its end and return what it reports."""
        run = self.start(program, **values)
        ending = self.finish(run)
        assert ending.exit_code == 0, ending.log
        return self.probe.output(run)

    def clear(self):
        """Remove the containers of one test."""
        self.proxy.close()
        for run in self.running:
            self.runner.remove(run.result_id)
        self.running.clear()
        self.upstream.tokens.clear()


@pytest.fixture(scope="module")
def one_house(laboratory):
    return House(laboratory.runner, laboratory.probe)


@pytest.fixture
def house(one_house):
    yield one_house
    one_house.clear()


class Shelf:
    """Tiny images in a registry that only knows who logs in; what it made is removed."""

    def __init__(self, engine, registry):
        self._api, self.registry = engine.api, registry
        self._ids = set()

    def image(self, name=None, tag="1"):
        """The name of an image, in a repository of its own unless that is named."""
        return f"{self.registry.address}/study/{name or secrets.token_hex(4)}:{tag}"

    def make(self, image, content="1"):
        """Have an image here, as if it had been built; its id."""
        repository, _, tag = image.rpartition(":")
        answer = self._api.import_image_from_data(
            _archive(content), repository, tag, changes=["USER 1234:5678", 'CMD ["/none"]']
        )
        self._ids.add(json.loads(answer.splitlines()[-1])["status"])
        return self._api.inspect_image(image)["Id"]

    def push(self, image, content="1", keep=False):
        """Put an image into the registry, and nothing here; its digest."""
        self.make(image, content)
        repository, _, tag = image.rpartition(":")
        said = list(
            self._api.push(
                repository, tag, auth_config=self.registry.log_in, stream=True, decode=True
            )
        )
        assert not [line for line in said if "error" in line]
        if not keep:
            self._api.remove_image(image)
        return next(line["aux"]["Digest"] for line in said if "aux" in line)

    def clear(self):
        for image_id in self._ids:
            with suppress(NotFound):
                self._api.remove_image(image_id, force=True)


def _archive(content):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("content")
        data = f"{content} {secrets.token_hex(8)}".encode()
        member.size = len(data)
        archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture(scope="session")
def registry(tmp_path_factory):
    """A registry with a log-in."""
    if obstacle := registries.PROGRAM.obstacle():
        pytest.skip(obstacle)
    with registries.running(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def shelf(engine, registry):
    shelf = Shelf(engine, registry)
    yield shelf
    shelf.clear()


@pytest.fixture
def api():
    client = docker.APIClient()
    yield client
    client.close()
