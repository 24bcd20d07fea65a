"""A trial leaves nothing, and ends nothing that is not its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile

import psutil
import pytest

from vantage6.tools.cli.interruption import Interruption
from vantage6.tools.cli.workplace import PREFIX, remove_abandoned, workplace

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture
def process():
    """A process that would go on for long."""
    with subprocess.Popen(SLEEP) as process:
        yield psutil.Process(process.pid)
        process.kill()


@pytest.fixture
def left(temporary, process):
    """The folder of a trial that was killed while a server ran."""

    def leave(owner, mode=0o700):
        folder = temporary / f"{PREFIX}left"
        (folder / "federation").mkdir(parents=True)
        record = {"name": "server", "pid": process.pid, "created": process.create_time()}
        (folder / "federation" / "processes.json").write_text(json.dumps([record]))
        if owner:
            (folder / "owner.json").write_text(json.dumps(owner))
        folder.chmod(mode)
        return folder

    return leave


NOBODY = {"pid": 2**22 + 1, "created": 0}


def test_a_folder_is_there_for_a_while_and_for_nobody_else():
    with workplace(Interruption()) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_a_killed_trial_left_is_ended_by_the_next(left, process):
    folder = left(NOBODY)
    with workplace(Interruption()):
        assert not folder.exists()
    assert process.wait(10) is not None or not process.is_running()


def test_a_trial_that_runs_is_left_alone(left, process):
    own = psutil.Process()
    folder = left({"pid": own.pid, "created": own.create_time()})
    remove_abandoned()
    assert folder.exists()
    assert process.is_running()


def test_a_folder_that_is_being_made_is_left_alone(left, process):
    folder = left(None)
    remove_abandoned()
    assert folder.exists()
    assert process.is_running()


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o755])
def test_a_folder_that_others_could_write_to_or_see_ends_nothing(left, process, mode):
    """Else whoever may write to the folder for temporary files could have us end processes."""
    folder = left(NOBODY, mode)
    remove_abandoned()
    assert folder.exists()
    assert process.is_running()


def test_a_folder_of_somebody_else_ends_nothing(left, process, monkeypatch):
    folder = left(NOBODY)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)
    remove_abandoned()
    assert folder.exists()
    assert process.is_running()


def test_a_link_to_a_folder_ends_nothing(left, process, temporary):
    folder = left(NOBODY)
    folder.rename(temporary / "elsewhere")
    folder.symlink_to(temporary / "elsewhere")
    remove_abandoned()
    assert process.is_running()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_told_to_stop_stops_at_once(number):
    interruption = Interruption()
    with pytest.raises(KeyboardInterrupt), interruption():
        signal.raise_signal(number)


def test_what_is_done_as_a_whole_is_done_before(capsys):
    def work(interruption):
        with interruption.held():
            signal.raise_signal(signal.SIGTERM)
            print("done")
        print("not any more")

    interruption = Interruption()
    with pytest.raises(KeyboardInterrupt), interruption():
        work(interruption)
    assert capsys.readouterr().out == "done\n"


def test_signals_are_given_back():
    before = signal.getsignal(signal.SIGTERM)
    with Interruption()():
        assert signal.getsignal(signal.SIGTERM) != before
    assert signal.getsignal(signal.SIGTERM) == before
