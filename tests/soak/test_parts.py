"""What the soak itself is made of: it would notice, and disturbs what it says it does."""

import socket
import subprocess
import sys
import time
from itertools import islice
from random import Random

import pytest

from development import debian, nginx, programs
from development.ports import LOOPBACK, free_port
from development.soak.clocks import Clock
from development.soak.houses import House
from development.soak.ledger import Attempt, Ledger, Span, Verdict, audit
from development.soak.links import Network
from development.soak.questions import Question, questions
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


def test_a_failure_is_explained_by_that_of_its_subtask(attempt):
    attempt.verdict, attempt.note = Verdict.TOLD_FAILED, "ended with exit code 1"
    ledger = Ledger([attempt])
    ledger.add_reasons(
        [
            {"task_id": 8, "parent_id": 3, "log": "No space left"},
            {"task_id": 9, "parent_id": 4, "log": "Boom"},
        ]
    )
    ledger.explain([Span(15, 16, ("No space",))])
    assert attempt.verdict is Verdict.TOLD_FAILED
    assert "Boom" not in attempt.note


def test_what_a_client_is_told_needs_a_fault_of_its_time_and_kind():
    ledger = Ledger()
    for text in ("There is no space for 7 bytes", "Something went wrong"):
        ledger.note_surprise(text)
    began = ledger.surprises[0].at
    ledger.explain([Span(began + 1000, began + 1001, ("no space",))])
    assert len(ledger.surprises) == 2
    ledger.explain([Span(began - 1, began + 1000, ("no space",))])
    assert [one.text for one in ledger.surprises] == ["Something went wrong"]


def test_a_question_without_a_right_answer_is_lost(attempt):
    ledger = Ledger([attempt])
    assert ledger.unanswered() == []
    attempt.verdict = Verdict.OPEN
    assert ledger.unanswered() == [attempt.question]


@pytest.mark.parametrize(
    ("quorum", "answers", "is_right"),
    [
        (None, {"north": 1, "south": 2}, True),
        (None, {"north": 1}, False),
        (1, {"south": 2}, True),
        (1, {"north": 1, "south": 2}, False),
        (1, {"south": 1}, False),
        (1, {"west": 3}, False),
        (1, {}, False),
    ],
    ids=["all", "not all", "enough", "too many", "wrong", "not asked", "none"],
)
def test_as_many_answers_as_asked_for_have_to_be_right(tmp_path, quorum, answers, is_right):
    houses = tuple(House(name, tmp_path) for name in ("north", "south"))
    question = Question(7, "blue", "partial", houses[0], houses, {}, 2, quorum)
    assert question.is_right(answers, {"north": 1, "south": 2}) is is_right


def test_what_is_asked_is_repeatable_and_of_every_kind(tmp_path):
    houses = [House(name, tmp_path, numbers=[1]) for name in ("north", "south", "west")]
    first, again = (list(islice(questions(houses, Random(3), 0.1), 100)) for _ in range(2))
    assert [vars(one) for one in first] == [vars(one) for one in again]
    assert {one.method for one in first} == {"partial", "central"}
    assert {one.quorum for one in first} == {None, 1, 2}
    assert any(one.is_large for one in first)
    assert all(one.quorum is None or one.quorum < len(one.asked) for one in first)


@pytest.mark.skipif(bool(nginx.NGINX.obstacle()), reason=nginx.NGINX.obstacle())
def test_a_proxy_that_is_killed_is_gone_with_its_workers_and_comes_back(tmp_path):
    port = free_port()
    config = f"events {{}}\nhttp {{\nserver {{ listen {LOOPBACK}:{port}; }}\n}}\n"
    with nginx.running(config, tmp_path, port) as proxy:
        proxy.kill()
        assert not programs.answers(port)
        proxy.start()
        assert programs.answers(port)


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


# What the interpreter does itself while threads wait for each other.
WAIT = """
import ctypes, time

libc = ctypes.CDLL(None)
attributes, condition, mutex = (ctypes.create_string_buffer(64) for _ in range(3))
libc.pthread_condattr_init(attributes)
libc.pthread_condattr_setclock(attributes, time.CLOCK_MONOTONIC)
libc.pthread_cond_init(condition, attributes)
libc.pthread_mutex_init(mutex, None)
libc.pthread_mutex_lock(mutex)
began = time.monotonic_ns()
end = (ctypes.c_long * 2)(*divmod(began + 300_000_000, 10**9))
libc.pthread_cond_timedwait(condition, mutex, end)
print(time.monotonic_ns() - began)
"""


@pytest.mark.skipif(not debian.is_ours(), reason="libfaketime is for root to install")
@pytest.mark.parametrize("off", [0, -7200, 7200])
def test_threads_wait_as_long_as_they_mean_to_under_a_clock_of_their_own(tmp_path, off):
    clock = Clock(tmp_path / "clock")
    clock.set(off)
    waited = subprocess.check_output(clock.wrap([sys.executable, "-c", WAIT]), text=True)
    assert int(waited) >= 300_000_000


@pytest.mark.skipif(not debian.is_ours(), reason="libfaketime is for root to install")
def test_a_process_sleeps_under_a_clock_of_its_own(tmp_path):
    sleep = (
        "import time; began = time.monotonic(); time.sleep(0.2); print(time.monotonic() - began)"
    )
    command = Clock(tmp_path / "clock").wrap([sys.executable, "-P", "-c", sleep])
    assert float(subprocess.check_output(command, text=True)) >= 0.19
