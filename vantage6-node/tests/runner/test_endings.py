"""How runs of hostile and of clumsy programs end: each in a state that names the reason.

One node, with the real engine and a server in memory, is given all of them at once.
"""

import json
import os
import re
import threading
from contextlib import suppress
from types import SimpleNamespace

import pytest
from docker.errors import NotFound

from vantage6.common.encryption import DummyCryptor
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.node import usage
from vantage6.node.assignment import Assignment
from vantage6.node.audit import AuditLog
from vantage6.node.audit.runs import RunAudit
from vantage6.node.daemon import Daemon
from vantage6.node.databases import Databases
from vantage6.node.globals import RELAY_IMAGE
from vantage6.node.journal import Journal
from vantage6.node.keyring import envelopes_of
from vantage6.node.policy import Policy
from vantage6.node.policy.house import ImageRule
from vantage6.node.proxy import Proxy
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.docker import DockerRunner
from vantage6.node.runner.settings import INSTANCE_LABEL
from vantage6.node.settings import LogPolicy, Settings
from vantage6.node.socket import NewTask, RunsKilled
from vantage6.node.work import RunWork
from vantage6.node.workers import ThreadWorkers
from vantage6.node.workspace import Workspace

pytestmark = pytest.mark.docker

SECONDS = 200
PROBE = "vantage6/test-probe"
LIMITS = Limits(memory=128 * 2**20, pids=32, output=1000, disk=32 * 2**20, tmp=2**20)
TIME = 3.0
MOST_FILES = 3000

# What every container runs: the program that its input holds
RUN_INPUT = "import json, os; exec(json.load(open(os.environ['INPUT_FILE']))['program'])"
OUTPUT = "output = os.environ['OUTPUT_FILE']\nos.unlink(output)\n"
FOREVER = "\nimport time\nwhile True: time.sleep(60)"
CALL = """
from urllib.request import Request, urlopen
token = open(os.environ["TOKEN_FILE"]).read()
urlopen(Request("http://proxyserver/task/1", headers={"Authorization": f"Bearer {token}"}))
"""
# Twice what is allowed, and less than the memory: files of a node on a tmpfs count as memory too.
FILL = """
for number in range(64):
    with open(f"{folder}/{number}", "wb") as file:
        file.write(bytes(2**20))
"""

# Program, then how it has to end: status and words of the reason; on the image with a time limit
# where that comes first.
PROGRAMS = {
    "fork bomb": ("while True: os.fork()", "crashed", "limit of 32 processes"),
    "patient fork bomb": (
        "while True:\n  try: os.fork()\n  except OSError: pass",
        "failed",
        "longer than the 3 s",
    ),
    "threads": (
        "import threading, time\n"
        "while True: threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "crashed",
        "limit of 32 processes",
    ),
    "memory": ("x = bytearray(10**9)", "crashed", "128 MiB of memory"),
    "memory of a child": (
        "import subprocess, sys\n"
        "sys.exit(subprocess.call([sys.executable, '-c', 'bytearray(10**9)']) != 0)",
        "crashed",
        "128 MiB of memory",
    ),
    "disk": ("folder = '/mnt/data'" + FILL + FOREVER, "failed", "32 MiB of disk"),
    "shared disk": ("folder = '/mnt/tmp'" + FILL + FOREVER, "failed", "32 MiB of disk"),
    "a giant file": (
        "with open('/mnt/data/x', 'wb') as file: file.seek(2**30); file.write(b'x')",
        "crashed",
        "no more than 32 MiB",
    ),
    "files without end": (
        f"for number in range({MOST_FILES + 10}): open(f'/mnt/data/{{number}}', 'w').close()"
        + FOREVER,
        "failed",
        "3,000 files",
    ),
    "folders without end": (
        "os.chdir('/mnt/data')\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')" + FOREVER,
        "failed",
        "60 levels",
    ),
    "a full folder in memory": ("folder = '/tmp'" + FILL, "crashed", "each of which holds 1 MiB"),
    "a full home": (
        "folder = os.environ['HOME']" + FILL,
        "crashed",
        "each of which holds 1 MiB",
    ),
    "full shared memory": ("folder = '/dev/shm'" + FILL, "crashed", "each of which holds 1 MiB"),
    "names without end": (
        "for number in range(10**6): open(f'/run/{number}', 'w').close()",
        "crashed",
        "each of which holds 1 MiB",
    ),
    "deaf to signals": (
        "import signal\n"
        "for number in set(signal.Signals) - {9, 19}: signal.signal(number, signal.SIG_IGN)\n"
        + CALL
        + FOREVER,
        "failed",
        "longer than the 3 s",
    ),
    "log without end": (
        "while True: os.write(1, b'\\xff\\xfe no text' * 6000)",
        "failed",
        "longer than the 3 s",
    ),
    "the database": (
        "open('/mnt/data/patients.csv', 'a')",
        "crashed",
        "not to a database",
    ),
    "beside the database": ("open('/x', 'w')", "crashed", "/mnt/data"),
    "output is a link": (OUTPUT + "os.symlink('/etc/shadow', output)", "failed", "no file"),
    "output is a folder": (OUTPUT + "os.mkdir(output)", "failed", "something else than a file"),
    "output is a pipe": (OUTPUT + "os.mkfifo(output)", "failed", "something else than a file"),
    "output is a socket": (
        OUTPUT + "import socket\nsocket.socket(socket.AF_UNIX).bind(output)",
        "failed",
        "no file",
    ),
    "output is gone": (OUTPUT, "failed", "no output"),
    "the folder of the output is a link": (
        OUTPUT + "folder = os.path.dirname(output)\n"
        "os.rename(folder, '/mnt/data/old')\nos.symlink('/etc', folder)",
        "failed",
        "no file",
    ),
    "the way to the output is a link": (
        OUTPUT + "os.symlink('/mnt/data/patients.csv', output)",
        "failed",
        "no file",
    ),
    "output is too large": (
        "open(os.environ['OUTPUT_FILE'], 'wb').write(bytes(2000))",
        "failed",
        "2000 bytes",
    ),
    "no command": ("os._exit(127)", "crashed", "cannot be run"),
}
HASTY = {"patient fork bomb", "deaf to signals", "log without end"}


class Node:
    """A node that lives in a thread, and the server that it works for."""

    def __init__(self, identity, folder, doubles):
        self.folder = folder
        self.database = folder / "patients.csv"
        self.database.write_text("age\n4\n5\n")
        self.journal = Journal(folder / "journal.sqlite")
        self.server = self._make_server(doubles)
        self.daemon = self._make_daemon(identity, doubles)
        self._thread = threading.Thread(target=self.daemon.run)
        self._thread.start()

    def _make_server(self, doubles):
        class Server(doubles.Server):
            """Tells when it is called, and when it has been told how a run ended."""

            def __init__(self):
                super().__init__()
                self.changed = threading.Condition()
                self.callers = []

            def forward(self, method, path, *, headers, **_):
                with self.changed:
                    self.callers.append(headers["Authorization"].removeprefix("Bearer "))
                    self.changed.notify_all()
                return SimpleNamespace(status_code=200, content=b"{}", headers={})

            def deliver(self, *arguments):
                with self.changed:
                    super().deliver(*arguments)
                    self.changed.notify_all()

        return Server()

    def _make_daemon(self, identity, doubles):
        runner = DockerRunner(identity, RELAY_IMAGE, self.folder / "sandboxes")
        workspace = Workspace(self.folder / "node")
        calls = ThreadWorkers("call", 20)
        settings = Settings(
            identity,
            3,
            self._policy(),
            Databases({"default": str(self.database)}),
            LogPolicy(),
            (os.getuid(), os.getgid()),
        )
        who = self.server.log_in()
        envelopes = envelopes_of(
            who, self.server, DummyCryptor(), "both", self.folder, self.journal
        )
        audit = RunAudit(AuditLog(self.folder / "audit"))
        work = RunWork(
            self.server,
            runner,
            Proxy(self.server, envelopes, audit, workspace.root),
            workspace,
            self.journal,
            envelopes,
            settings,
            calls,
            audit,
        )
        return Daemon(
            self.server,
            runner,
            lambda: None,
            lambda who: work,
            doubles.Listener,
            ThreadWorkers("worker", 16),
            calls,
            places=8,
            kill_on_exit=True,
        )

    def _policy(self):
        def rules(**exceptions):
            limits = LIMITS if "limits" not in exceptions else exceptions.pop("limits")
            return Rules(limits, {"PROGRAM": RUN_INPUT}, **exceptions)

        exceptions = {
            "hasty": rules(limits=Limits(**{**vars(LIMITS), "time": TIME})),
            "gpu": rules(gpu=True),
            "writable": rules(writable_root=True),
            "copying": rules(writable_database=True, run_as="4321:4321"),
        }
        return Policy(
            all_images=True,
            rules=rules(),
            exceptions=tuple(
                ImageRule(re.compile(f"{PROBE}:{tag}"), rules=rule)
                for tag, rule in exceptions.items()
            ),
        )

    def give(self, result_id, program, tag="latest"):
        """Have the node run a program."""
        input_ = bytes_to_base64s(json.dumps({"method": "x", "program": program}).encode())
        run = Assignment(result_id, result_id, result_id, f"{PROBE}:{tag}", "default", input_, 7)
        self.server.add(run)
        self.daemon.tell(NewTask(run.task_id))
        return run

    def ending(self, run):
        """How a run ended, as the server was told."""
        with self.server.changed:
            assert self.server.changed.wait_for(
                lambda: run.result_id in self.server.reports, SECONDS
            )
        return self.server.reports[run.result_id]

    def wait_for_call(self, run):
        """Wait until a program has called the server."""
        token = self.server.container_token(run.task_id, run.image)
        with self.server.changed:
            assert self.server.changed.wait_for(lambda: token in self.server.callers, SECONDS)

    def close(self):
        self.daemon.stop()
        self._thread.join()
        self.journal.close()


@pytest.fixture(scope="module")
def node(laboratory_identity, engine, tmp_path_factory, doubles):
    for tag in ("hasty", "gpu", "writable", "copying"):
        assert engine.images.get(f"{PROBE}:latest").tag(PROBE, tag)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usage, "MOST_ENTRIES", MOST_FILES)
        node = Node(laboratory_identity, tmp_path_factory.mktemp("node"), doubles)
        yield node
        wait_for_removal(engine, laboratory_identity)
        node.close()


def wait_for_removal(engine, identity):
    """Wait until nothing is left of any run."""
    labels = [f"{INSTANCE_LABEL}={identity.instance}", "vantage6-type=algorithm"]
    for container in engine.containers.list(all=True, filters={"label": labels}):
        with suppress(NotFound):
            container.wait(condition="removed", timeout=SECONDS)


@pytest.fixture(scope="module")
def runs(node):
    """All programs, on their way."""
    return {
        name: node.give(number, PROGRAMS[name][0], "hasty" if name in HASTY else "latest")
        for number, name in enumerate(PROGRAMS, 1)
    }


@pytest.mark.parametrize("name", PROGRAMS)
def test_endings(node, runs, name):
    _, status, words = PROGRAMS[name]
    report = node.ending(runs[name])
    # What the node has to say comes first: perhaps a word on the image, and the reason.
    own = [line for line in report.log.split("\n") if not line.startswith("The copy of the image")]
    assert (report.status, words in own[0]) == (status, True), report.log
    assert report.result == ""
    assert str(node.folder) not in report.log


def test_a_child_that_was_stopped_for_its_memory_is_mentioned(node):
    run = node.give(
        101,
        "import subprocess, sys\n"
        "subprocess.call([sys.executable, '-c', 'bytearray(10**9)'])\n"
        "open(os.environ['OUTPUT_FILE'], 'w').write('json.1')",
    )
    report = node.ending(run)
    assert report.status == "completed"
    assert "128 MiB of memory" in report.log


def test_the_engine_says_why_there_is_no_gpu(node):
    report = node.ending(node.give(102, "", "gpu"))
    assert report.status == "start failed"
    assert "GPU" in report.log


def test_an_image_that_may_write_to_its_files(node):
    run = node.give(
        103,
        "open('/opt/x', 'w').close(); open(os.environ['OUTPUT_FILE'], 'w').write('json.1')",
        "writable",
    )
    assert node.ending(run).status == "completed"


def test_what_is_written_to_the_files_of_the_image_counts(node):
    run = node.give(104, "folder = '/opt'" + FILL + FOREVER, "writable")
    report = node.ending(run)
    assert (report.status, "32 MiB of disk" in report.log) == ("failed", True)


def test_an_image_that_may_change_its_database_changes_a_copy(node):
    run = node.give(
        106,
        "before = open(os.environ['DATABASE_URI']).read()\n"
        "open(os.environ['DATABASE_URI'], 'a').write('6\\n')\n"
        "open(os.environ['DATABASE_URI'] + '.index', 'w').close()\n"
        "open(os.environ['OUTPUT_FILE'], 'w').write(before)",
        "copying",
    )
    report = node.ending(run)
    assert (report.status, base64s_to_bytes(report.result)) == ("completed", b"age\n4\n5\n")


def test_a_program_that_is_deaf_to_signals_is_killed(node, engine, laboratory_identity):
    run = node.give(105, PROGRAMS["deaf to signals"][0])
    node.wait_for_call(run)
    labels = [f"{INSTANCE_LABEL}={laboratory_identity.instance}", f"result_id={run.result_id}"]
    (container,) = engine.containers.list(filters={"label": labels})
    node.server.kill(run)
    node.daemon.tell(RunsKilled(frozenset({run.result_id})))
    container.wait(condition="removed", timeout=SECONDS)


def test_the_database_is_what_it_was(node, runs):
    for run in runs.values():
        node.ending(run)
    assert node.database.read_text() == "age\n4\n5\n"
