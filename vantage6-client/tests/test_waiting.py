"""Waiting ends when the task does: by socket, by long requests, or by asking again."""

import io
import json
import logging
import threading
import time
from types import SimpleNamespace

import pytest
from rich.console import Console

from vantage6.client import Client, progress, waiting
from vantage6.common import retry
from vantage6.common.client.plain_session import PlainResponse
from vantage6.common.exceptions import ServerError, ServerUnreachable

RUNNING = {"complete": False, "status": "active"}
DONE = {"complete": True, "status": "completed"}


class FakeClient:
    """A client of a server whose task ends when the test says so."""

    server_url, token = "http://127.0.0.1:1", "token"
    log = logging.getLogger("test")

    def __init__(self, knows_wait=True):
        self.ended = threading.Event()
        self.looks = []
        self._knows_wait = knows_wait

    def socket_session(self):
        return None

    def send(self, method, endpoint, **_):
        raise AssertionError("this is not needed here")

    def send_patiently(self, method, endpoint, *, params=None, read_timeout=0, patience=0):
        wait = float((params or {}).get("wait", 0))
        self.looks.append(wait)
        assert read_timeout > wait
        if self._knows_wait:
            self.ended.wait(wait)
        elif len(self.looks) == 4:
            self.ended.set()
        return {"id": 1, "collaboration": {"id": 1}, **(DONE if self.ended.is_set() else RUNNING)}


class FakeSocket:
    """A socket that the test has in its hands."""

    def __init__(self, url, token, handlers, *, on_connect, on_disconnect, session):
        self.handlers, self.on_connect, self.on_disconnect = handlers, on_connect, on_disconnect
        self.connected = False

    def connect(self):
        self.on_connect()
        self.connected = True

    def close(self):
        self.connected = False


@pytest.fixture
def sockets(monkeypatch):
    """The sockets that were opened, and what each of them does when it connects."""

    class Opened(list):
        behaviour = staticmethod(lambda socket: None)

    opened = Opened()

    class Socket(FakeSocket):
        def connect(self):
            opened.append(self)
            opened.behaviour(self)
            super().connect()

    monkeypatch.setattr(waiting, "TaskSocket", Socket)
    return opened


def wait(client, **options):
    return waiting.wait_for_task(client, 1, show_progress=False, **options)


def test_a_task_that_is_over_needs_no_socket(sockets):
    client = FakeClient()
    client.ended.set()
    assert wait(client)["complete"]
    assert not sockets


def test_a_task_that_ends_before_the_socket_is_there_is_not_missed(sockets):
    client = FakeClient()
    sockets.behaviour = lambda _: client.ended.set()
    assert wait(client)["complete"]
    assert client.looks == [0, 0]


def test_an_event_of_the_task_makes_the_client_look(sockets):
    client = FakeClient()

    def later(socket):
        def tell():
            # the one that matters comes after some that do not
            for payload in (
                {"result_id": 1, "task_id": 1, "status": "active"},
                {"result_id": 2, "task_id": 2, "status": "completed"},
            ):
                socket.handlers["status_update"](payload)
            client.ended.set()
            socket.handlers["status_update"]({"result_id": 1, "task_id": 1, "status": "completed"})

        threading.Timer(0.05, tell).start()

    sockets.behaviour = later
    assert wait(client)["complete"]
    assert client.looks == [0, 0, 0]
    assert not sockets[0].connected, "it is closed in the end"


def test_an_event_of_a_classic_server_makes_the_client_look(sockets):
    client = FakeClient()

    def later(socket):
        def tell():
            client.ended.set()
            socket.handlers["status_update"]({"result_id": 1})

        threading.Timer(0.05, tell).start()

    sockets.behaviour = later
    assert wait(client)["complete"]


def no_socket(socket):
    raise ServerUnreachable("no sockets here")


def test_who_waits_for_long_with_a_socket_looks_less_and_less(sockets, monkeypatch):
    client, waits = FakeClient(knows_wait=False), []

    class Events(waiting._Events):
        def wait(self, seconds):
            waits.append(seconds)
            self.connected = True

    monkeypatch.setattr(waiting, "_Events", Events)
    waiting.wait_for_task(client, 1, show_progress=False)
    first, second = waits[1:]
    assert waiting.LOOK_ANYWAY * 0.8 <= first < second <= waiting.LOOK_AT_LAST


def test_without_a_socket_one_long_request_waits(sockets):
    client = FakeClient()
    sockets.behaviour = no_socket
    threading.Timer(0.05, client.ended.set).start()
    assert wait(client)["complete"]
    assert client.looks == [0, 0, waiting.LONG_POLL]


def test_a_lost_socket_is_followed_by_a_long_request(sockets):
    client = FakeClient()

    def lose(socket):
        def break_off():
            socket.on_disconnect()
            client.ended.set()

        threading.Timer(0.05, break_off).start()

    sockets.behaviour = lose
    assert wait(client)["complete"]


def test_a_server_that_does_not_wait_is_asked_again_with_pauses(sockets):
    client = FakeClient(knows_wait=False)
    sockets.behaviour = no_socket
    assert wait(client, longest_pause=0.01)["complete"]
    assert len(client.looks) == 4


@pytest.mark.parametrize("behaviour", [lambda socket: None, no_socket])
def test_patience_can_have_an_end(sockets, behaviour):
    sockets.behaviour = behaviour
    client = FakeClient(knows_wait=True)
    with pytest.raises(TimeoutError, match=r"0\.2 seconds"):
        wait(client, timeout=0.2)
    assert max(client.looks) <= 0.2


def test_a_socket_that_comes_too_late_is_closed(sockets):
    client = FakeClient()
    late, go = threading.Event(), threading.Event()

    def hang(socket):
        client.ended.set()
        go.wait(5)
        threading.Timer(0, late.set).start()

    sockets.behaviour = hang
    assert wait(client, timeout=0.05)["complete"]
    go.set()
    assert late.wait(5)
    (thread,) = [t for t in threading.enumerate() if t.name == "task-events"] or [None]
    if thread:
        thread.join(5)
    assert not sockets[0].connected


class Answers:
    """A session that gives prepared answers, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def request(self, method, url, **_):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        pass


def test_a_server_that_goes_away_for_a_while_is_waited_for(sockets, monkeypatch):
    pauses = []
    # Not the clock of the whole process: threads of others sleep, too.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=pauses.append)
    monkeypatch.setattr(retry, "time", clock)
    sockets.behaviour = no_socket
    running, done = (PlainResponse(200, json.dumps(task).encode()) for task in (RUNNING, DONE))
    gone, down = ConnectionError("refused"), PlainResponse(503, b"{}")
    session = Answers(running, running, gone, down, gone, done)
    assert wait(Client("http://127.0.0.1", 1, session=session))["complete"]
    assert len(pauses) == 3


def test_a_server_that_is_away_from_the_start_is_told_at_once(sockets):
    with pytest.raises(ServerUnreachable):
        wait(Client("http://127.0.0.1", 1, session=Answers(ConnectionError("refused"))))


@pytest.fixture
def live_client(federation, live):
    client = Client("http://127.0.0.1", live)
    client.authenticate("alpha", "Passw0rd!")
    client.setup_encryption(None)
    yield client
    client.transport.close()


def test_the_real_socket_tells_the_end(live_client, federation, create, algorithm, monkeypatch):
    release, looks = threading.Event(), []

    def size(data):
        assert release.wait(10)
        return len(data)

    class Events(waiting._Events):
        """Lets the runs go on as soon as nothing but an event can tell their end."""

        def wait(self, seconds):
            looks.append(self.connected)
            if self.connected:
                release.set()
            super().wait(seconds)

    monkeypatch.setattr(waiting, "_Events", Events)
    with federation.work(algorithm(RPC_size=size), [[1], [1, 2], [1]]):
        task = create()
        assert live_client.task.wait(task["id"], timeout=20) == [1, 2, 1]
    # Once for the connection, then at most once for the end of each of the three runs.
    assert looks[0] is False
    assert 1 <= looks.count(True) <= 4


def test_without_sockets_the_real_server_waits_for_us(client, federation, create, algorithm):
    with federation.work(algorithm(RPC_size=len), [[1], [1, 2], [1]]):
        assert client.task.wait(create()["id"], timeout=20) == [1, 2, 1]


def test_a_task_that_is_not_there_is_an_error(client):
    with pytest.raises(ServerError):
        client.task.wait(999)


def shown(client, federation, algorithm, create, **console):
    """What is shown of a central task with two subtasks."""

    def central(api, data):
        subtask = api.create_new_task({"method": "size"}, federation.ids[1:])
        return sum(api.wait_for_results(subtask["id"]))

    output = io.StringIO()
    module = algorithm(central=central, RPC_size=len)
    with federation.work(module, [None, [1], [1, 2]]):
        task = create(federation.ids[:1], method="central", master=True)
        names = {item["id"]: item["name"] for item in federation.organizations}
        display = progress.Progress(client, task, names, Console(file=output, width=100, **console))
        with display:
            waiting.wait_for_task(client, task["id"], show_progress=False)
            display.look()
            display.look()
    return output.getvalue()


def test_without_a_terminal_each_state_is_one_line(client, federation, algorithm, create):
    *lines, last = shown(client, federation, algorithm, create).splitlines()
    assert sorted(line.partition(" (")[0] for line in lines) == [
        "subtask 2: beta: completed",
        "subtask 2: gamma: completed",
        "task 1: alpha: completed",
    ]
    assert last.startswith("Task 1: completed after ")


def test_in_a_terminal_the_runs_are_a_table(client, federation, algorithm, create):
    text = shown(client, federation, algorithm, create, force_terminal=True, _environ={})
    last = text.split("\x1b[2K")[-1]
    assert "✓" in last
    for word in ("task 1", "subtask 2", "alpha", "beta", "gamma", "completed"):
        assert word in last


def test_events_are_taken_in_once_and_an_end_stays_an_end():
    output = io.StringIO()
    display = progress.Progress(FakeClient(), {"id": 1}, {7: "beta"}, Console(file=output))
    event = {"result_id": 3, "task_id": 2, "parent_id": 1, "organization_id": 7}
    for status in ("pending", "active", "active", "crashed", "active"):
        display.event({**event, "status": status})
    display.event({**event, "task_id": 5, "parent_id": 4, "result_id": 9, "status": "active"})
    lines = [line.partition(" (")[0] for line in output.getvalue().splitlines()]
    assert lines == [f"subtask 2: beta: {status}" for status in ("pending", "active", "crashed")]


class ClassicServer:
    """A client of a server of the classic line: links in lists, times in place of states."""

    log = logging.getLogger("test")
    began, ended = "2026-11-21T10:00:00", "2026-11-21T10:00:07.5"

    def send(self, method, endpoint, *, params=None, omit=None):
        tasks = [
            {"id": 1, "run_id": 1, "parent": None, "results": [{"id": 1, "link": "/api/result/1"}]},
            {"id": 2, "run_id": 1, "parent": {"id": 1}, "results": [{"id": 2}, {"id": 3}]},
            {"id": 9, "run_id": 1, "parent": {"id": 8}, "results": [{"id": 4}]},
        ]
        if endpoint == "task":
            return tasks
        times = {"started_at": self.began, "finished_at": self.ended, "result": "e30="}
        return {
            "task/1/result": [{"id": 1, "organization": 6, **times}],
            "task/2/result": [
                {"id": 2, "organization": 7, **times, "result": None},
                {"id": 3, "organization": 8, "started_at": None, "finished_at": None},
            ],
        }[endpoint]


def test_states_of_a_classic_server_follow_from_its_times():
    output = io.StringIO()
    task, names = {"id": 1, "run_id": 1}, {6: "alpha", 7: "beta", 8: "gamma"}
    with progress.Progress(ClassicServer(), task, names, Console(file=output)) as display:
        # Events of such a server name a result and nothing else.
        display.event({"result_id": 1})
        display.look()
        assert not display.is_settled
    assert output.getvalue().splitlines() == [
        "task 1: alpha: completed (7.5 s)",
        "subtask 2: beta: unknown error (7.5 s)",
        "subtask 2: gamma: pending (0.0 s)",
        "Task 1: completed after 7.5 s",
    ]


def test_names_and_states_of_others_do_not_steer_the_terminal():
    output = io.StringIO()
    names = {7: "[red]\x1b]0;title\x07beta\u202e"}
    event = {"result_id": 3, "task_id": 1, "organization_id": 7}
    with progress.Progress(FakeClient(), {"id": 1}, names, Console(file=output)) as display:
        display.event({**event, "status": "\x1b[2Jactive"})
        display.event({**event, "status": "active"})
    (line,) = output.getvalue().splitlines()
    assert line.isprintable()
    assert line.startswith("task 1: [red]")


def test_runs_that_do_not_fit_make_room_for_those_that_matter():
    output = io.StringIO()
    console = Console(file=output, width=60, height=10, force_terminal=True, _environ={})
    display = progress.Progress(FakeClient(), {"id": 1}, {}, console)
    for number in range(30):
        event = {"result_id": number, "task_id": 1, "organization_id": number}
        display.event({**event, "status": "crashed" if number == 29 else "completed"})
    console.print(display._view._drawn())
    assert "organization 29" in output.getvalue()
    assert "and 26 more" in output.getvalue()
