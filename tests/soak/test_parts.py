"""What the soak itself is made of: it would notice, and disturbs what it says it does."""

import socket
import subprocess
import sys
import time

import pytest

from development import debian
from development.soak.clocks import Clock
from development.soak.houses import House
from development.soak.ledger import Attempt, Ledger, Span, Verdict, audit
from development.soak.links import Network
from development.soak.questions import Question
from development.soak.witness import Witness

SECONDS = 10


@pytest.fixture
def question(tmp_path):
    house = House("north", tmp_path)
    return Question(7, "blue", "partial", house, (house,), {}, 1)


@pytest.fixture
def attempt(question):
    return Attempt(question, 1, asked=10.0, task_id=3, ended=20.0, verdict=Verdict.RIGHT)


def task(id_=3, name="question 7 attempt 1", parent_id=None):
    return {"id": id_, "name": name, "parent_id": parent_id}


def run(id_=1, task_id=3, organization_id=2, finished_at="now"):
    return {
        "id": id_,
        "task_id": task_id,
        "organization_id": organization_id,
        "finished_at": finished_at,
    }


def test_books_that_are_right(attempt):
    books = audit(Ledger([attempt]), [task()], [run()])
    assert (books.repeated, books.missing, books.open) == ([], [], [])


@pytest.mark.parametrize(
    ("tasks", "runs"),
    [
        ([task(), task(4)], [run()]),
        ([task(), task(4, "stray")], [run()]),
        ([task(), task(4, "a", 3), task(5, "b", 3)], [run()]),
        ([task()], [run(), run(2)]),
    ],
    ids=["task", "unasked", "subtask", "run"],
)
def test_what_is_there_twice_is_noticed(attempt, tasks, runs):
    assert len(audit(Ledger([attempt]), tasks, runs).repeated) >= 1


def test_what_is_gone_or_open_is_noticed(attempt):
    assert audit(Ledger([attempt]), [], []).missing == ["task 3 (question 7 attempt 1)"]
    books = audit(Ledger([attempt]), [task()], [run(finished_at=None)])
    assert books.open == ["run 1 of task 3"]


def test_a_failure_needs_a_fault_of_its_time_and_kind(attempt):
    attempt.verdict, attempt.note = Verdict.TOLD_FAILED, "ended with exit code 137"
    for span, verdict in (
        (Span(15, 16, ("exit code",)), Verdict.TOLD_FAILED),
        (Span(21, 22, ("exit code",)), Verdict.UNEXPLAINED),
        (Span(15, 16, ("No space",)), Verdict.UNEXPLAINED),
    ):
        attempt.verdict = Verdict.TOLD_FAILED
        Ledger([attempt]).explain([span])
        assert attempt.verdict is verdict


def test_a_question_without_a_right_answer_is_lost(attempt):
    ledger = Ledger([attempt])
    assert ledger.unanswered() == []
    attempt.verdict = Verdict.OPEN
    assert ledger.unanswered() == [attempt.question]


def test_a_witness_tells_executions_from_repetitions():
    with Witness.listening() as witness:
        for execution in ("a", "a", "b"):
            mark = {"question": "q", "result": "task-1", "node": "n", "execution": execution}
            witness.hear(mark)
    assert witness.count() == 2
    assert witness.repeated() == ["task-1 at n (question q): 2 times"]


@pytest.fixture
def echo():
    """A link to something that says everything again."""
    with Network.running() as network, socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        yield network.link("echo", lambda: server.getsockname()[1]), server


def connect(echo):
    link, server = echo
    near = socket.create_connection(("127.0.0.1", link.port), SECONDS)
    far, _ = server.accept()
    far.settimeout(SECONDS)
    return near, far


def test_a_link_passes_on_what_it_gets(echo):
    near, far = connect(echo)
    with near, far:
        near.sendall(b"there")
        assert far.recv(10) == b"there"
        far.sendall(b"back")
        assert near.recv(10) == b"back"


def test_a_link_resets_both_sides(echo):
    near, far = connect(echo)
    with near, far:
        near.sendall(b"there")
        assert far.recv(10) == b"there"
        assert echo[0].reset() == 1
        for side in (near, far):
            with pytest.raises(ConnectionResetError):
                side.recv(10)


def test_a_link_that_is_cut_takes_nobody_until_it_is_mended(echo):
    link, _ = echo
    link.cut()
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection(("127.0.0.1", link.port), SECONDS) as near,
    ):
        near.recv(10)
    link.mend()
    near, far = connect(echo)
    near.close()
    far.close()


def test_a_silent_link_delivers_late(echo):
    near, far = connect(echo)
    with near, far:
        echo[0].swallow()
        near.sendall(b"late")
        far.settimeout(0.2)
        with pytest.raises(TimeoutError):
            far.recv(10)
        echo[0].mend()
        far.settimeout(SECONDS)
        assert far.recv(10) == b"late"


@pytest.mark.skipif(not debian.is_ours(), reason="libfaketime is for root to install")
def test_a_clock_is_moved_for_one_process_while_it_runs(tmp_path):
    clock = Clock(tmp_path / "clock")
    watch = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    command = clock.wrap([sys.executable, "-c", watch])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:

        def look():
            process.stdin.write("\n")
            process.stdin.flush()
            shown, monotonic = map(float, process.stdout.readline().split())
            return shown - time.time(), monotonic - time.monotonic()

        assert look() == pytest.approx((0, 0), abs=5)
        clock.set(-7200)
        end = time.monotonic() + SECONDS
        while abs((off := look())[0] + 7200) > 5 and time.monotonic() < end:
            pass
        assert off == pytest.approx((-7200, 0), abs=5)
        process.stdin.close()
