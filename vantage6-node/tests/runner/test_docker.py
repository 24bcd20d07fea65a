"""What only the runner with an engine has: sandboxes, other nodes, and engines that are away."""

import errno
import gc
import secrets
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from vantage6.node.runner import engine as engine_module
from vantage6.node.runner import ourselves
from vantage6.node.runner.interface import EngineUnreachable, ImageMissing, MayHaveRun
from vantage6.node.runner.settings import INSTANCE_LABEL, SANDBOX_LABEL, Identity
from vantage6.node.state import Trace

pytestmark = pytest.mark.docker

RUNS = "import time; time.sleep(600)"
PROBE_IMAGE = "vantage6/test-probe:latest"


@pytest.fixture
def runner(make_runner, notices):
    runner = make_runner()
    runner.connect()
    runner.open(notices.put)
    return runner


def ours(engine, identity, kind):
    labels = [f"{INSTANCE_LABEL}={identity.instance}", f"vantage6-type={kind}"]
    return engine.containers.list(filters={"label": labels})


def test_another_node_sees_and_removes_nothing_of_ours(runner, make_runner, probe, engine):
    _, settings = probe(RUNS)
    runner.create(settings)
    runner.start(settings.result_id)
    stranger = make_runner(identity=Identity("probe", "user", secrets.token_hex(4)))
    stranger.connect()
    assert stranger.open(lambda notice: None) == {}
    stranger.close(kill=True)
    assert runner.look() == {settings.result_id: Trace.RUNNING}


def test_a_start_without_an_answer_may_have_run(runner, probe, monkeypatch):
    _, settings = probe(RUNS)
    runner.create(settings)

    def go_away(_container):
        raise requests.ConnectionError("Remote end closed connection without response")

    with monkeypatch.context() as patch:
        patch.setattr(runner._api, "start", go_away)
        with pytest.raises(EngineUnreachable):
            runner.start(settings.result_id)
    # The engine, which is back, knows of no start; but it may have gone away over it.
    assert runner.look() == {settings.result_id: Trace.CREATED}
    with pytest.raises(MayHaveRun, match="not started a second time"):
        runner.has_started(settings.result_id)


@pytest.mark.parametrize("has_been_away", [False, True], ids=["engine-stayed", "engine-was-away"])
def test_the_next_process_knows_whether_its_engine_was_away(
    has_been_away, runner, make_runner, probe, engine, identity
):
    _, settings = probe(RUNS)
    runner.create(settings)
    used = runner._containers[settings.result_id].sandbox.relay_id
    if has_been_away:
        engine.containers.get(used).kill()
    following = make_runner()
    following.connect()
    assert following.open(lambda notice: None) == {settings.result_id: Trace.CREATED}
    if has_been_away:
        with pytest.raises(MayHaveRun):
            following.has_started(settings.result_id)
    else:
        assert not following.has_started(settings.result_id)


def test_a_sandbox_is_used_again(runner, probe, notices):
    folders = set()
    for _ in range(6):
        _, settings = probe("")
        folders.add(runner.create(settings))
        runner.start(settings.result_id)
        notices.wait_for_end(settings.result_id)
        runner.remove(settings.result_id)
    assert len(folders) < 6


def test_whoever_removes_a_container_returns_when_it_is_gone(runner, probe, engine, identity):
    for _ in range(3):
        _, settings = probe(RUNS)
        runner.create(settings)
        runner.start(settings.result_id)
        start = threading.Barrier(4)

        def remove(id_=settings.result_id, start=start):
            start.wait()
            runner.remove(id_)
            return ours(engine, identity, "algorithm")

        with ThreadPoolExecutor(4) as threads:
            left = [each.result() for each in [threads.submit(remove) for _ in range(4)]]
        assert left == [[]] * 4
    free = [sandbox.relay_id for sandbox in runner._pool._ready]
    assert len(free) == len(set(free)), "given back once"


def test_a_sandbox_is_ready_when_its_relay_listens(make_runner, engine, identity):
    runner = make_runner()
    runner.connect()
    for _ in range(3):
        relay = engine.containers.get(runner._pool.take().relay_id)
        connect = "import socket; socket.create_connection(('127.0.0.1', 80)).close()"
        assert relay.exec_run(["python3", "-I", "-S", "-c", connect]).exit_code == 0
    runner._remove_unused()


def test_a_relay_that_dies_is_replaced(runner, probe, notices, engine, identity):
    _, settings = probe("")
    sandbox = runner.create(settings).name
    (relay,) = [r for r in ours(engine, identity, "relay") if r.labels[SANDBOX_LABEL] == sandbox]
    relay.kill()
    with pytest.raises(EngineUnreachable):
        runner.start(settings.result_id)
    runner.create(settings)
    runner.start(settings.result_id)
    notices.wait_for_end(settings.result_id)
    assert runner.ending(settings.result_id, 1).exit_code == 0


def lose_answer(monkeypatch, api, call, wanted):
    """Have the engine do one call, and go away before it answers."""
    do, lost = getattr(api, call), []

    def do_and_lose(*args, **options):
        done = do(*args, **options)
        if not lost and wanted(args, options):
            lost.append(call)
            raise requests.exceptions.ConnectionError("reset")
        return done

    monkeypatch.setattr(api, call, do_and_lose)


def test_a_container_that_was_made_without_anybody_being_told_is_made_anew(
    runner, probe, notices, monkeypatch
):
    _, settings = probe("")
    name = runner._identity.container_name(settings.result_id)
    lose_answer(
        monkeypatch, runner._api, "create_container", lambda _, more: more.get("name") == name
    )
    with pytest.raises(EngineUnreachable):
        runner.create(settings)
    runner.create(settings)
    runner.start(settings.result_id)
    notices.wait_for_end(settings.result_id)
    assert runner.ending(settings.result_id, 1).exit_code == 0


@pytest.mark.parametrize("call", ["create_container", "start"])
def test_a_sandbox_that_was_half_made_when_the_engine_went_away_is_removed(
    make_runner, engine, identity, monkeypatch, call
):
    runner = make_runner()
    runner.connect()
    lose_answer(monkeypatch, runner._api, call, lambda *_: True)
    with pytest.raises(EngineUnreachable):
        runner._pool.take()
    (half,) = runner._pool._folder.glob("*/")
    runner._pool.refill()
    assert not half.exists()
    names = [relay.labels[SANDBOX_LABEL] for relay in ours(engine, identity, "relay")]
    assert half.name not in names
    runner._remove_unused()
    assert ours(engine, identity, "relay") == []


def test_a_sandbox_that_could_not_be_removed_is_removed_in_the_end(
    runner, engine, identity, monkeypatch
):
    sandbox = runner._pool.take()
    runner._pool.forget(sandbox.relay_id)
    with monkeypatch.context() as patched:
        patched.setattr(runner._api, "remove_container", refuse)
        runner._pool.give_back(sandbox)
    assert sandbox.folder.exists()
    runner.close(kill=False)
    assert list(runner._pool._folder.glob("*/")) == []
    assert ours(engine, identity, "relay") == []


def test_a_sandbox_that_nobody_knows_of_is_removed_when_the_node_stops(runner, engine, identity):
    taken = runner._pool.take()
    runner.close(kill=False)
    assert not taken.folder.exists()
    assert ours(engine, identity, "relay") == []


def test_a_full_disk_costs_no_sandbox(runner, probe, monkeypatch):
    def is_full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    _, settings = probe("")
    with monkeypatch.context() as patched:
        patched.setattr(runner._pool, "network_mounts", is_full)
        for _ in range(5):
            with pytest.raises(OSError, match="No space left"):
                runner.create(settings)
    assert len(list(runner._pool._folder.glob("*/"))) <= 3


def test_sandboxes_are_made_ready_again_after_the_disk_was_full(
    make_runner, notices, monkeypatch, caplog
):
    runner = make_runner()
    runner.connect()
    make, refused = runner._pool._make, threading.Event()

    def make_or_refuse():
        if refused.is_set():
            return make()
        refused.set()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(runner._pool, "_make", make_or_refuse)
    runner.open(notices.put)
    assert refused.wait(60)
    while not runner._pool._ready:
        runner._sandbox_wanted.set()
    assert "No sandbox could be prepared: [Errno 28] No space left on device" in caplog.text


def test_a_cleaner_whose_end_the_engine_did_not_see_is_removed_when_the_node_stops(
    runner, engine, identity, tmp_path, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(runner._api, "start", refuse)
        patched.setattr(runner._api, "remove_container", refuse)
        with pytest.raises(EngineUnreachable):
            runner.empty(tmp_path)
    runner.close(kill=False)
    labels = [f"{INSTANCE_LABEL}={identity.instance}"]
    assert engine.containers.list(all=True, filters={"label": labels}) == []


def refuse(*_, **__):
    raise requests.exceptions.ConnectionError("refused")


def test_a_container_that_lost_its_relay_is_still_collected(
    runner, make_runner, probe, notices, engine, identity
):
    _, settings = probe("print('done')")
    runner.create(settings)
    runner.start(settings.result_id)
    notices.wait_for_end(settings.result_id)
    runner.close(kill=False)
    for relay in ours(engine, identity, "relay"):
        relay.remove(force=True)
    again = make_runner()
    again.connect()
    assert again.open(notices.put) == {settings.result_id: Trace.EXITED}
    assert again.ending(settings.result_id, 10).log == "done\n"


def test_folders_of_other_users_can_be_emptied(runner, probe, notices):
    run, settings = probe("import os; os.makedirs('/mnt/data/a/b'); open('/mnt/data/a/b/c', 'w')")
    runner.create(settings)
    runner.start(settings.result_id)
    notices.wait_for_end(settings.result_id)
    folder = probe.workspace.folder(run.result_id)
    assert (folder / "data" / "a" / "b" / "c").exists()
    runner.remove(run.result_id)
    runner.empty(folder)
    assert list(folder.iterdir()) == []


def test_folders_of_other_users_without_end_can_be_emptied(runner, probe, notices):
    program = "import os\nos.chdir('/mnt/data')\nfor _ in range(3000): os.mkdir('d'); os.chdir('d')"
    run, settings = probe(program)
    runner.create(settings)
    runner.start(settings.result_id)
    notices.wait_for_end(settings.result_id)
    runner.remove(run.result_id)
    folder = probe.workspace.folder(run.result_id)
    runner.empty(folder)
    assert list(folder.iterdir()) == []


def test_a_missing_relay_image_is_one_sentence_that_helps(make_runner):
    runner = make_runner(relay_image="vantage6/there-is-no-such-relay:1")
    with pytest.raises(ImageMissing, match="make images"):
        runner.connect()


# The library leaves the socket open that it could not connect.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine_is_one_sentence(make_runner, monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(EngineUnreachable, match="No such file"):
        make_runner().connect()
    gc.collect()


def test_an_engine_that_goes_away_is_told_apart_from_one_that_refuses(monkeypatch):
    import requests

    with pytest.raises(EngineUnreachable), engine_module.talking_to_engine():
        raise requests.exceptions.ConnectionError("gone")


def test_a_node_in_a_container_knows_which():
    container = "0123456789abcdef" * 4
    line = f"1 2 8:1 /docker/containers/{container}/hostname /etc/hostname rw - ext4 /dev/sda1 rw"
    assert ourselves.own_container_id(line) == container
    assert ourselves.own_container_id("") == socket.gethostname()


def test_a_node_that_is_in_no_container_after_all(make_runner, monkeypatch):
    monkeypatch.setattr(ourselves, "own_container_id", lambda text: "no-such-container")
    with pytest.raises(EngineUnreachable, match="--dockerized"):
        make_runner(in_container=True).connect()
