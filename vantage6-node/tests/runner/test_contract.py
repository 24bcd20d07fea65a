"""What every runner does: one suite, for the one in memory and for the one with the engine."""

import queue
from dataclasses import replace
from types import SimpleNamespace

import pytest

from vantage6.node.inbox import HeldInput
from vantage6.node.runner.fake import RUNS_ON, FakeRunner, cannot_start, image_id
from vantage6.node.runner.interface import (
    ContainerEnded,
    ContainerMissing,
    EngineBack,
    ImageMissing,
    RunnerError,
)
from vantage6.node.state import Trace

SUCCEEDS = "import os; open(os.environ['OUTPUT_FILE'], 'w').write('json.1'); print('done')"
FAILS = "print('one'); print('two'); print('three'); raise SystemExit(3)"
RUNS = "import time; time.sleep(600)"
PROBE_IMAGE = "vantage6/test-probe:latest"
SECONDS = 60


class Harness:
    """A runner, what it tells, and settings for containers of known behaviour."""

    def __init__(self, make_runner, settings, images):
        self._make_runner, self.settings, self.images = make_runner, settings, images
        self.notices = queue.SimpleQueue()
        self.runner = self.next_runner()
        self.traces = self.runner.open(self.notices.put)

    def next_runner(self):
        runner = self._make_runner()
        runner.connect()
        return runner

    def reopen(self):
        """The next process of the same node."""
        self.runner = self.next_runner()
        self.traces = self.runner.open(self.notices.put)

    def start(self, behaviour):
        settings = self.settings(behaviour)
        folder = self.runner.create(settings)
        self.runner.start(settings.result_id)
        return SimpleNamespace(id=settings.result_id, folder=folder, settings=settings)

    def wait_for_end(self, result_id):
        while True:
            notice = self.notices.get(timeout=SECONDS)
            if notice == ContainerEnded(result_id):
                return
            assert isinstance(notice, EngineBack)


@pytest.fixture
def fake_harness(tmp_path, assignment, database):
    from vantage6.node.databases import Database
    from vantage6.node.rules import Rules
    from vantage6.node.runner.settings import Identity, container_settings
    from vantage6.node.workspace import Workspace

    def succeeds(container):
        container.write_output(b"json.1")
        container.log = "done\n"
        return 0

    def fails(container):
        container.log = "one\ntwo\nthree\n"
        return 3

    programs = {
        "succeeds": succeeds,
        "fails": fails,
        "runs": lambda container: RUNS_ON,
        "unstartable": cannot_start,
    }
    containers = {}

    def settings(behaviour):
        run = assignment(image=behaviour)
        source = Database("default", str(database), database)
        files = Workspace(tmp_path / "node").prepare(run, HeldInput(b""), [source])
        identity = Identity("fake", "user", "abcd1234")
        settings = container_settings(run, identity, files, [source], Rules(), None)
        return replace(settings, image=image_id(behaviour))

    def make():
        remote = {"elsewhere": succeeds}
        return FakeRunner(tmp_path / "sandboxes", programs, remote, containers)

    return Harness(make, settings, SimpleNamespace(here="succeeds", elsewhere="elsewhere"))


@pytest.fixture
def docker_harness(make_runner, probe, unstartable, shelf):
    images = SimpleNamespace(here=shelf.image(), elsewhere=shelf.image())
    shelf.push(images.here, keep=True)
    shelf.push(images.elsewhere)
    programs = {"succeeds": SUCCEEDS, "fails": FAILS, "runs": RUNS}

    def settings(behaviour):
        if behaviour == "unstartable":
            return probe("", image=unstartable)[1]
        return probe(programs[behaviour])[1]

    return Harness(lambda: make_runner(registries=[shelf.registry.log_in]), settings, images)


@pytest.fixture(scope="module")
def unstartable(engine):
    """An image whose command is not in it."""
    container = engine.containers.create(PROBE_IMAGE)
    image = container.commit("vantage6/test-unstartable", conf={"Cmd": ["/no/such/command"]})
    container.remove()
    yield "vantage6/test-unstartable"
    engine.images.remove(image.id, force=True)


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.docker)])
def harness(request):
    return request.getfixturevalue(f"{request.param}_harness")


def test_from_start_to_end(harness):
    run = harness.start("succeeds")
    harness.wait_for_end(run.id)
    ending = harness.runner.ending(run.id, 10)
    assert (ending.exit_code, ending.out_of_memory, ending.log) == (0, False, "done\n")
    assert ending.started_at <= ending.finished_at
    (data,) = (mount for mount in run.settings.mounts if str(mount.target) == "/mnt/data")
    assert (data.source / f"task-{run.id:09d}" / "output").read_text() == "json.1"


def test_exit_code_and_last_lines_of_the_log(harness):
    run = harness.start("fails")
    harness.wait_for_end(run.id)
    assert harness.runner.ending(run.id, 2).exit_code == 3
    assert harness.runner.ending(run.id, 2).log == "two\nthree\n"
    assert harness.runner.ending(run.id, None).log == "one\ntwo\nthree\n"


def test_traces(harness):
    settings = harness.settings("runs")
    assert harness.runner.look() == {}
    harness.runner.create(settings)
    assert harness.runner.look() == {settings.result_id: Trace.CREATED}
    harness.runner.start(settings.result_id)
    assert harness.runner.look() == {settings.result_id: Trace.RUNNING}
    run = harness.start("succeeds")
    harness.wait_for_end(run.id)
    # The engine tells an end a moment before its own list knows.
    while harness.runner.look()[run.id] is Trace.RUNNING:
        continue
    assert harness.runner.look()[run.id] is Trace.EXITED


def test_whether_it_has_started(harness):
    settings = harness.settings("runs")
    result_id = settings.result_id
    assert not harness.runner.has_started(result_id)
    harness.runner.create(settings)
    assert not harness.runner.has_started(result_id)
    harness.runner.start(result_id)
    assert harness.runner.has_started(result_id)
    harness.runner.remove(result_id)
    assert not harness.runner.has_started(result_id)


def test_removed_while_it_runs(harness):
    run = harness.start("runs")
    harness.runner.remove(run.id)
    assert harness.runner.look() == {}
    with pytest.raises(ContainerMissing):
        harness.runner.ending(run.id, 1)
    harness.runner.remove(run.id)


def test_stopped_while_it_runs_and_after_it_has_ended(harness):
    run = harness.start("runs")
    assert 0 <= harness.runner.age(run.id) < SECONDS
    assert harness.runner.layer_size(run.id) == 0
    for _ in range(2):
        harness.runner.stop(run.id)
        assert harness.runner.ending(run.id, 1).exit_code == 137
    harness.runner.remove(run.id)
    for question in (harness.runner.stop, harness.runner.age, harness.runner.layer_size):
        with pytest.raises(ContainerMissing):
            question(run.id)


def test_made_anew_under_the_same_id(harness):
    settings = harness.settings("succeeds")
    harness.runner.create(settings)
    harness.runner.create(settings)
    harness.runner.start(settings.result_id)
    harness.wait_for_end(settings.result_id)
    assert len(harness.runner.look()) == 1


def test_a_container_that_cannot_be_started(harness):
    settings = harness.settings("unstartable")
    harness.runner.create(settings)
    with pytest.raises(RunnerError, match="could not be started"):
        harness.runner.start(settings.result_id)


def test_sandboxes_are_not_shared(harness):
    first, second = harness.start("runs"), harness.start("runs")
    assert first.folder != second.folder
    assert first.folder.is_dir()
    assert second.folder.is_dir()


def test_an_image_that_is_here(harness):
    found = harness.runner.find_image(harness.images.here)
    assert found.is_here
    assert harness.runner.fetch_image(found) == found


def test_an_image_that_is_elsewhere(harness):
    found = harness.runner.find_image(harness.images.elsewhere)
    assert (found.is_here, found.id) == (False, "")
    fetched = harness.runner.fetch_image(found)
    assert fetched.is_here
    assert (fetched.name, fetched.digest) == (found.name, found.digest)
    assert harness.runner.find_image(harness.images.elsewhere).id == fetched.id


def test_an_image_that_is_nowhere(harness):
    with pytest.raises(ImageMissing):
        harness.runner.find_image("localhost:9/there/is/no:such")


def test_the_next_process_takes_over(harness):
    running, ended = harness.start("runs"), harness.start("succeeds")
    harness.wait_for_end(ended.id)
    harness.runner.close(kill=False)
    harness.reopen()
    assert harness.traces == {running.id: Trace.RUNNING, ended.id: Trace.EXITED}
    assert harness.runner.sandbox(running.id) == running.folder
    assert harness.runner.ending(ended.id, 10).log == "done\n"
    harness.runner.remove(running.id)
    harness.runner.remove(ended.id)
    assert harness.runner.look() == {}


def test_killed_at_the_end_on_request(harness):
    harness.start("runs")
    harness.runner.close(kill=True)
    harness.reopen()
    assert harness.traces == {}
