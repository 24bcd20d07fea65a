"""What the audit log says about runs, and that nothing happens that it cannot say."""

import errno
import hashlib
import json
import os

import pytest

from vantage6.common.task_status import TaskStatus
from vantage6.node.audit.check import check_folder
from vantage6.node.audit.files import lines
from vantage6.node.state import (
    Clean,
    Cleaned,
    Collect,
    Deliver,
    Postponed,
    Refused,
    Start,
    Started,
    Trace,
)
from vantage6.node.timeline import Timeline

ANY_RUN = {"run_id": 5, "image": "average"}


@pytest.fixture(autouse=True)
def _engine(runner):
    runner.open(lambda notice: None)


@pytest.fixture
def told(tmp_path):
    """The lines so far: events with their facts."""

    def read():
        records = [json.loads(line) for _, line in lines(tmp_path / "audit")]
        return [(record["event"], record["facts"]) for record in records]

    return read


@pytest.fixture
def full_disk(monkeypatch):
    """Fill the disk as far as the audit log can tell, until it is called again."""
    real = os.fsync

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    return lambda: monkeypatch.setattr(os, "fsync", real)


def perform(work, assignment, action):
    return work.perform(action, assignment, Timeline())


def test_the_life_of_a_run(make_work, server, assignment, told, tmp_path):
    work, run = make_work(), server.add(assignment(user=5))
    assert isinstance(perform(work, run, Start()), Started)
    report = perform(work, run, Collect()).report
    perform(work, run, Deliver(report))
    perform(work, run, Clean())
    (allowed, facts), (ended, ending), (leaves, result) = told()
    assert (allowed, ended, leaves) == ("run allowed", "run ended", "result leaves")
    assert facts["input_sha256"] == hashlib.sha256(b'json.{"method": "mean"}').hexdigest()
    assert (facts["method"], facts["databases"]) == ("mean", ["default"])
    assert (facts["organization_id"], facts["user_id"], facts["proven"]) == (7, 5, False)
    assert "allowed_images: average" in facts["rule"]
    assert (ending["exit_code"], ending["status"]) == (0, "completed")
    output = b'json.{"mean": 4.5}'
    assert result["output_bytes"] == len(output)
    assert result["output_sha256"] == hashlib.sha256(output).hexdigest()
    assert check_folder(tmp_path / "audit").is_whole


def test_a_refusal_is_told_with_its_rule(make_work, server, assignment, told):
    work, run = make_work(), server.add(assignment(image="evil/image"))
    event = perform(work, run, Start())
    assert event.report.status is TaskStatus.NOT_ALLOWED
    [(event, facts)] = told()
    assert event == "run not started"
    assert (facts["status"], facts["rule"]) == ("not allowed", "allowed_images")


def test_no_container_starts_that_cannot_be_written_down(
    make_work, server, runner, assignment, full_disk, told
):
    work, run = make_work(), server.add(assignment())
    assert isinstance(perform(work, run, Start()), Postponed)
    assert runner.look()[run.result_id] is Trace.CREATED
    full_disk()
    assert isinstance(perform(work, run, Start()), Started)
    assert [event for event, _ in told()] == ["run allowed"]


def test_nothing_leaves_that_cannot_be_written_down(
    make_work, server, assignment, told, monkeypatch, request
):
    work, run = make_work(), server.add(assignment())
    assert isinstance(perform(work, run, Start()), Started)
    report = perform(work, run, Collect()).report
    free = request.getfixturevalue("full_disk")
    assert isinstance(perform(work, run, Deliver(report)), Postponed)
    assert server.reports == {}
    free()
    perform(work, run, Deliver(report))
    assert server.reports[run.result_id].status == "completed"
    assert told()[-1][0] == "result leaves"


def test_a_killed_run_is_told_and_a_full_disk_keeps_nobody_from_killing(
    make_work, server, runner, assignment, told, request
):
    work, first, second = make_work(), server.add(assignment()), server.add(assignment())
    for run in (first, second):
        assert isinstance(perform(work, run, Start()), Started)
    perform(work, first, Clean(confirm=True))
    assert told()[-1] == ("run dropped", ANY_RUN | {"result_id": first.result_id, "task_id": 11})
    request.getfixturevalue("full_disk")
    assert isinstance(perform(work, second, Clean(confirm=True)), Cleaned)
    assert runner.look() == {}


def test_a_result_that_is_sent_again_and_again_is_told_once(make_work, server, assignment, told):
    work, run = make_work(), server.add(assignment())
    assert isinstance(perform(work, run, Start()), Started)
    report = perform(work, run, Collect()).report
    server.is_up = False
    for _ in range(3):
        assert isinstance(perform(work, run, Deliver(report)), Postponed)
    server.is_up = True
    perform(work, run, Deliver(report))
    assert [event for event, _ in told()].count("result leaves") == 1


def test_a_refusal_that_cannot_be_written_down_waits(
    make_work, server, assignment, full_disk, told
):
    work, run = make_work(), server.add(assignment(image="evil/image"))
    assert isinstance(perform(work, run, Start()), Postponed)
    full_disk()
    assert isinstance(perform(work, run, Start()), Refused)
    assert len(told()) == 1
