"""Doubles of what surrounds a node: a server, threads, a socket, and an engine."""

import itertools
import re
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from types import SimpleNamespace

import pytest

from vantage6.common.encryption import DummyCryptor, RSACryptor
from vantage6.common.exceptions import (
    BadRequest,
    Forbidden,
    NotFound,
    ServerError,
    ServerUnreachable,
)
from vantage6.common.partners import Shown
from vantage6.common.task_status import TaskStatus, check_move
from vantage6.common.text import bytes_to_base64s
from vantage6.node.assignment import Assignment
from vantage6.node.audit import AuditLog
from vantage6.node.audit.runs import RunAudit
from vantage6.node.daemon import Daemon
from vantage6.node.databases import Databases
from vantage6.node.journal import Journal
from vantage6.node.keyring import envelopes_of
from vantage6.node.policy import Policy
from vantage6.node.proxy import Proxy
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.fake import FakeRunner
from vantage6.node.runner.settings import Identity as ContainerIdentity
from vantage6.node.server import Identity
from vantage6.node.settings import LogPolicy, Settings
from vantage6.node.work import RunWork
from vantage6.node.workspace import Workspace

ORGANIZATION = 7
COLLABORATION = 3


def make_policy(*images, **more):
    """A policy that allows the images that these patterns match."""
    return Policy(images=tuple(map(re.compile, images)), **more)


@pytest.fixture(scope="session")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "private_key.pem"
    RSACryptor.create_new_rsa_key(path)
    return RSACryptor(path)


@pytest.fixture
def assignment():
    """Make assignments with consecutive ids."""
    ids = itertools.count(1)

    def make(**values):
        result_id = next(ids)
        defaults = {
            "result_id": result_id,
            "task_id": 10 + result_id,
            "run_id": 5,
            "image": "average",
            "database": "default",
            "input": bytes_to_base64s(b'json.{"method": "mean"}'),
            "initiator": ORGANIZATION,
        }
        return Assignment(**{**defaults, **values})

    return make


class FakeServer:
    """What a node sees of a server, in memory; it checks every move of a run."""

    url = "http://server.test"
    claim = "me"
    address = "http://server.test/api"

    def __init__(self, gives=False):
        self.gives = gives
        self.runs: dict[int, Assignment] = {}
        self.status: dict[int, str] = {}
        self.reports: dict[int, SimpleNamespace] = {}
        self.moves: list[tuple[int, str]] = []
        self.public_keys: dict[int, str] = {ORGANIZATION: ""}
        self.capabilities: dict[int, str] = {}
        self.refusals: list[Exception] = []
        self.is_up = True
        self.claims: dict[int, str] = {}
        self.stopped: set[int] = set()
        self.encrypted = False
        self.closed = False
        self.said_of_uploads = None
        self.uploaded: list[bytearray | None] = []
        self.sizes: list[int] = []

    def add(self, assignment):
        self.runs[assignment.result_id] = assignment
        self.status[assignment.result_id] = "pending"
        return assignment

    def delete(self, assignment):
        del self.runs[assignment.result_id], self.status[assignment.result_id]

    def kill(self, assignment):
        """What the server does when somebody kills a run."""
        result_id = assignment.result_id
        self.status[result_id] = "killed by user"
        self.reports[result_id] = SimpleNamespace(status="killed by user")

    def log_in(self):
        self._answer()
        key = self.public_keys[ORGANIZATION]
        return Identity(1, "node", ORGANIZATION, "north", key, COLLABORATION, self.encrypted)

    def set_public_key(self, organization_id, public_key):
        self.public_keys[organization_id] = public_key

    def open_runs(self, node_id, task_id=None):
        self._answer()
        return [
            replace(run, claimed_by=self.claims.get(id_, ""))
            for id_, run in sorted(self.runs.items())
            if id_ not in self.reports and task_id in (None, run.task_id)
        ]

    def take(self, limit, held, *, only_subtasks=False):
        self._answer()
        free = [
            id_
            for id_ in sorted(self.runs.keys() - self.reports.keys())
            if self.claims.get(id_, self.claim) == self.claim and id_ not in held
            if self.runs[id_].is_subtask or not only_subtasks
        ]
        return [self._give(id_) for id_ in free[:limit]]

    def _give(self, id_):
        self.claims[id_] = self.claim
        if self.status[id_] == "pending":
            self._move(id_, TaskStatus.INITIALIZING)
        run = self.runs[id_]
        try:
            token = self.container_token(run.task_id, run.image)
        except Forbidden:
            token = ""
        return replace(run, claimed_by=self.claim, container_token=token)

    def begun_runs(self, node_id):
        self._answer()
        return {id_: who for id_, who in self.claims.items()
                if id_ in self.runs and id_ not in self.reports}  # fmt: skip

    def wants(self, result_id):
        self._answer()
        return result_id in self.runs and result_id not in self.reports

    def keep_claims(self, *, take_over=False):
        self._answer()
        if take_over:
            self.claims = dict.fromkeys(self.claims, self.claim)

    def claim_run(self, result_id):
        self._answer()
        if self.claims.setdefault(result_id, self.claim) != self.claim:
            raise ServerError(409, "Another process of this node has this run")

    def killed_runs(self, node_id):
        self._answer()
        return [
            id_
            for id_, status in self.status.items()
            if status == "killed by user" and id_ not in self.stopped
        ]

    def confirm_stop(self, result_id):
        self._answer()
        if self.status.get(result_id) != "killed by user":
            raise BadRequest(400, "The run was not killed")
        self.stopped.add(result_id)

    def container_token(self, task_id, image):
        self._answer()
        return f"token-of-{task_id}"

    def organization(self, organization_id, collaboration_id):
        self._answer()
        key, said = self.public_keys.get(organization_id, ""), self.capabilities
        return Shown(organization_id, "north", key, said.get(organization_id, ""))

    def set_capabilities(self, organization_id, statement):
        self._answer()
        self.capabilities[organization_id] = statement

    def is_encrypted(self, collaboration_id):
        self._answer()
        return self.encrypted

    def uploads(self):
        self._answer()
        return self.said_of_uploads

    def large_elsewhere(self):
        return {}

    def begin_upload(self, sealed):
        self._answer()
        self.uploaded.append(bytearray())
        self.sizes.append(sealed.size)
        return len(self.uploaded)

    def send_upload(self, upload_id, sealed):
        """Take it piece by piece: any of them may be the last that this process sends."""
        if not 0 < upload_id <= len(self.uploaded) or self.uploaded[upload_id - 1] is None:
            raise NotFound(404, "There is no such upload")
        kept = self.uploaded[upload_id - 1]
        while len(kept) < self.sizes[upload_id - 1]:
            self.send_piece(kept, sealed)

    def send_piece(self, kept, sealed):
        self._answer()
        missing = 100_000
        for part in sealed.pieces(len(kept)):
            kept += part[:missing]
            missing -= len(part[:missing])
            if not missing:
                return

    def tell_progress(self, result_id, status, started_at=None):
        self._answer()
        self._move(result_id, status)

    def deliver(self, result_id, report, result, upload_id=None):
        self._answer()
        if result_id in self.reports:
            raise BadRequest(400, "The run has finished already")
        self.claim_run(result_id)
        if upload_id is not None:
            result, self.uploaded[upload_id - 1] = bytes(self.uploaded[upload_id - 1]), None
            assert len(result) == self.sizes[upload_id - 1]
        self._move(result_id, report.status)
        self.reports[result_id] = SimpleNamespace(
            status=report.status.value,
            log=report.log,
            result=result if result.startswith(b"\x89V6E") else result.decode(),
            at=report.finished_at,
        )

    def close(self):
        self.closed = True

    def _move(self, result_id, status):
        check_move(self.status[result_id], status)
        self.status[result_id] = status.value
        self.moves.append((result_id, status.value))

    def _answer(self):
        if not self.is_up:
            raise ServerUnreachable("No answer from the server")
        if self.refusals:
            raise self.refusals.pop(0)


class AtOnce:
    """Workers without threads: work is done when it is handed in."""

    def submit(self, work: Callable):
        future: Future = Future()
        try:
            future.set_result(work())
        except Exception as error:  # noqa: BLE001 - handed to whoever asks the future
            future.set_exception(error)
        return future

    def stop(self, grace):
        pass


class FakeListener:
    def __init__(self, tell):
        self.tell = tell
        self.started = self.closed = False

    def start(self):
        self.started = True

    def close(self):
        self.closed = True


@pytest.fixture(scope="session")
def doubles():
    """The classes, for what lives longer than one test."""
    return SimpleNamespace(Server=FakeServer, Listener=FakeListener, policy=make_policy)


@pytest.fixture(params=[False, True], ids=["classic", "gives"])
def server(request):
    """A server that lists open runs, and one that gives them."""
    return FakeServer(request.param)


@pytest.fixture
def runner(tmp_path):
    def average(container):
        container.write_output(b'json.{"mean": 4.5}')
        return 0

    return FakeRunner(tmp_path / "sandboxes", {"average": average})


@pytest.fixture
def at_once():
    return AtOnce()


@pytest.fixture
def listener():
    return FakeListener


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "patients.csv"
    path.write_text("age\n4\n5\n")
    return path


@pytest.fixture
def settings(database):
    """What an owner configured; everything can be chosen otherwise."""

    def make(**values):
        defaults = {
            "identity": ContainerIdentity("north", "user", "abcd1234"),
            "collaboration_id": COLLABORATION,
            "policy": make_policy("average", "absent", rules=Rules(Limits(output=1000))),
            "databases": Databases({"default": str(database)}),
            "logs": LogPolicy(),
            "user": (0, 0),
        }
        return Settings(**{**defaults, **values})

    return make


@pytest.fixture
def audit(tmp_path):
    return RunAudit(AuditLog(tmp_path / "audit"))


@pytest.fixture
def journal(tmp_path):
    journal = Journal(tmp_path / "journal.sqlite")
    yield journal
    journal.close()


@pytest.fixture
def make_work(server, runner, tmp_path, journal, settings, at_once, audit):
    """The work of a node around the doubles."""
    made = []

    def make(cryptor=None, runner=runner, server=server, takes="both", **values):
        cryptor = cryptor or DummyCryptor()
        server.encrypted = isinstance(cryptor, RSACryptor)
        who = Identity(1, "node", ORGANIZATION, "north", "", COLLABORATION, server.encrypted)
        envelopes = envelopes_of(who, server, cryptor, takes, tmp_path, journal)
        workspace = Workspace(tmp_path / "node")
        proxy = Proxy(server, envelopes, audit, workspace.root)
        work = RunWork(
            server,
            runner,
            proxy,
            workspace,
            journal,
            envelopes,
            settings(**values),
            at_once,
            audit,
        )
        made.append(work)
        return work

    yield make
    for work in made:
        work.close()


IDENTITY = Identity(1, "node", 7, "north", "", 3, False)


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


class Node:
    """A daemon that a test drives by hand, and the time that it lives in."""

    def __init__(self, server, runner, work, listener, workers, places, known=False):
        self.clock = Clock()
        self.server, self.runner = server, runner
        self.daemon = Daemon(
            server,
            runner,
            lambda: (IDENTITY, work) if known else None,
            lambda who: work,
            listener,
            workers,
            workers,
            places=places,
            clock=self.clock,
        )
        self.daemon._open()
        self.settle()

    def settle(self):
        """Let everything happen that is going to happen without more time passing."""
        self.daemon.step(None)
        while not self.daemon._queue.empty():
            self.daemon.step(self.daemon._queue.get())

    def wait_for(self, condition):
        """Let things happen on other threads until it is so."""
        self.daemon.step(None)
        while not condition():
            self.daemon.step(self.daemon._queue.get(timeout=60))

    def tell(self, message):
        self.daemon.tell(message)
        self.settle()

    def wait(self, seconds):
        self.clock.now += seconds
        self.settle()

    @property
    def in_hand(self):
        return {id_: entry.run.phase.value for id_, entry in self.daemon._entries.items()}


@pytest.fixture
def drive():
    """A daemon that a test drives by hand; see `Node`."""
    return Node


@pytest.fixture
def node(server, runner, make_work, listener, at_once):
    """Start a node; what it is to do at once must be at the server before."""

    def start(runner=runner, places=4, known=False, **settings):
        work = make_work(runner=runner, **settings)
        return Node(server, runner, work, listener, at_once, places, known)

    return start
