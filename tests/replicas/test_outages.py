"""Parts that die and come back: requests go on, and nothing that happened meanwhile is lost."""

import pytest
import sockets
from clients import bearer
from participants import Participants
from socketio.exceptions import ConnectionError as SocketError
from sockets import Listener

from development.replicas import API_PATH, PATIENCE, Replicas, wait_until

AWAY = {"database": True, "broker": False}
WELL = {"database": True, "broker": True}


def notices(members: Replicas, health: dict[str, bool]) -> None:
    """Wait until all replicas say that."""
    wait_until(lambda: all(one.health() == health for one in members), f"they say {health}")


@pytest.fixture
def without_broker(members: Replicas) -> None:
    members.broker.kill()
    notices(members, AWAY)


@pytest.mark.usefixtures("without_broker")
def test_without_the_broker_a_task_still_reaches_the_node_of_another_replica(
    members: Replicas, people: Participants
) -> None:
    node = people.listen(members[1], people.node)
    task = people.order(members[0])
    node.hear_of_task(task["id"])
    people.ask(members[0], people.researcher, "POST", "kill/task", id=task["id"])
    node.hear_of_kill(task["id"])


@pytest.mark.usefixtures("without_broker")
def test_without_the_broker_who_waits_at_another_replica_is_still_answered(
    members: Replicas, people: Participants
) -> None:
    assert people.answer_who_waits(members[1], members[0])["complete"] is True


def test_the_broker_may_come_back(members: Replicas, people: Participants) -> None:
    members.broker.kill()
    notices(members, AWAY)
    members.broker.start()
    notices(members, WELL)
    node = people.listen(members[1], people.node)
    task = people.order(members[0])
    node.hear_of_task(task["id"])

    def is_told_in_turn() -> bool:
        said = members[0].log.read_text(encoding="utf-8")
        return said.count("do not hear of one another") == said.count("hear of one another again")

    # A machine with much to do may lose a broker that has just come back once more.
    wait_until(is_told_in_turn, "the log says that the broker is back")


def test_a_broker_that_hangs_makes_no_request_wait(members: Replicas, people: Participants) -> None:
    members.broker.freeze()
    try:
        node = people.listen(members[1], people.node)
        task = people.order(members[0])
        node.hear_of_task(task["id"])
    finally:
        members.broker.thaw()
    notices(members, WELL)


def test_each_request_that_fails_without_the_database_takes_one_line(
    members: Replicas, people: Participants, monkeypatch: pytest.MonkeyPatch
) -> None:
    # They are not told of it, and would wait for long.
    monkeypatch.setattr(sockets, "PATIENCE", 1)
    url, log = f"{members[0].url}{API_PATH}", members[0].log
    before = len(log.read_text(encoding="utf-8"))
    members.database.kill()
    wait_until(lambda: not members[0].health()["database"], "it is noticed")
    asked: list[str] = []
    for path in ("task", "result", "node"):
        headers = bearer(people.researcher)
        answer = people.http.get(f"{url}/{path}", headers=headers, timeout=PATIENCE)
        assert answer.status_code == 503
        asked.append(answer.json()["request_id"])
    for transport in ("polling", "websocket"):
        with pytest.raises(SocketError):
            Listener(members[0].url, people.node, transport=transport)
    members.database.start()
    notices(members, WELL)
    said = log.read_text(encoding="utf-8")[before:]
    assert [said.count(f"[{request_id}]") for request_id in asked] == [1, 1, 1]
    assert said.count("failed: the database is not available: ") >= len(asked)
    # Also not of what is done beside the requests.
    assert "Traceback" not in said


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_the_database_may_come_back(members: Replicas, people: Participants, end: str) -> None:
    task = people.order(members[0])
    getattr(members.database, end)()
    wait_until(lambda: not members[0].health()["database"], "it is noticed")
    members.database.start()
    notices(members, WELL)
    shown = people.ask(members[1], people.researcher, "GET", f"task/{task['id']}")
    assert shown["status"] == "pending"
    node = people.listen(members[1], people.node)
    again = people.order(members[0])
    node.hear_of_task(again["id"])
