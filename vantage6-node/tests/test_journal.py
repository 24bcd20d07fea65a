"""The journal of a node: what it keeps, from whatever end of the process, and in what state."""

import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Report
from vantage6.node.journal import Journal, JournalError

REPORT = Report(TaskStatus.COMPLETED, "log", "later", "earlier", has_output=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.sqlite"


@pytest.fixture
def again(path, journal):
    """The journal as the next process finds it."""
    made = []

    def again():
        journal.close()
        made.append(Journal(path))
        return made[-1]

    # the fixture `journal` closes itself at the end, too
    journal.close, close = lambda: None, journal.close
    yield again
    for one in made:
        one.close()
    close()


def test_runs_are_kept_without_their_input(again, journal, assignment):
    run = assignment()
    journal.begin(run, {"envelope": 2})
    assert journal.record(run.result_id).report is None
    journal.end(run, REPORT)
    (record,) = again().records()
    assert record.assignment == replace(run, input="")
    assert (record.facts, record.report) == ({"envelope": 2}, REPORT)


def test_the_end_of_a_run_whose_start_is_not_known_is_kept(journal, assignment):
    run = assignment()
    journal.end(run, REPORT)
    assert journal.record(run.result_id).report == REPORT


def test_a_run_that_begins_anew_has_not_ended(journal, assignment):
    run = assignment()
    journal.end(run, REPORT)
    journal.begin(run)
    assert journal.record(run.result_id).report is None


def test_a_run_is_forgotten(again, journal, assignment):
    run, other = assignment(), assignment()
    for one in (run, other):
        journal.begin(one)
    journal.forget(run.result_id)
    journal.forget(run.result_id)
    assert [one.assignment.result_id for one in again().records()] == [other.result_id]


def test_a_nonce_is_used_by_one_run(again, journal):
    assert journal.use("abc", 1)
    assert journal.use("abc", 1), "a start that is repeated"
    assert not journal.use("abc", 2)
    later = again()
    assert not later.use("abc", 3)
    assert later.use("abd", 3)


def test_what_is_remembered(again, journal):
    assert journal.recall("place") is None
    journal.remember("place", {"node_id": 1})
    journal.remember("place", {"node_id": 2})
    assert again().recall("place") == {"node_id": 2}


def test_what_was_noted_outlives_a_process_that_is_killed(path, assignment):
    program = f"""
import os, signal
from pathlib import Path
from vantage6.node.journal import Journal
journal = Journal(Path({str(path)!r}))
journal.remember("place", {{"node_id": 1}})
os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False)
    assert ended.returncode == -9
    journal = Journal(path)
    assert journal.recall("place") == {"node_id": 1}
    journal.close()


def test_several_threads_write_at_once(journal, assignment):
    runs = [assignment() for _ in range(200)]

    def live(run):
        journal.begin(run)
        journal.end(run, REPORT)
        journal.secure()
        if run.result_id % 2:
            journal.forget(run.result_id)

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(live, runs))
    kept = [record.assignment.result_id for record in journal.records()]
    assert kept == [run.result_id for run in runs if not run.result_id % 2]


def test_nobody_else_can_read_it(path, journal):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("damage", [b"not a database at all" * 400, b""])
def test_a_damaged_one_is_put_aside(path, assignment, damage):
    journal = Journal(path)
    for _ in range(300):
        journal.begin(assignment())
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(damage or whole[:4096] + b"\xff" * (len(whole) - 4096))
    broken = path.read_bytes()
    with pytest.raises(ConfigurationError, match=r"damaged.*put aside.*start this node again"):
        Journal(path)
    (aside,) = path.parent.glob("journal.sqlite.damaged-*")
    assert aside.read_bytes() == broken
    new = Journal(path)
    assert new.records() == []
    new.close()


def test_one_of_a_newer_version_stays_as_it_is(path, journal):
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ConfigurationError, match="newer version"):
        Journal(path)
    assert path.exists()


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        Journal(tmp_path / "nowhere" / "journal.sqlite")


def test_a_disk_that_is_full_is_told_of_and_passes(journal, assignment):
    first, second = assignment(), assignment()
    journal.begin(first)
    connection = journal._connection
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="full"):
        journal.end(second, replace(REPORT, log="x" * 100_000))
    connection.execute("PRAGMA max_page_count = 1000000")
    journal.end(second, REPORT)
    assert journal.record(second.result_id).report == REPORT
    assert journal.record(first.result_id) is not None
