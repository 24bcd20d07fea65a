"""The daemon with a server and a runner in memory, and without threads."""

import errno
import os
import threading
from dataclasses import replace

import pytest

from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import (
    BadRequest,
    ConfigurationError,
    Forbidden,
    ServerError,
    ServerUnreachable,
)
from vantage6.common.text import base64s_to_bytes, bytes_to_base64s
from vantage6.node.daemon import POLL_WITH_SOCKET, POLL_WITHOUT_SOCKET, Daemon, Fatal, Happened
from vantage6.node.image.signature import SignatureCheck
from vantage6.node.image.store import ImageStore
from vantage6.node.outbox import Outbox
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.fake import RUNS_ON, FakeRunner, cannot_start
from vantage6.node.runner.interface import (
    ContainerEnded,
    EngineBack,
    EngineUnreachable,
    ImageMissing,
)
from vantage6.node.server import ApiKeyRefused
from vantage6.node.socket import NewTask, RunsKilled, SocketDown, SocketUp
from vantage6.node.state import Overrun, Postponed, Start
from vantage6.node.timeline import Timeline
from vantage6.node.usage import Disk
from vantage6.node.workers import ThreadWorkers


def nobody():
    """Before the first log-in."""


def status(server, assignment):
    return server.reports[assignment.result_id].status


def runs_on(container):
    return RUNS_ON


def test_from_task_to_result(node, server, runner, assignment):
    run = server.add(assignment())
    node()
    report = server.reports[run.result_id]
    assert (report.status, base64s_to_bytes(report.result)) == (
        "completed",
        b'json.{"mean": 4.5}',
    )
    told = ["initializing"] * server.gives + ["active", "completed"]
    assert server.moves == [(run.result_id, status) for status in told]


def test_nothing_is_left_of_a_run_that_is_done(node, server, runner, assignment, tmp_path):
    server.add(assignment())
    daemon = node()
    assert daemon.in_hand == runner.containers == {}
    assert list((tmp_path / "node" / "runs").iterdir()) == []
    assert list((tmp_path / "node" / "tmp").iterdir()) == []


def test_the_input_and_result_are_encrypted(node, server, assignment, key):
    server.encrypted = True
    server.public_keys[7] = key.public_key_str
    input_ = key.encrypt_bytes_to_str(b'json.{"a": 1}', key.public_key_str)
    run = server.add(assignment(input=input_))
    node(cryptor=key)
    report = server.reports[run.result_id]
    assert key.decrypt_str_to_bytes(report.result) == b'json.{"mean": 4.5}'


def test_a_new_task_is_fetched_when_the_socket_says_so(node, server, assignment):
    daemon = node()
    run = server.add(assignment())
    daemon.tell(NewTask(run.task_id))
    assert status(server, run) == "completed"


def test_without_a_socket_the_node_asks_every_few_seconds(node, server, assignment):
    daemon = node()
    run = server.add(assignment())
    daemon.wait(POLL_WITHOUT_SOCKET - 1)
    assert run.result_id not in server.reports
    daemon.wait(1)
    assert status(server, run) == "completed"


def test_with_a_socket_the_node_asks_once_a_minute(node, server, assignment):
    daemon = node()
    daemon.tell(SocketUp())
    run = server.add(assignment())
    daemon.wait(POLL_WITH_SOCKET - 1)
    assert run.result_id not in server.reports
    daemon.wait(1)
    assert status(server, run) == "completed"


@pytest.mark.parametrize("news", [SocketUp(), SocketDown()])
def test_what_was_missed_is_found_when_the_socket_comes_or_goes(node, server, assignment, news):
    daemon = node()
    daemon.tell(SocketUp())
    run = server.add(assignment())
    daemon.tell(news)
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert status(server, run) == "completed"


def test_a_run_in_hand_is_never_started_twice(node, server, runner, assignment):
    starts = []
    runner.programs["average"] = lambda container: starts.append(container) or RUNS_ON
    run = server.add(assignment())
    daemon = node()
    daemon.tell(NewTask(run.task_id))
    daemon.tell(SocketUp())
    daemon.wait(POLL_WITH_SOCKET)
    assert len(starts) == 1
    assert daemon.in_hand == {run.result_id: "running"}


def test_a_run_that_goes_beyond_a_limit_fails_with_the_reason_first(
    node, server, runner, assignment
):
    def talks(container):
        container.log = "one\ntwo\n"
        container.write_output(b"json.1")
        return RUNS_ON

    runner.programs["average"] = talks
    run = server.add(assignment())
    daemon = node()
    daemon.tell(Happened(run.result_id, Overrun("it took too long")))
    report = server.reports[run.result_id]
    assert (report.status, report.result) == ("failed", "")
    assert report.log.splitlines() == ["it took too long", "one", "two"]
    assert daemon.in_hand == runner.containers == {}


def test_nothing_begins_on_a_full_disk(node, server, assignment):
    run = server.add(assignment())
    daemon = node(kept_free=2**60)
    assert daemon.in_hand == {run.result_id: "starting"}
    assert (run.result_id, "active") not in server.moves


def test_a_disk_that_was_filled_with_what_rounds_left_is_freed(
    node, server, assignment, tmp_path, monkeypatch
):
    """Each task may leave as much as a run may write, under a run id that never comes again."""
    left = tmp_path / "node" / "tmp" / "99-0123456789abcdef"
    left.mkdir(parents=True)
    (left / "filling").write_bytes(b"x")
    monkeypatch.setattr(Disk, "is_short", property(lambda _: left.exists()))
    run = server.add(assignment())
    node()
    assert status(server, run) == "completed"
    assert not left.exists()


def test_an_answer_from_before_the_end_of_a_run_does_not_start_it_again(
    node, server, runner, assignment
):
    run = server.add(assignment())
    daemon = node()
    assert status(server, run) == "completed"
    del server.reports[run.result_id]
    asked_at = daemon.clock.now
    daemon.daemon.tell(daemon.daemon._inquiry.answer(1, None, asked_at))
    daemon.settle()
    assert daemon.in_hand == {}


def test_no_more_runs_than_places_side_by_side(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    runs = [server.add(assignment()) for _ in range(3)]
    daemon = node(places=2)
    assert list(daemon.in_hand.values())[:2] == ["running", "running"]
    # One that is given is left at the server until there is a place.
    assert daemon.in_hand.get(runs[2].result_id) == (None if server.gives else "waiting")
    runner.finish(runs[0].result_id, 0)
    daemon.settle()
    assert daemon.in_hand == {runs[1].result_id: "running", runs[2].result_id: "running"}


def test_runs_that_wait_for_subtasks_do_not_keep_these_from_running(
    node, server, runner, assignment
):
    runner.programs["average"] = runs_on
    waiting = [server.add(assignment()) for _ in range(2)]
    daemon = node(places=2)
    other = server.add(assignment())
    subtasks = [server.add(assignment(is_subtask=True)) for _ in range(3)]
    for run in (other, *subtasks):
        daemon.tell(NewTask(run.task_id))
    running = [*waiting, *subtasks[:2]]
    assert status_of(daemon, "running") == {run.result_id for run in running}
    runner.finish(subtasks[0].result_id, 0)
    daemon.settle()
    running = [*waiting, *subtasks[1:]]
    assert status_of(daemon, "running") == {run.result_id for run in running}
    for run in (*subtasks[1:], *waiting, other):
        runner.finish(run.result_id, 0)
        daemon.settle()
    assert daemon.in_hand == {}
    assert {status(server, run) for run in (*waiting, *subtasks, other)} == {"completed"}


def status_of(daemon, phase):
    """The results whose runs are in a phase."""
    return {id_ for id_, found in daemon.in_hand.items() if found == phase}


def test_more_subtasks_than_places_are_worked_off(node, server, assignment):
    runs = [server.add(assignment(is_subtask=True)) for _ in range(5)]
    daemon = node(places=1)
    assert {status(server, run) for run in runs} == {"completed"}
    assert daemon.in_hand == {}


def test_a_run_whose_end_no_event_told_is_found_by_looking(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    tell, runner._tell = runner._tell, lambda notice: None
    runner.finish(run.result_id, 0)
    daemon.settle()
    assert daemon.in_hand == {run.result_id: "running"}
    runner._tell = tell
    daemon.clock.now += 1
    daemon.tell(EngineBack())
    assert status(server, run) == "completed"


def test_a_vanished_container_ends_its_run_and_disturbs_no_other(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    lost, other = server.add(assignment()), server.add(assignment())
    daemon = node()
    del runner.containers[lost.result_id]
    daemon.clock.now += 1
    daemon.tell(EngineBack())
    assert status(server, lost) == "crashed"
    assert "vanished" in server.reports[lost.result_id].log
    runner.finish(other.result_id, 0)
    daemon.settle()
    assert status(server, other) == "completed"


def test_a_run_whose_task_was_deleted_is_stopped(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.delete(run)
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert daemon.in_hand == runner.containers == {}


def test_a_run_that_is_killed_is_stopped_at_once(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    killed, other = server.add(assignment()), server.add(assignment())
    daemon = node()
    server.kill(killed)
    daemon.tell(RunsKilled(frozenset({killed.result_id, 999})))
    assert set(runner.containers) == {other.result_id}
    assert daemon.in_hand == {other.result_id: "running"}
    assert status(server, killed) == "killed by user"


def test_a_run_that_was_killed_while_nobody_could_tell_us_is_stopped_later(
    node, server, runner, assignment
):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.kill(run)
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert daemon.in_hand == runner.containers == {}


def test_a_run_is_not_stopped_because_somebody_says_so(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    daemon.tell(RunsKilled(frozenset({run.result_id})))
    assert set(runner.containers) == {run.result_id}


def test_a_run_that_is_killed_while_its_container_starts_is_removed(
    node, server, runner, assignment
):
    def is_killed_meanwhile(container):
        server.kill(run)
        daemon.daemon.tell(RunsKilled(frozenset({run.result_id})))
        return RUNS_ON

    daemon = node()
    runner.programs["average"] = is_killed_meanwhile
    run = server.add(assignment())
    daemon.tell(NewTask(run.task_id))
    assert daemon.in_hand == runner.containers == {}
    assert status(server, run) == "killed by user"


def test_the_report_of_a_killed_run_comes_too_late(node, server, runner, assignment):
    def ends_after_the_kill(container):
        server.kill(run)
        return 0

    daemon = node()
    runner.programs["average"] = ends_after_the_kill
    run = server.add(assignment())
    daemon.tell(NewTask(run.task_id))
    assert daemon.in_hand == runner.containers == {}
    assert status(server, run) == "killed by user"


def fails(container):
    container.log = "first\nsecond\nKeyError: 'shoe size'\n"
    return 1


def runs_out_of_memory(container):
    return 137


def no_output(container):
    container.path(container.settings.environment["OUTPUT_FILE"]).unlink()
    return 0


def a_link_as_output(container):
    path = container.path(container.settings.environment["OUTPUT_FILE"])
    path.unlink()
    path.symlink_to("/etc/passwd")
    return 0


def too_much_output(container):
    container.write_output(b"x" * 1001)
    return 0


def raises(container):
    raise RuntimeError("the tests are rough in /srv/house/secret")


def finds_no_way_in(container):
    raise PermissionError(13, "Permission denied", "/srv/house/secret")


@pytest.mark.parametrize(
    ("program", "expected", "reason"),
    [
        (fails, "crashed", "exit code 1\nfirst\nsecond\nKeyError: 'shoe size'"),
        (runs_out_of_memory, "crashed", "memory"),
        (no_output, "failed", "output"),
        (a_link_as_output, "failed", "output"),
        (too_much_output, "failed", "1001 bytes"),
        (cannot_start, "start failed", "no such command"),
        (raises, "unknown error", "RuntimeError"),
        (finds_no_way_in, "unknown error", "Permission denied"),
    ],
)
def test_every_bad_end_is_final_and_has_a_reason(
    node, server, runner, assignment, program, expected, reason
):
    runner.programs["average"] = program
    run = server.add(assignment())
    daemon = node()
    report = server.reports[run.result_id]
    assert report.status == expected
    assert reason in report.log
    assert "/srv/house" not in report.log
    assert report.result == ""
    assert daemon.in_hand == runner.containers == {}


@pytest.mark.parametrize(
    ("values", "expected", "reason"),
    [
        ({"image": "other"}, "not allowed", "docker.io/library/other:latest"),
        ({"image": "No Name"}, "not allowed", "'No Name'"),
        ({"image": "absent"}, "non-existing Docker image", "absent"),
        ({"input": bytes_to_base64s(b"\x80\x04}.")}, "not allowed", "pickle"),
        ({"input": f"{'A' * 684}${'A' * 22}==$AAAA"}, "start failed", "encrypted"),
    ],
)
def test_what_cannot_start_is_final_and_has_a_reason(
    node, server, assignment, values, expected, reason
):
    run = server.add(assignment(**values))
    node()
    report = server.reports[run.result_id]
    assert report.status == expected
    assert reason in report.log


def test_an_input_that_is_plain_json_reaches_the_algorithm_as_it_is(
    node, server, runner, assignment
):
    seen = []

    def reads(container):
        seen.append(container.path(container.settings.environment["INPUT_FILE"]).read_bytes())
        return 0

    runner.programs["average"] = reads
    server.add(assignment(input='{"method": "mean"}'))
    node()
    assert seen == [b'{"method": "mean"}']


def test_a_database_file_that_is_not_there(node, server, assignment, database):
    database.unlink()
    run = server.add(assignment())
    node()
    assert status(server, run) == "start failed"
    assert "database 'default'" in server.reports[run.result_id].log


def test_an_image_without_a_required_signature_is_not_fetched(
    node, server, runner, assignment, tmp_path
):
    runner._remote["absent"] = runner.programs["average"]
    check = SignatureCheck([], ImageStore(tmp_path / "images"), lambda reference, digest: [])
    run = server.add(assignment(image="absent"))
    node(signatures=check)
    assert status(server, run) == "not allowed"
    assert "requires signed images" in server.reports[run.result_id].log
    assert "absent" not in runner.programs


def test_a_local_copy_that_had_to_do_is_told_with_the_result(
    node, server, runner, assignment, monkeypatch
):
    find = runner.find_image
    monkeypatch.setattr(
        runner, "find_image", lambda image: replace(find(image), remark="A copy was used")
    )
    run = server.add(assignment())
    node()
    assert server.reports[run.result_id].log == "A copy was used"


def test_an_unknown_label_gets_the_default_database_and_a_remark(node, server, assignment):
    run = server.add(assignment(database="imaging"))
    node()
    report = server.reports[run.result_id]
    assert report.status == "completed"
    assert "no database 'imaging'" in report.log


def test_the_reason_of_a_failure_is_the_last_line_where_the_algorithm_says_nothing(
    node, server, runner, assignment
):
    runner.programs["average"] = lambda container: 3
    run = server.add(assignment(database="imaging"))
    node()
    *remarks, last = server.reports[run.result_id].log.splitlines()
    assert "no database 'imaging'" in remarks[0]
    assert last == "The algorithm ended with exit code 3"


def test_a_container_that_was_started_before_its_engine_went_away_is_not_started_again(
    node, server, runner, assignment
):
    started = []
    runner.programs["average"] = lambda container: started.append(container) or RUNS_ON
    start = runner.start

    def start_and_say_nothing(result_id):
        runner.start = start
        start(result_id)
        raise EngineUnreachable("The container engine does not answer")

    runner.start = start_and_say_nothing
    run = server.add(assignment())
    daemon = node()
    daemon.wait(5)
    assert daemon.in_hand == {run.result_id: "running"}
    runner.containers[run.result_id].write_output(b"json.1")
    runner.finish(run.result_id, 0)
    daemon.settle()
    assert (status(server, run), len(started)) == ("completed", 1)


def test_a_container_of_which_nobody_knows_whether_it_ran_is_not_started_again(
    node, server, runner, assignment
):
    started = []

    def go_away(result_id):
        started.append(result_id)
        runner.forgotten.add(result_id)
        raise EngineUnreachable("The container engine does not answer")

    runner.start = go_away
    run = server.add(assignment())
    daemon = node()
    daemon.wait(5)
    assert (status(server, run), started) == ("start failed", [run.result_id])
    assert "may have run" in server.reports[run.result_id].log
    assert daemon.in_hand == {}


def test_whoever_asked_must_have_a_key(node, server, runner, assignment, key):
    server.encrypted = True
    input_ = key.encrypt_bytes_to_str(b"json.{}", key.public_key_str)
    run = server.add(assignment(input=input_, initiator=99))
    node(cryptor=key)
    assert status(server, run) == "start failed"
    assert "public key" in server.reports[run.result_id].log
    assert runner.containers == {}


def test_an_input_for_another_key(node, server, assignment, key, tmp_path):
    server.public_keys[7] = key.public_key_str
    RSACryptor.create_new_rsa_key(tmp_path / "other.pem")
    other = RSACryptor(tmp_path / "other.pem")
    input_ = key.encrypt_bytes_to_str(b"json.{}", other.public_key_str)
    run = server.add(assignment(input=input_))
    node(cryptor=key)
    assert status(server, run) == "start failed"
    assert "decrypted" in server.reports[run.result_id].log


def test_an_image_from_elsewhere_is_fetched_once(node, server, runner, assignment):
    runner._remote["absent"] = runner.programs["average"]
    run = server.add(assignment(image="absent"))
    node()
    assert [move for _, move in server.moves] == ["initializing", "active", "completed"]
    assert status(server, run) == "completed"


def test_a_server_that_is_away_loses_nothing(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.is_up = False
    runner.containers[run.result_id].write_output(b"json.1")
    runner.finish(run.result_id, 0)
    for _ in range(20):
        daemon.wait(60)
    assert daemon.in_hand == {run.result_id: "delivering"}
    server.is_up = True
    daemon.wait(80)
    assert base64s_to_bytes(server.reports[run.result_id].result) == b"json.1"
    assert server.moves.count((run.result_id, "completed")) == 1


def test_a_server_that_goes_away_before_the_start_is_waited_for(node, server, assignment):
    run = server.add(assignment())
    server.refusals = []
    daemon = node(places=1)
    second = server.add(assignment())
    daemon.daemon.tell(daemon.daemon._inquiry.answer(1, None, daemon.clock.now))
    server.is_up = False
    daemon.settle()
    assert daemon.in_hand == {second.result_id: "starting"}
    server.is_up = True
    daemon.wait(10)
    assert (status(server, run), status(server, second)) == ("completed", "completed")


def test_a_result_that_the_server_rejects_ends_as_a_failure_with_its_words(
    node, server, runner, assignment
):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.refusals = [BadRequest(400, "The result is not encrypted")]
    runner.finish(run.result_id, 0)
    daemon.settle()
    report = server.reports[run.result_id]
    assert (report.status, report.result) == ("failed", "")
    assert "The result is not encrypted" in report.log


def test_a_report_on_a_run_that_is_final_already_ends_the_matter(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.reports[run.result_id] = None
    server.refusals = [BadRequest(400, "The result is final")]
    runner.finish(run.result_id, 0)
    daemon.settle()
    assert daemon.in_hand == runner.containers == {}


def test_an_engine_that_is_away_when_a_run_ends_loses_nothing(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    runner.finish(run.result_id, 0)
    runner.is_up = False
    daemon.settle()
    assert daemon.in_hand == {run.result_id: "collecting"}
    runner.is_up = True
    daemon.wait(1)
    assert status(server, run) == "completed"


# An earlier process of this node


@pytest.fixture
def earlier(server, runner, node, assignment):
    """A run that an earlier process started, and the containers that it left."""
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    node()
    return run


@pytest.fixture
def later(runner, tmp_path):
    """The runner of the next process, around the same containers."""
    return lambda: FakeRunner(tmp_path / "sandboxes", runner.programs, containers=runner.containers)


def test_a_running_container_is_adopted(earlier, later, runner, server, node):
    starts = []
    runner.programs["average"] = starts.append
    again = later()
    daemon = node(runner=again)
    assert daemon.in_hand == {earlier.result_id: "running"}
    again.finish(earlier.result_id, 0)
    daemon.settle()
    assert status(server, earlier) == "completed"
    assert starts == []


def test_the_time_that_ran_while_the_node_was_away_counts(
    earlier, later, runner, server, node, doubles
):
    runner.containers[earlier.result_id].age = 3600
    again = later()
    policy = doubles.policy("average", rules=Rules(Limits(time=60.0)))
    daemon = node(runner=again, policy=policy)
    for result_id, reason in daemon.daemon._work.watchdog.look():
        daemon.tell(Happened(result_id, Overrun(reason)))
    assert status(server, earlier) == "failed"
    assert "longer than the 60 s" in server.reports[earlier.result_id].log


def test_a_container_that_ended_meanwhile_is_collected(earlier, later, runner, server, node):
    runner.containers[earlier.result_id].write_output(b"json.2")
    runner.finish(earlier.result_id, 0)
    again = later()
    node(runner=again)
    assert base64s_to_bytes(server.reports[earlier.result_id].result) == b"json.2"


def test_a_report_that_was_not_acknowledged_is_delivered_even_without_its_container(
    earlier, later, runner, server, make_work, node
):
    runner.containers[earlier.result_id].write_output(b"json.3")
    server.is_up = False
    first = make_work()
    first.perform(_collect(), earlier, _timeline())
    runner.containers.clear()
    server.is_up = True
    again = later()
    node(runner=again)
    report = server.reports[earlier.result_id]
    assert (report.status, base64s_to_bytes(report.result)) == ("completed", b"json.3")


def test_what_is_left_of_a_run_that_nobody_waits_for_is_swept(
    earlier, later, runner, server, node, tmp_path
):
    server.delete(earlier)
    again = later()
    daemon = node(runner=again)
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert runner.containers == {}
    assert list((tmp_path / "node" / "runs").iterdir()) == []


def test_what_could_not_be_removed_is_removed_when_the_engine_is_back(
    runner, later, server, node, assignment, monkeypatch, caplog
):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    # As after a power cut, which may take the last rows of the journal.
    node().daemon._work._journal.forget(run.result_id)

    def is_away(_result_id):
        raise EngineUnreachable("The container engine does not answer")

    server.delete(run)
    again = later()
    with monkeypatch.context() as patched:
        patched.setattr(again, "remove", is_away)
        daemon = node(runner=again)
        daemon.wait(POLL_WITHOUT_SOCKET)
        assert list(runner.containers) == [run.result_id]
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert runner.containers == {}
    assert "stays for now: The container engine does not answer" in caplog.text


def test_a_container_that_was_never_started_is_made_anew(earlier, later, runner, server, node):
    from vantage6.node.state import Trace

    runner.containers[earlier.result_id].trace = Trace.CREATED
    runner.programs["average"] = lambda container: 0
    again = later()
    node(runner=again)
    assert status(server, earlier) == "completed"


def _collect():
    from vantage6.node.state import Collect

    return Collect()


def _timeline():
    from vantage6.node.timeline import Timeline

    return Timeline()


# Runs that are given


gives_runs = pytest.mark.parametrize("server", [True], indirect=True, ids=["gives"])


@gives_runs
def test_as_many_runs_are_taken_as_there_are_places(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    runs = [server.add(assignment()) for _ in range(5)]
    daemon = node(places=2)
    assert set(server.claims) == {run.result_id for run in runs[:2]}
    for run in runs:
        runner.finish(run.result_id, 0)
        daemon.settle()
    assert [status(server, run) for run in runs] == ["completed"] * 5


@gives_runs
def test_a_new_task_is_taken_when_it_is_told_of(node, server, assignment):
    daemon = node()
    run = server.add(assignment())
    daemon.tell(NewTask(run.task_id))
    assert status(server, run) == "completed"


@gives_runs
def test_what_was_given_in_an_answer_that_was_lost_is_given_again(node, server, assignment):
    take = server.take

    def lose(limit, held, **kinds):
        server.take = take
        take(limit, held, **kinds)
        raise ServerUnreachable("The connection was cut")

    server.take = lose
    run = server.add(assignment())
    node()
    assert status(server, run) == "completed"
    assert server.moves.count((run.result_id, "active")) == 1


@gives_runs
def test_a_container_of_which_nothing_was_noted_is_adopted(node, server, runner, assignment):
    """As after a power cut, which may take the last rows of the journal."""
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    first = node()
    first.daemon._work._journal.forget(run.result_id)
    second = node(runner=FakeRunner(runner._folder, runner.programs, containers=runner.containers))
    assert second.in_hand == {run.result_id: "running"}
    second.runner.containers[run.result_id].write_output(b"json.1")
    second.runner.finish(run.result_id, 0)
    second.settle()
    assert status(server, run) == "completed"


# Bad runs, each beside one that is good


def token_is_refused(server, runner, values):
    container_token = server.container_token

    def refuse(task_id, image):
        if task_id == 666:
            raise Forbidden(403, "No token for this task")
        return container_token(task_id, image)

    server.container_token = refuse
    return {**values, "task_id": 666}


def container_vanishes(server, runner, values):
    def vanish(container):
        del runner.containers[container.settings.result_id]
        runner._tell(ContainerEnded(container.settings.result_id))
        return RUNS_ON

    return with_program(runner, values, vanish)


def log_is_not_text(server, runner, values):
    def babbles(container):
        container.log = "\0\ufffd\x1b[31m" * 1000
        return 1

    return with_program(runner, values, babbles)


def output_is_giant(server, runner, values):
    def writes(container):
        path = container.path(container.settings.environment["OUTPUT_FILE"])
        os.truncate(path, 2**40)
        return 0

    return with_program(runner, values, writes)


def engine_says_no(server, runner, values):
    return with_program(runner, values, cannot_start)


def with_program(runner, values, program):
    runner.programs["absent"] = program
    return {**values, "image": "absent"}


@pytest.mark.parametrize(
    ("make_bad", "expected", "reason"),
    [
        (token_is_refused, "start failed", "No token for this task"),
        (container_vanishes, "crashed", "vanished"),
        (log_is_not_text, "crashed", "exit code 1"),
        (output_is_giant, "failed", f"{2**40} bytes"),
        (engine_says_no, "start failed", "no such command"),
    ],
)
def test_a_bad_run_ends_with_its_reason_and_disturbs_no_other(
    node, server, runner, assignment, make_bad, expected, reason
):
    bad = server.add(assignment(**make_bad(server, runner, {})))
    good = server.add(assignment())
    daemon = node(places=1)
    assert status(server, bad) == expected
    assert reason in server.reports[bad.result_id].log
    assert "\0" not in server.reports[bad.result_id].log
    assert status(server, good) == "completed"
    assert daemon.in_hand == runner.containers == {}


# Two processes of one node


def test_a_run_that_another_process_has_is_left_to_it(node, server, runner, assignment):
    run = server.add(assignment())
    server.claims[run.result_id] = "another"
    daemon = node()
    assert daemon.in_hand == runner.containers == {}
    del server.claims[run.result_id]
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert status(server, run) == "completed"
    assert server.claims == {run.result_id: "me"}


def test_a_run_that_another_process_claims_first_is_not_started(
    node, server, runner, assignment, tmp_path
):
    starts = []
    runner.programs["average"] = starts.append
    run = server.add(assignment())
    open_runs = server.open_runs
    server.open_runs = lambda *asked: [replace(one, claimed_by="") for one in open_runs(*asked)]
    server.claims[run.result_id] = "another"
    daemon = node()
    assert daemon.in_hand == runner.containers == server.reports == {}
    assert starts == []
    assert list((tmp_path / "node" / "runs").iterdir()) == []


def test_a_run_that_another_process_took_over_is_stopped(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.claims[run.result_id] = "another"
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert daemon.in_hand == runner.containers == {}
    assert run.result_id not in server.reports


def test_a_result_is_left_to_the_process_that_took_over(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.claims[run.result_id] = "another"
    runner.finish(run.result_id, 0)
    daemon.settle()
    assert daemon.in_hand == runner.containers == server.reports == {}


def test_a_process_says_every_minute_that_it_is_there(node, server):
    daemon = node()
    kept = []
    server.keep_claims = lambda: kept.append(daemon.clock.now)
    for _ in range(30):
        daemon.wait(POLL_WITHOUT_SOCKET)
    assert len(kept) == 2


# Kills are confirmed


@pytest.mark.parametrize("places", [0, 2])
def test_a_kill_is_confirmed_whether_the_run_has_begun_or_not(
    node, server, runner, assignment, places
):
    runner.programs["average"] = runs_on
    runs = [server.add(assignment()) for _ in range(2)]
    daemon = node(places=places)
    for run in runs:
        server.kill(run)
    daemon.tell(RunsKilled(frozenset(run.result_id for run in runs)))
    assert daemon.in_hand == runner.containers == {}
    assert server.stopped == {run.result_id for run in runs}


def test_a_kill_is_not_confirmed_before_the_engine_has_confirmed(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    runner.is_up = False
    server.kill(run)
    daemon.tell(RunsKilled(frozenset({run.result_id})))
    assert daemon.in_hand == {run.result_id: "cleaning"}
    assert server.stopped == set()
    runner.is_up = True
    daemon.wait(1)
    assert (daemon.in_hand, server.stopped) == ({}, {run.result_id})


def test_a_kill_whose_confirmation_was_lost_is_confirmed_again(node, server, runner, assignment):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    server.kill(run)
    confirm = server.confirm_stop

    def answer_is_lost(result_id):
        server.confirm_stop = confirm
        raise ServerUnreachable("The connection was cut")

    server.confirm_stop = answer_is_lost
    daemon.tell(RunsKilled(frozenset({run.result_id})))
    assert server.stopped == set()
    daemon.wait(1)
    assert (daemon.in_hand, server.stopped) == ({}, {run.result_id})


def test_a_kill_of_what_this_node_never_saw_is_confirmed(node, server, assignment):
    daemon = node()
    told = server.add(assignment())
    server.kill(told)
    daemon.tell(RunsKilled(frozenset({told.result_id})))
    assert server.stopped == {told.result_id}
    missed = server.add(assignment())
    server.kill(missed)
    daemon.wait(70)
    assert server.stopped == {told.result_id, missed.result_id}


def test_a_run_that_was_killed_while_the_node_was_away_is_confirmed(
    earlier, later, runner, server, node
):
    server.kill(earlier)
    daemon = node(runner=later())
    daemon.wait(POLL_WITHOUT_SOCKET)
    assert runner.containers == {}
    assert server.stopped == {earlier.result_id}


def test_a_run_that_ended_before_the_kill_keeps_its_result(node, server, assignment):
    run = server.add(assignment())
    daemon = node()
    daemon.tell(RunsKilled(frozenset({run.result_id})))
    assert status(server, run) == "completed"
    assert server.stopped == set()


def test_a_run_that_is_killed_while_its_image_is_fetched_ends_at_once(
    server, runner, make_work, listener, assignment, drive
):
    """With threads: the fetch goes on, and nobody waits for it."""
    fetching, may_end = threading.Event(), threading.Event()

    def fetch(image):
        fetching.set()
        node.daemon.tell(None)
        may_end.wait()
        raise ImageMissing("The image is nowhere")

    runner.find_image = fetch
    workers = ThreadWorkers("worker", 4)
    node = drive(server, runner, make_work(), listener, workers, 1)
    try:
        node.wait_for(lambda: node.daemon._identity)
        run = server.add(assignment())
        node.daemon.tell(NewTask(run.task_id))
        node.wait_for(fetching.is_set)
        server.kill(run)
        node.daemon.tell(RunsKilled(frozenset({run.result_id})))
        node.wait_for(lambda: not node.in_hand)
        assert server.stopped == {run.result_id}
        other = server.add(assignment())
        fetching.clear()
        node.daemon.tell(NewTask(other.task_id))
        node.wait_for(fetching.is_set)
    finally:
        may_end.set()
        node.wait_for(lambda: not node.in_hand)
        workers.stop(10)
    assert status(server, run) == "killed by user"
    assert status(server, other) == "non-existing Docker image"


# While the server is away


def test_a_node_that_starts_without_its_server_collects_what_ended(
    earlier, later, runner, server, node
):
    runner.containers[earlier.result_id].write_output(b"json.4")
    runner.finish(earlier.result_id, 0)
    server.is_up = False
    daemon = node(runner=later(), known=True)
    assert daemon.in_hand == {earlier.result_id: "delivering"}
    assert runner.containers == {}
    server.is_up = True
    daemon.wait(70)
    assert base64s_to_bytes(server.reports[earlier.result_id].result) == b"json.4"
    assert daemon.in_hand == {}


def test_a_node_that_starts_without_its_server_watches_what_runs(
    earlier, later, runner, server, node
):
    server.is_up = False
    again = later()
    daemon = node(runner=again, known=True)
    assert daemon.in_hand == {earlier.result_id: "running"}
    again.finish(earlier.result_id, 0)
    daemon.settle()
    assert daemon.in_hand == {earlier.result_id: "delivering"}
    server.is_up = True
    daemon.wait(70)
    assert status(server, earlier) == "completed"


def test_a_node_that_does_not_know_who_it_is_waits_for_its_server(earlier, later, server, node):
    server.is_up = False
    daemon = node(runner=later())
    assert daemon.in_hand == {}
    server.is_up = True
    daemon.wait(70)
    assert daemon.in_hand == {earlier.result_id: "running"}


def test_an_end_that_the_server_has_but_did_not_acknowledge_is_delivered_once(
    node, server, runner, assignment
):
    deliver = server.deliver

    def answer_is_lost(*arguments):
        deliver(*arguments)
        server.deliver = deliver
        raise ServerUnreachable("The connection was cut")

    server.deliver = answer_is_lost
    run = server.add(assignment())
    daemon = node()
    assert daemon.in_hand == {run.result_id: "delivering"}
    daemon.wait(70)
    assert daemon.in_hand == {}
    assert status(server, run) == "completed"
    assert server.moves.count((run.result_id, "completed")) == 1


def test_the_engine_is_free_of_a_run_whose_result_waits(node, server, runner, assignment, tmp_path):
    runner.programs["average"] = runs_on
    run = server.add(assignment())
    daemon = node()
    runner.containers[run.result_id].write_output(b"json.1")
    server.is_up = False
    runner.finish(run.result_id, 0)
    daemon.settle()
    assert runner.containers == {}
    assert list((tmp_path / "node" / "runs").iterdir()) == []
    assert (tmp_path / "node" / "outbox" / "1").read_bytes() == b"json.1"


def test_a_disk_that_is_full_when_a_run_ends_loses_nothing(
    node, server, runner, assignment, monkeypatch
):
    runner.programs["average"] = runs_on
    full, other = server.add(assignment()), server.add(assignment())
    daemon = node()
    for run in (full, other):
        runner.containers[run.result_id].write_output(b"json.%d" % run.result_id)
    take = Outbox.take

    def no_room(outbox, result_id, *rest):
        if result_id == full.result_id:
            raise OSError(errno.ENOSPC, "No space left on device")
        take(outbox, result_id, *rest)

    with monkeypatch.context() as disk:
        disk.setattr(Outbox, "take", no_room)
        for run in (full, other):
            runner.finish(run.result_id, 0)
        daemon.settle()
        assert daemon.in_hand == {full.result_id: "collecting"}
        assert status(server, other) == "completed"
    daemon.wait(70)
    assert base64s_to_bytes(server.reports[full.result_id].result) == b"json.1"


# Beginning and end


def test_the_loop_ends_and_tears_down_when_it_is_stopped(server, runner, make_work, at_once):
    made = []

    class Listener:
        def __init__(self, tell):
            made.append(self)
            self.closed = False

        def start(self):
            daemon.stop()

        def close(self):
            self.closed = True

    daemon = Daemon(
        server, runner, nobody, lambda who: make_work(), Listener, at_once, at_once, places=1
    )
    daemon.run()
    assert made[0].closed
    assert server.closed


def test_what_fails_because_the_node_stops_is_no_end_of_a_run(
    server, runner, make_work, assignment, monkeypatch
):
    work, run = make_work(), server.add(assignment())

    def stop_meanwhile(result_id):
        work.close()
        cannot_start(result_id)

    monkeypatch.setattr(runner, "start", stop_meanwhile)
    assert isinstance(work.perform(Start(), run, Timeline()), Postponed)
    (record,) = work.records()
    assert record.report is None


@pytest.mark.parametrize(
    "fault", [ApiKeyRefused("wrong key"), ConfigurationError("the modes differ")]
)
def test_what_makes_it_impossible_to_start_ends_the_node(server, runner, listener, at_once, fault):
    def settle(who):
        raise fault

    daemon = Daemon(server, runner, nobody, settle, listener, at_once, at_once, places=1)
    with pytest.raises(type(fault)):
        daemon.run()
    assert server.closed


def test_no_engine_ends_the_node(server, runner, make_work, listener, at_once):
    runner.is_up = False
    daemon = Daemon(
        server, runner, nobody, lambda who: make_work(), listener, at_once, at_once, places=1
    )
    with pytest.raises(EngineUnreachable):
        daemon.run()


def test_a_key_that_is_revoked_while_the_node_runs_ends_it(node, server):
    daemon = node()
    server.refusals = [ApiKeyRefused("revoked")]
    with pytest.raises(ApiKeyRefused):
        daemon.wait(POLL_WITHOUT_SOCKET)


def test_a_server_that_answers_nonsense_is_asked_again(node, server, assignment):
    daemon = node()
    server.refusals = [KeyError("id"), ServerError(502, "bad gateway")]
    run = server.add(assignment())
    for _ in range(4):
        daemon.wait(70)
    assert status(server, run) == "completed"


def test_fatal_messages_are_raised(node):
    daemon = node()
    with pytest.raises(ConfigurationError):
        daemon.tell(Fatal(ConfigurationError("no")))
