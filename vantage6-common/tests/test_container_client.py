"""What an algorithm notices of a node or server that is started anew: nothing."""

import base64
import json
from types import SimpleNamespace

import pytest

from vantage6.common import retry
from vantage6.common.client import caller
from vantage6.common.client.container import ContainerClient
from vantage6.common.client.plain_session import PlainResponse
from vantage6.common.exceptions import NotFound, ServerUnreachable, ServiceUnavailable

IDENTITY = {
    "image": "average",
    "node_id": 1,
    "collaboration_id": 2,
    "organization_id": 3,
    "task_id": 4,
}
AWAY = ConnectionError("refused")
DOWN = PlainResponse(503, b'{"msg": "The server does not answer"}')


class Session:
    """Gives prepared answers, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.headers = []

    def request(self, method, url, headers=None, **_):
        self.headers.append(dict(headers or {}))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        pass


@pytest.fixture
def pauses(monkeypatch):
    """The clock of the client, which does not wait."""
    now, taken = [0.0], []

    def sleep(seconds):
        taken.append(seconds)
        now[0] += seconds

    # Not in the module of everybody: other threads sleep, too.
    clock = SimpleNamespace(sleep=sleep, monotonic=lambda: now[0])
    monkeypatch.setattr(retry, "time", clock)
    return taken


def client(*answers):
    body = base64.urlsafe_b64encode(json.dumps({"sub": IDENTITY}).encode()).decode()
    return ContainerClient(f"a.{body}.c", "http://proxyserver", 80, session=Session(*answers))


def ok(body):
    return PlainResponse(200, json.dumps(body).encode())


def test_a_question_is_repeated_until_there_is_an_answer(pauses):
    assert client(AWAY, DOWN, AWAY, ok({"id": 1})).get_task(1) == {"id": 1}
    assert len(pauses) == 3
    assert pauses == sorted(pauses)


@pytest.mark.parametrize(
    ("answer", "error"), [(AWAY, ServerUnreachable), (DOWN, ServiceUnavailable)]
)
def test_but_not_for_ever(pauses, answer, error):
    with pytest.raises(error):
        client(*[answer] * 1000).get_task(1)
    assert sum(pauses) <= caller.PATIENCE


@pytest.mark.parametrize("lost", [AWAY, DOWN], ids=["silence", "503"])
def test_a_subtask_is_ordered_again_with_the_same_key(pauses, lost):
    made = client(lost, ok({"repeatable_subtasks": True}), ok({"id": 1}))
    assert made.create_new_task({"method": "x"}, [1]) == {"id": 1}
    first, _, second = made.transport.session.headers
    assert first["Idempotency-Key"] == second["Idempotency-Key"]
    assert "Idempotency-Repeated" not in first
    assert second["Idempotency-Repeated"] == "true"


def test_but_not_where_it_could_become_a_second_task(pauses):
    """A classic server, or one of ours behind a classic node, which passes no keys on."""
    made = client(AWAY, ok({"version": "3.5.2", "idempotency_keys": True}), ok({"id": 1}))
    with pytest.raises(ServerUnreachable):
        made.create_new_task({"method": "x"}, [1])
    assert len(made.transport.session.answers) == 1


@pytest.mark.parametrize("away", [AWAY, DOWN], ids=["silence", "503"])
def test_a_node_that_is_away_when_it_is_asked_what_it_can_do_is_asked_again(pauses, away):
    made = client(AWAY, away, away, ok({"repeatable_subtasks": True}), ok({"id": 1}))
    assert made.create_new_task({"method": "x"}, [1]) == {"id": 1}
    assert len(pauses) == 3


def test_a_refusal_is_final(pauses):
    with pytest.raises(NotFound):
        client(PlainResponse(404, b'{"msg": "no"}'), ok({})).get_task(1)
    assert pauses == []
