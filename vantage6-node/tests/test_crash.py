"""The process ends at any step, and the next one begins with what is on disk.

Every call that the node makes of its surroundings (server, engine, journal, files) is a step.
The process ends right before one of them, or right after it, as it would by `kill -9`: nothing
that it would still do is done. Then another one starts on the same folder, with the same server
and the same containers.
"""

import hashlib
import itertools
from types import SimpleNamespace

import pytest

from vantage6.common.authenticated import InputContext, open_binary, seal
from vantage6.common.client.ability import Uploads
from vantage6.common.image import canonical
from vantage6.common.text import base64s_to_bytes
from vantage6.node.journal import Journal
from vantage6.node.outbox import Outbox
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.fake import RUNS_ON, FakeRunner
from vantage6.node.socket import RunsKilled
from vantage6.node.state import Trace
from vantage6.node.workspace import Workspace


class Crash(BaseException):
    """The end of the process; nothing in it can prevent that."""


class Doom:
    """Counts the steps of a process, and ends it at one of them."""

    def __init__(self, at=None, after=False):
        self.at, self.after = at, after
        self.steps = []

    def step(self, name, call):
        """Make one call, unless the process ends with it."""
        number = len(self.steps)
        if self.at is not None and number > self.at:
            raise Crash(f"after the end: {name}")
        self.steps.append(name)
        if number == self.at and not self.after:
            raise Crash(f"before {name}")
        answer = call()
        if number == self.at:
            raise Crash(f"after {name}")
        return answer


class Doomed:
    """What surrounds a process, each call of it being a step."""

    def __init__(self, thing, doom, names):
        self._thing, self._doom, self._names = thing, doom, frozenset(names)

    def __getattr__(self, name):
        value = getattr(self._thing, name)
        if name not in self._names:
            return value

        def call(*arguments, **options):
            label = f"{type(self._thing).__name__}.{name}"
            return self._doom.step(label, lambda: value(*arguments, **options))

        return call


STEPS = {
    FakeRunner: ("open", "find_image", "create", "start", "ending", "remove"),
    Journal: ("begin", "end", "secure", "forget"),
    Workspace: ("prepare", "write_token", "take_output", "remove", "remove_temporary"),
    Outbox: ("read", "secure", "discard", "keep_upload", "forget_upload"),
}
SERVER = (
    "open_runs",
    "take",
    "begun_runs",
    "claim_run",
    "container_token",
    "tell_progress",
    "deliver",
    "confirm_stop",
    "begin_upload",
)


class House:
    """One node over several processes: its disk, its engine and its server stay."""

    def __init__(self, server, runner, make_work, listener, at_once, drive):
        self.settings = {}
        self.server, self.runner = server, runner
        self._make_work, self._listener, self._at_once = make_work, listener, at_once
        self._drive = drive

    def process(self, doom, patch, life):
        """One process that lives a life, unless it is doomed."""
        for kind, names in STEPS.items():
            for name in names:
                patch.setattr(kind, name, _as_step(kind, name, doom))
        runner = FakeRunner(
            self.runner._folder, self.runner.programs, containers=self.runner.containers
        )
        patch.setattr(
            type(self.server), "send_piece", _as_step(type(self.server), "send_piece", doom)
        )
        server = Doomed(self.server, doom, SERVER)
        try:
            work = self._make_work(runner=runner, server=server, **self.settings)
            life(self._drive(server, runner, work, self._listener, self._at_once, 4, known=True))
        except Crash:
            return False
        return True


def _as_step(kind, name, doom):
    method = getattr(kind, name)

    def call(self, *arguments, **options):
        label = f"{kind.__name__}.{name}"
        return doom.step(label, lambda: method(self, *arguments, **options))

    return call


def runs_on(container):
    return RUNS_ON


@pytest.fixture
def house(server, runner, make_work, listener, at_once, drive):
    return House(server, runner, make_work, listener, at_once, drive)


def finishes(runner, run):
    """A process during whose life the container of a run ends."""

    def life(node):
        container = runner.containers.get(run.result_id)
        if container is not None and container.trace is Trace.RUNNING:
            container.write_output(b"json.42")
            node.runner.finish(run.result_id, 0)
        for _ in range(4):
            node.wait(90)

    return life


def is_killed(server, run):
    """A process during whose life a run is killed."""

    def life(node):
        if run.result_id not in server.reports:
            server.kill(run)
            node.tell(RunsKilled(frozenset({run.result_id})))
        for _ in range(4):
            node.wait(90)

    return life


def goes_on(node):
    """A process that has time."""
    for _ in range(4):
        node.wait(90)


def assert_nothing_is_left(server, runner, journal, tmp_path):
    assert runner.containers == {}
    assert journal.records() == []
    for folder in ("runs", "inbox", "outbox", "tmp"):
        assert list((tmp_path / "node" / folder).iterdir()) == []


LARGE = hashlib.shake_256(b"large").digest(400_000)


def finishes_with_much(runner, run):
    """A process during whose life the container of a run ends, and left a large output."""

    def life(node):
        container = runner.containers.get(run.result_id)
        if container is not None and container.trace is Trace.RUNNING:
            container.write_output(LARGE)
            node.runner.finish(run.result_id, 0)
        for _ in range(8):
            node.wait(90)

    return life


@pytest.fixture(params=["plain", "classic", "signed"])
def large(request, house, server, doubles, key, assignment):
    """A house whose server wants large results uploaded; makes runs in an envelope, and opens."""
    server.said_of_uploads = Uploads(1000)
    house.settings["policy"] = doubles.policy("average", rules=Rules(Limits(output=10**6)))
    nonces = itertools.count(1)
    if request.param == "plain":
        return SimpleNamespace(
            run=lambda: server.add(assignment()), open=lambda run, text: base64s_to_bytes(text)
        )
    house.settings["cryptor"] = key
    server.public_keys[7], server.encrypted = key.public_key_str, True
    body = b'json.{"method": "mean"}'
    if request.param == "classic":
        text = key.encrypt_bytes_to_str(body, key.public_key_str)
        return SimpleNamespace(
            run=lambda: server.add(assignment(input=text)),
            open=lambda run, text: key.decrypt_str_to_bytes(text),
        )

    def signed():
        context = InputContext(3, canonical("average"), 7, 7, nonce=f"{next(nonces):032x}")
        own = key.private_key
        return server.add(assignment(input=seal(body, context, own, own.public_key())))

    def opened(run, data):
        own = key.private_key
        found = open_binary(data, own, own.public_key())
        assert found.context.result_id == run.result_id
        return found.data

    return SimpleNamespace(run=signed, open=opened)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_large_result_goes_on_where_it_was_wherever_the_process_ends(
    house, large, server, runner, journal, tmp_path, monkeypatch, after
):
    runner.programs["average"] = runs_on
    ended_at = []
    for at in itertools.count():
        run = large.run()
        life = finishes_with_much(runner, run)
        doom, again = Doom(at, after), Doom()
        with monkeypatch.context() as patch:
            lived = house.process(doom, patch, life)
        with monkeypatch.context() as patch:
            assert house.process(again, patch, life)
        report = server.reports[run.result_id]
        assert report.status == "completed", doom.steps
        assert large.open(run, report.result) == LARGE, doom.steps
        assert_nothing_is_left(server, runner, journal, tmp_path)
        if lived:
            break
        ended_at.append(doom.steps[-1])
        sent = (doom.steps + again.steps).count("FakeServer.send_piece")
        # Each piece is sent once, but for the one with which the process ended.
        assert sent <= pieces_of(server) + 1
    assert len(ended_at) < MOST_LARGE_STEPS
    assert {"FakeServer.begin_upload", "FakeServer.send_piece", "Outbox.keep_upload"} <= set(
        ended_at
    )


def pieces_of(server):
    """How many pieces the last result has, of which one announced in vain may be left."""
    return -(-server.sizes[-1] // 100_000) + 1


MOST_LARGE_STEPS = 60


def test_an_upload_that_the_server_has_forgotten_begins_anew(
    house, server, runner, assignment, journal, doubles, tmp_path, monkeypatch
):
    server.said_of_uploads = Uploads(1000)
    house.settings["policy"] = doubles.policy("average", rules=Rules(Limits(output=10**6)))
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    life = finishes_with_much(runner, run)
    doom = Doom()
    while "FakeServer.send_piece" not in doom.steps[:-1]:
        doom = Doom(len(doom.steps))
        with monkeypatch.context() as patch:
            house.process(doom, patch, life)
    server.uploaded = [None] * len(server.uploaded)
    with monkeypatch.context() as patch:
        assert house.process(Doom(), patch, life)
    assert base64s_to_bytes(server.reports[run.result_id].result) == LARGE
    assert_nothing_is_left(server, runner, journal, tmp_path)


# More than a process takes; the tests say so when it is not.
MOST_STEPS = 40


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_run_ends_once_with_its_result_wherever_the_process_ends(
    house, server, runner, assignment, journal, tmp_path, monkeypatch, after
):
    starts, ended_at = [], []
    runner.programs["average"] = lambda container: starts.append(container.settings.result_id)
    for at in itertools.count():
        run = server.add(assignment())
        life = finishes(runner, run)
        doom = Doom(at, after)
        with monkeypatch.context() as patch:
            lived = house.process(doom, patch, life)
        with monkeypatch.context() as patch:
            assert house.process(Doom(), patch, life)
        with monkeypatch.context() as patch:
            assert house.process(Doom(), patch, goes_on)
        report = server.reports[run.result_id]
        assert (report.status, base64s_to_bytes(report.result)) == ("completed", b"json.42"), doom
        finals = [move for move in server.moves if move == (run.result_id, "completed")]
        assert len(finals) == starts.count(run.result_id) == 1
        assert_nothing_is_left(server, runner, journal, tmp_path)
        if lived:
            break
        ended_at.append(doom.steps[-1])
    assert len(ended_at) < MOST_STEPS
    assert {
        "Journal.begin",
        "FakeServer.take" if server.gives else "FakeServer.claim_run",
        "FakeRunner.create",
        "FakeRunner.start",
        "FakeRunner.ending",
        "Workspace.take_output",
        "Journal.end",
        "FakeServer.deliver",
        "Outbox.secure",
        "FakeRunner.remove",
        "Journal.forget",
        "Outbox.discard",
    } <= set(ended_at)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_killed_run_is_gone_and_confirmed_wherever_the_process_ends(
    house, server, runner, assignment, journal, tmp_path, monkeypatch, after
):
    runner.programs["average"] = runs_on
    for at in itertools.count():
        run = server.add(assignment())
        doom = Doom(at, after)
        with monkeypatch.context() as patch:
            lived = house.process(doom, patch, is_killed(server, run))
        with monkeypatch.context() as patch:
            assert house.process(Doom(), patch, is_killed(server, run))
        assert server.reports[run.result_id].status == "killed by user"
        assert run.result_id in server.stopped, doom.steps
        assert_nothing_is_left(server, runner, journal, tmp_path)
        if lived:
            break
    assert 10 < at < MOST_STEPS


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_bad_end_is_told_once_wherever_the_process_ends(
    house, server, runner, assignment, journal, tmp_path, monkeypatch, after
):
    def fails(container):
        container.log = "KeyError: 'age'"
        return 1

    runner.programs["average"] = fails
    for at in itertools.count():
        run = server.add(assignment())
        doom = Doom(at, after)
        with monkeypatch.context() as patch:
            lived = house.process(doom, patch, goes_on)
        with monkeypatch.context() as patch:
            assert house.process(Doom(), patch, goes_on)
        report = server.reports[run.result_id]
        assert report.status == "crashed"
        assert "KeyError" in report.log
        assert_nothing_is_left(server, runner, journal, tmp_path)
        if lived:
            break
    assert 10 < at < MOST_STEPS
