"""k of n, as a researcher and as a central function see it; and who is offline beforehand."""

import threading
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from vantage6.client import Client, waiting
from vantage6.client.offline import NodesOffline
from vantage6.client.runs import Runs
from vantage6.common.client.base import ClientBase
from vantage6.common.client.settled import limits
from vantage6.common.exceptions import (
    Forbidden,
    PayloadDeleted,
    ServiceUnavailable,
    TaskFailed,
    TaskUnfinished,
    TooFewOnline,
    Unsupported,
)
from vantage6.common.text import bytes_to_base64s
from vantage6.server.model import Node, Result, Task
from vantage6.server.service import retention

SOON, LATER = timedelta(seconds=0.3), timedelta(hours=1)


class Hands:
    """Does by hand what the nodes of a federation would do."""

    def __init__(self, federation, session):
        self._nodes = []
        for node in federation.nodes:
            client = ClientBase("http://127.0.0.1", 1, session=session(federation.app))
            client.authenticate({"api_key": node["api_key"]}, "token/node")
            self._nodes.append(client)

    def answer(self, task, place, value=None, **report):
        """Report the end of the run of one of them."""
        run = task["results"][place]["id"]
        report = report or {
            "status": "completed",
            "result": bytes_to_base64s(f"json.{value}".encode()),
            "log": "",
        }
        self._nodes[place].send("patch", f"result/{run}", json=report)


@pytest.fixture
def hands(federation, client):
    return Hands(federation, type(client._given_session))


@pytest.fixture
def ask(client, federation):
    """Order a task of all three for k of n."""

    def order(**limits):
        return client.task.create(
            federation.collaboration["id"],
            federation.ids,
            image="algorithm",
            method="size",
            **limits,
        )

    return order


@pytest.fixture
def connect_nodes(federation):
    """Let some nodes be online, and all others offline."""

    def connect(*places):
        with federation.app.extensions["database"].transaction() as session:
            for place, node in enumerate(federation.nodes):
                status = "online" if place in places else "offline"
                session.get_one(Node, node["id"]).status = status

    return connect


@pytest.fixture
def set_deadline(federation):
    """Let the deadline of a task be so soon, as if time had passed."""

    def move(task, ahead):
        with federation.app.extensions["database"].transaction() as session:
            session.get_one(Task, task["id"]).deadline = datetime.now(UTC) + ahead

    return move


def test_enough_answers_are_the_values_of_the_task(client, ask, hands):
    task = ask(quorum=2)
    hands.answer(task, 0, 1)
    with pytest.raises(TaskUnfinished):
        client.task.results(task["id"])
    hands.answer(task, 2, 3)
    assert client.task.wait(task["id"]) == [1, 3]
    assert client.task.results(task["id"], by_organization=True) == {"alpha": 1, "gamma": 3}


def test_answers_do_not_go_by_other_names_while_the_server_is_away(client, ask, hands, monkeypatch):
    task = ask(quorum=1)
    hands.answer(task, 1, 2)
    # As in another session than that which has asked.
    client._organization_names.clear()
    request = client._given_session.request

    def away(method, url, **call):
        if "/organization/" in url:
            return SimpleNamespace(status_code=503, content=b"", text="", json=dict)
        return request(method, url, **call)

    with monkeypatch.context() as patch:
        patch.setattr(client._given_session, "request", away)
        with pytest.raises(ServiceUnavailable):
            client.task.results(task["id"], by_organization=True)
    assert client.task.results(task["id"], by_organization=True) == {"beta": 2}


def test_who_is_missing_and_who_is_late_is_told_apart(client, ask, hands, federation):
    task = ask(quorum=1)
    hands.answer(task, 1, 2)
    hands.answer(task, 0, 1)
    asked = client.task.results(task["id"], allow_failures=True, by_organization=True)
    assert asked.answers == {"beta": 2}
    assert {name: failure.status for name, failure in asked.failures.items()} == {
        "alpha": "late",
        "gamma": "pending",
    }
    assert "came late" in asked.failures["alpha"].reason
    assert "no answer" in asked.failures["gamma"].reason


def test_late_answers_are_among_the_values_for_those_who_ask_for_them(client, ask, hands):
    task = ask(quorum=1)
    hands.answer(task, 1, 2)
    hands.answer(task, 0, 1)
    assert client.task.results(task["id"]) == [2]
    assert client.task.results(task["id"], late=True) == [1, 2]
    both = client.task.results(task["id"], late=True, allow_failures=True)
    assert sorted(both.answers.values()) == [1, 2]
    assert [failure.status for failure in both.failures.values()] == ["pending"]


def test_who_wants_late_answers_reads_why_there_is_none(client, ask, hands):
    task = ask(quorum=1)
    hands.answer(task, 1, 2)
    hands.answer(task, 0, status="crashed", log="It did not work")
    in_time = client.task.results(task["id"], allow_failures=True, by_organization=True)
    assert in_time.failures["alpha"].status == "late"
    both = client.task.results(task["id"], late=True, allow_failures=True, by_organization=True)
    assert both.failures["alpha"][1:3] == ("crashed", "It did not work")
    assert both.failures["gamma"].status == "pending"


def test_too_few_answers_at_the_deadline_are_a_failure_that_names_who_is_missing(
    client, ask, hands, federation, set_deadline
):
    task = ask(quorum=2, deadline=LATER)
    hands.answer(task, 0, 1)
    set_deadline(task, SOON)
    with pytest.raises(TaskFailed) as caught:
        client.task.wait(task["id"], timeout=60)
    text = str(caught.value)
    assert text.startswith(
        f"Task {task['id']} failed at beta, gamma (pending): there was no answer"
    )
    assert "1 of the 2 answers it needs came in time" in text
    assert caught.value.answers == {federation.ids[0]: 1}
    assert set(caught.value.failures) == set(federation.ids[1:])


def test_failures_that_a_quorum_allows_for_are_no_error(client, ask, hands):
    task = ask(quorum=2)
    hands.answer(task, 0, status="crashed", log="It did not work")
    hands.answer(task, 1, 2)
    hands.answer(task, 2, 3)
    assert client.task.wait(task["id"]) == [2, 3]


def test_too_many_failures_end_the_wait_at_once(client, ask, hands):
    task = ask(quorum=3)
    hands.answer(task, 1, status="crashed", log="It did not work")
    with pytest.raises(TaskFailed, match=r"at beta \(crashed\): It did not work"):
        client.task.wait(task["id"])


def test_who_waits_by_socket_is_told_that_a_deadline_has_passed(
    live, federation, ask, hands, set_deadline, monkeypatch
):
    task, late = ask(deadline=LATER, quorum=2), ask(deadline=LATER)
    for place in (0, 1):
        hands.answer(task, place, place)
    woken = []

    class Told(waiting._Events):
        """Lets the deadline pass once the socket is there, and notes what ends each wait."""

        def wait(self, seconds):
            if self.connected and self._task_id == late["id"]:
                set_deadline(late, SOON)
            woken.append(self._news.wait(seconds))
            self._news.clear()

    monkeypatch.setattr(waiting, "_Events", Told)
    # Nobody looks without being told.
    monkeypatch.setattr(waiting, "LOOK_ANYWAY", 3600)
    monkeypatch.setattr(waiting, "LOOK_AT_LAST", 3600)
    federation.app.extensions["housekeeping"].start()
    client = Client("http://127.0.0.1", live)
    client.authenticate("alpha", "Passw0rd!")
    client.setup_encryption(None)
    assert client.task.wait(task["id"], timeout=60) == [0, 1]
    with pytest.raises(TaskFailed):
        client.task.wait(late["id"], timeout=60)
    assert woken[-1]
    federation.app.extensions["housekeeping"].close()


def test_a_late_run_is_shown_as_such_while_one_watches():
    runs = Runs(1, {7: "north"})
    shown = {"id": 3, "organization": 7, "status": "completed", "late": True}
    assert runs.take_run(1, shown).state == "completed (late)"


# A central function


def test_a_central_function_gets_the_answers_that_are_there_in_time(client, federation, algorithm):
    held = threading.Event()

    def size(data):
        if len(data) == 2:
            held.wait(60)
        return len(data)

    def ask(client, data):
        try:
            asked = client.ask("size", quorum=2, allow_failures=True)
            values = client.ask("size", quorum=2)
        finally:
            held.set()
        return [
            sorted(asked.answers.values()),
            [failure.reason for failure in asked.failures.values()],
            sorted(values.values()),
        ]

    with federation.work(algorithm(RPC_size=size, ask=ask), [[1], [1, 2], []]):
        task = client.task.create(
            federation.collaboration["id"],
            federation.ids[:1],
            image="algorithm",
            method="ask",
            master=True,
        )
        ((answers, reasons, values),) = client.task.wait(task["id"], timeout=60)
    assert (answers, values) == ([0, 1], [0, 1])
    assert reasons == ["there was no answer by the time the task was settled"]


# Who is offline


def test_nodes_that_are_offline_are_named_before_they_are_asked(client, ask, connect_nodes):
    connect_nodes(0)
    with pytest.warns(NodesOffline, match="Offline, and asked once they are back: beta, gamma"):
        task = ask()
    assert task["id"]


def test_where_all_are_online_nothing_is_said(ask, connect_nodes, recwarn):
    connect_nodes(0, 1, 2)
    assert ask()["id"]
    assert not [warning for warning in recwarn if warning.category is NodesOffline]


def test_with_too_few_online_nobody_is_asked_if_so_many_are_required(client, ask, connect_nodes):
    connect_nodes(0)
    before = len(client.task.list()["data"])
    with pytest.raises(TooFewOnline, match=r"1 node.*2 have to answer; offline: beta, gamma"):
        ask(quorum=2, require_online=True)
    assert len(client.task.list()["data"]) == before
    with pytest.warns(NodesOffline):
        assert ask(quorum=1, require_online=True)["id"]


def test_scripts_can_ask_who_is_offline(client, federation, connect_nodes):
    connect_nodes(1)
    away = client.node.offline(federation.collaboration["id"])
    assert [node["name"] for node in away] == ["alpha", "gamma"]
    some = client.node.offline(federation.collaboration["id"], federation.ids[:2])
    assert [(node["organization"], node["node"]) for node in some] == [
        (federation.ids[0], federation.nodes[0]["id"])
    ]


def test_who_may_not_see_nodes_may_ask_them_all_the_same(
    client, ask, connect_nodes, monkeypatch, recwarn
):
    connect_nodes()

    def refuse(*_):
        raise Forbidden(403, "You are not allowed to see this")

    monkeypatch.setattr(client.node, "offline", refuse)
    assert ask()["id"]
    assert not [warning for warning in recwarn if warning.category is NodesOffline]
    with pytest.raises(Forbidden):
        ask(require_online=True)


# What is sent


def test_a_server_that_would_wait_for_all_is_not_asked_for_less(client, ask, monkeypatch):
    send, asked = client.send, []

    def classic(method, endpoint, **call):
        asked.append((method, endpoint))
        return {"version": "3.5.2"} if endpoint == "version" else send(method, endpoint, **call)

    monkeypatch.setattr(client, "send", classic)
    with pytest.raises(Unsupported, match="waits for all"):
        ask(quorum=1)
    assert ("post", "task") not in asked


def test_deadlines_are_given_in_many_ways():
    moment = datetime(2030, 1, 1, 12, tzinfo=UTC)
    assert limits(2, moment) == {"quorum": 2, "deadline": "2030-01-01T12:00:00+00:00"}
    assert limits(None, moment.isoformat()) == limits(None, moment)
    local = moment.astimezone().replace(tzinfo=None)
    assert limits(None, local) == limits(None, moment)
    before = datetime.now(UTC)
    ahead = datetime.fromisoformat(limits(None, LATER)["deadline"])
    assert before + LATER <= ahead <= datetime.now(UTC) + LATER
    assert limits(None, None) == {}


@pytest.mark.parametrize(
    ("quorum", "deadline"), [(True, None), ("2", None), (1.5, None), (None, "soon"), (None, 5)]
)
def test_what_is_no_quorum_and_no_deadline(quorum, deadline):
    with pytest.raises(ValueError, match=r"quorum|deadline"):
        limits(quorum, deadline)


# What is no longer kept


def test_what_was_deleted_is_told_from_an_empty_answer(client, ask, hands, federation, tmp_path):
    task = ask()
    for place in range(3):
        hands.answer(task, place, place)
    deleted = client.task.delete_payload(task["id"])
    assert (deleted["runs"], deleted["bytes"] > 0) == (3, True)
    with pytest.raises(PayloadDeleted, match=r"deleted on \d{4}-\d\d-\d\d, 0 day"):
        client.task.results(task["id"])
    with pytest.raises(PayloadDeleted):
        client.result.download(task["results"][0]["id"], tmp_path / "answer")
    asked = client.task.results(task["id"], allow_failures=True)
    assert "no longer kept" in asked.failures[federation.ids[0]].reason
    (first, *_) = client.result.from_task(task["id"])
    assert (first["result"], "deleted on" in first["deleted"]) == (None, True)


def test_a_task_that_goes_on_keeps_what_it_has(client, ask, hands):
    task = ask()
    hands.answer(task, 0, 1)
    assert "have not ended" in client.task.delete_payload(task["id"])["msg"]


def test_how_long_a_collaboration_keeps_things_is_set_and_taken_back(federation, ask, hands):
    root, id_ = federation.root, federation.collaboration["id"]
    assert root.collaboration.set_retention(id_, 30)["retention_days"] == 30
    task = ask()
    hands.answer(task, 0, 1)
    database = federation.app.extensions["database"]
    with database.transaction() as session:
        run = session.get_one(Result, task["results"][0]["id"])
        run.ended_at -= timedelta(days=31)
    assert retention.purge_some(database) == 1
    assert root.collaboration.set_retention(id_, None)["retention_days"] is None
    made = root.collaboration.create("other", federation.ids, retention_days=7)
    assert made["retention_days"] == 7
