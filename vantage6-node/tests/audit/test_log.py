"""The audit log: what is written stays, and what is done to it is found."""

import errno
import json
import os
import threading

import pytest

from vantage6.node.audit import AuditLog, AuditUnavailable
from vantage6.node.audit.chain import Head, make_line
from vantage6.node.audit.check import check_folder
from vantage6.node.audit.files import CURRENT, SEAL, files


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def written(folder):
    """A log of ten lines."""
    audit = AuditLog(folder)
    for number in range(1, 11):
        audit.append("run started", result_id=number, image="average")
    return folder / CURRENT


def lines(path):
    return path.read_bytes().splitlines(keepends=True)


def faults(folder, **more):
    return check_folder(folder, **more).faults


def test_what_was_written_is_whole(folder, written):
    check = check_folder(folder)
    assert check.is_whole
    assert (check.first, check.head.count, check.notes) == (1, 10, [])
    facts = [json.loads(line)["facts"]["result_id"] for line in lines(written)]
    assert facts == list(range(1, 11))
    assert written.stat().st_mode & 0o777 == 0o600


def test_the_next_process_goes_on_where_the_last_one_ended(folder, written):
    AuditLog(folder).append("node started")
    check = check_folder(folder)
    assert (check.faults, check.head.count) == ([], 11)


def test_two_processes_take_turns(folder):
    first, second = AuditLog(folder), AuditLog(folder)
    for audit in (first, second, first, second, second, first):
        audit.append("key confirmed")
    assert check_folder(folder).is_whole
    assert check_folder(folder).head.count == 6


def test_threads_take_turns(folder):
    audit = AuditLog(folder)

    def write(thread):
        for number in range(20):
            audit.append("run started", thread=thread, number=number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check = check_folder(folder)
    assert (check.faults, check.head.count) == ([], 100)


def test_a_text_cannot_fill_the_log(folder):
    AuditLog(folder).append("run refused", method="x" * 10**6)
    assert (folder / CURRENT).stat().st_size < 2000


# What is done to it


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: rows[:4] + rows[5:], "lines 5 to 5 are missing"),
        (lambda rows: rows[3:], "lines 1 to 3 are missing"),
        (lambda rows: rows[:-1], "the log ends with line 9"),
        (lambda rows: rows[:-3], "the log ends with line 7"),
        (lambda rows: [], "the log ends with line 0"),
        (lambda rows: [*rows[:4], rows[5], rows[4], *rows[6:]], "line 5 stands behind line 6"),
        (lambda rows: [*rows, rows[-1]], "line 10 stands behind line 10"),
        (lambda rows: [*rows[:4], b"{}\n", *rows[4:]], "what stands before line 5 is no line"),
        (lambda rows: [*rows[:4], rows[4][:-20] + b"\n", *rows[5:]], "before line 6 is no line"),
        (lambda rows: [*rows, b"half a li"], "Behind line 10"),
        (
            lambda rows: [*rows[:4], rows[4].replace(b"average", b"another"), *rows[5:]],
            "line 5 was changed",
        ),
        (lambda rows: [*rows[:4], b" " + rows[4], *rows[5:]], "line 5 was changed"),
        (lambda rows: rows[:4] + forged(rows[4]) + rows[5:], "line 6 does not follow on line 5"),
        (lambda rows: rows[:9] + forged(rows[9]), "Line 10 is another one"),
    ],
)
def test_what_was_done_to_it_is_found(folder, written, change, told):
    written.write_bytes(b"".join(change(lines(written))))
    assert told in "\n".join(faults(folder))


def forged(line):
    """A line with other facts, and the hash that fits them."""
    record = json.loads(line)
    head = Head(record["number"] - 1, record["previous"])
    return [make_line(head, record["at"], record["event"], {"result_id": 999})[0]]


def test_what_was_done_to_it_is_found_after_the_node_has_written_on(folder, written):
    written.write_bytes(b"".join(lines(written)[:-3]))
    AuditLog(folder).append("node started")
    assert "the node found" in "\n".join(faults(folder))
    AuditLog(folder).append("node started")
    assert len(faults(folder)) == 1


def test_a_log_that_was_made_anew_is_found_with_a_head_noted_elsewhere(folder, written):
    noted = check_folder(folder).head
    for path in (written, folder / SEAL):
        path.unlink()
    audit = AuditLog(folder)
    for _ in range(20):
        audit.append("run started")
    assert faults(folder) == []  # what a log alone cannot know
    assert "Line 10 is another one" in faults(folder, expected=noted)[0]


def test_without_the_noted_head_it_is_not_whole(folder, written):
    (folder / SEAL).unlink()
    assert "missing" in faults(folder)[0]


# Crashes


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_line_torn_by_a_crash_is_kept_and_told(folder, written, kept):
    """As after `kill -9` or a power failure in the middle of a write."""
    *before, last = lines(written)
    written.write_bytes(b"".join(before) + last[:kept])
    seal(folder, before[-1])
    AuditLog(folder).append("node started")
    check = check_folder(folder)
    assert check.faults == []
    assert last[: kept if kept > 0 else None].strip(b"\n") in written.read_bytes()
    assert len(check.notes) == (0 if kept == -1 else 1)


def seal(folder, line):
    record = json.loads(line)
    (folder / SEAL).write_text(f"{record['number']:015d}:{record['hash']}\n")


def test_a_head_that_a_power_failure_left_behind_is_no_fault(folder, written):
    seal(folder, lines(written)[6])
    assert faults(folder) == []
    AuditLog(folder).append("node started")
    assert faults(folder) == []


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_full_disk_leaves_nothing_half_written(folder, written, monkeypatch, call):
    audit = AuditLog(folder)
    real = os.write

    def full(descriptor, *data):
        if data:
            real(descriptor, data[0][:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    before = written.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(AuditUnavailable, match="No space left"):
            audit.append("run started")
    assert written.read_bytes() == before
    audit.append("run started")
    assert (faults(folder), check_folder(folder).head.count) == ([], 11)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(AuditUnavailable, match="Not a directory"):
        AuditLog(tmp_path / "file" / "data").append("node started")


# Rotation


def test_a_new_file_goes_on_with_the_chain(folder):
    audit = AuditLog(folder, largest_file=1000)
    other = AuditLog(folder, largest_file=1000)
    for number in range(20):
        (audit, other)[number % 2].append("run started", result_id=number)
    assert len(files(folder)) > 3
    check = check_folder(folder)
    assert (check.faults, check.head.count) == ([], 20)


def test_a_process_that_stops_between_two_files_loses_nothing(folder, written):
    written.rename(folder / "audit-000000000001.jsonl")
    AuditLog(folder).append("node started")
    assert (faults(folder), check_folder(folder).head.count) == ([], 11)


def test_older_files_may_be_moved_away_if_the_reader_says_so(folder):
    audit = AuditLog(folder, largest_file=1000)
    for number in range(20):
        audit.append("run started", result_id=number)
    oldest, middle, *_ = files(folder)
    oldest.unlink()
    assert "are missing" in faults(folder)[0]
    assert faults(folder, partial=True) == []
    middle.rename(oldest)
    assert check_folder(folder, partial=True).is_whole
    oldest.unlink()
    files(folder)[1].unlink()
    assert "are missing" in faults(folder, partial=True)[0]
