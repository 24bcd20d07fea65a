"""Runs that go beyond their limits while they run."""

import threading
from types import SimpleNamespace

import pytest

from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.fake import RUNS_ON
from vantage6.node.runner.interface import EngineUnreachable
from vantage6.node.watchdog import Watchdog
from vantage6.node.workspace import Workspace


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def house(tmp_path, assignment, runner, settings):
    """A watchdog, and runs for it that are nothing but folders."""
    clock, workspace = Clock(), Workspace(tmp_path / "node")
    disk = SimpleNamespace(is_nearly_full=False)

    def watch(**rules):
        limits = Limits(time=60.0, disk=2**20)
        policy = SimpleNamespace(rules_for=lambda image, digests: Rules(limits, **rules))
        return Watchdog(runner, workspace, settings(policy=policy), disk, clock)

    def begin(watchdog, size=0, age=0.0, **values):
        run = assignment(**values)
        files = workspace.files(run)
        files.data.mkdir(parents=True)
        files.temporary.mkdir(parents=True, exist_ok=True)
        (files.data / "file").write_bytes(bytes(size))
        watchdog.follow(run, age)
        return run

    return SimpleNamespace(
        clock=clock, disk=disk, workspace=workspace, watch=watch, begin=begin, runner=runner
    )


def test_a_run_within_its_limits_is_left_alone(house):
    watchdog = house.watch()
    house.begin(watchdog, size=1000)
    house.clock.now += 59
    assert list(watchdog.look()) == []


def test_too_long(house):
    watchdog = house.watch()
    run, other = house.begin(watchdog), house.begin(watchdog, age=-30)
    house.clock.now += 60
    assert list(watchdog.look()) == [
        (run.result_id, "The run was stopped: it took longer than the 60 s that this node allows")
    ]
    watchdog.leave(run.result_id)
    assert list(watchdog.look()) == []
    house.clock.now += 30
    assert [result_id for result_id, _ in watchdog.look()] == [other.result_id]


def test_what_an_earlier_process_started_has_the_time_that_is_left(house):
    watchdog = house.watch()
    run = house.begin(watchdog, age=3600)
    assert [result_id for result_id, _ in watchdog.look()] == [run.result_id]


@pytest.mark.parametrize("folder", ["data", "temporary"])
def test_too_much(house, folder):
    watchdog = house.watch()
    run = house.begin(watchdog)
    (getattr(house.workspace.files(run), folder) / "much").write_bytes(bytes(2**21))
    ((result_id, reason),) = watchdog.look()
    assert result_id == run.result_id
    assert "1 MiB of disk" in reason


def test_what_is_written_beside_the_folders_counts_where_that_is_allowed(house):
    watchdog = house.watch(writable_root=True)
    run = house.begin(watchdog)
    house.runner.programs["average"] = lambda container: RUNS_ON
    house.runner.containers[run.result_id] = SimpleNamespace(layer_size=2**21)
    ((result_id, _),) = watchdog.look()
    assert result_id == run.result_id


def test_an_engine_that_is_away_ends_no_run(house):
    def away(result_id):
        raise EngineUnreachable("There is no engine")

    watchdog = house.watch(writable_root=True)
    house.runner.layer_size = away
    house.begin(watchdog)
    assert list(watchdog.look()) == []


def test_one_run_at_a_time_is_ended_for_want_of_room_and_that_which_wrote_most(house):
    watchdog = house.watch()
    sizes = (5000, 500_000, 50_000)
    runs = [house.begin(watchdog, size=size, run_id=size) for size in sizes]
    house.disk.is_nearly_full = True
    ((first, reason),) = watchdog.look()
    assert first == runs[1].result_id
    assert "nearly full" in reason
    watchdog.leave(first)
    assert list(watchdog.look()) == []
    house.clock.now += 10
    ((second, _),) = watchdog.look()
    assert second == runs[2].result_id
    house.disk.is_nearly_full = False
    house.clock.now += 10
    assert list(watchdog.look()) == []


def test_it_looks_by_itself_while_something_runs(house):
    watchdog = house.watch()
    told = []
    heard = threading.Event()

    def tell(result_id, reason):
        told.append(result_id)
        heard.set()

    watchdog.start(tell)
    run = house.begin(watchdog, age=3600)
    assert heard.wait(60)
    watchdog.close()
    assert told[0] == run.result_id


def test_it_survives_what_nobody_foresaw(house, monkeypatch, caplog):
    watchdog = house.watch()
    heard = threading.Event()
    rounds = []

    def look():
        rounds.append(1)
        if len(rounds) == 1:
            raise RuntimeError("what was that")
        heard.set()
        return iter(())

    monkeypatch.setattr(watchdog, "look", look)
    monkeypatch.setattr("vantage6.node.watchdog._INTERVAL", 0.01)
    watchdog.start(lambda *_: None)
    house.begin(watchdog)
    assert heard.wait(60)
    watchdog.close()
    assert "could not be looked after" in caplog.text
