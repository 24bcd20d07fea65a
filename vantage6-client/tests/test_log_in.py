"""A log-in that comes half through: the server goes away after it gave the token."""

import base64
import json
import time
from types import SimpleNamespace

import pytest

from vantage6.client import Client
from vantage6.common import retry
from vantage6.common.client.plain_session import PlainResponse

CLAIMS = base64.urlsafe_b64encode(json.dumps({"sub": 1}).encode()).decode().rstrip("=")
TOKEN = {"access_token": f"a.{CLAIMS}.c", "refresh_token": f"a.{CLAIMS}.c"}
AWAY = PlainResponse(503, b'{"msg": "The database is not available"}')


class Session:
    """Gives prepared answers, one after the other."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def request(self, *_, **__):
        return self.answers.pop(0)

    def close(self):
        pass


def ok(body):
    return PlainResponse(200, json.dumps(body).encode())


@pytest.fixture
def pauses(monkeypatch):
    taken = []
    # Not the clock of the whole process: threads of others sleep, too.
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=taken.append)
    monkeypatch.setattr(retry, "time", clock)
    return taken


def test_a_server_that_is_away_for_a_moment_is_asked_again(pauses):
    user = {"id": 1, "firstname": "Ada", "organization": {"id": 2}}
    answers = [ok(TOKEN), AWAY, ok(user), AWAY, ok({"id": 2, "name": "north"})]
    client = Client("http://server.test", 80, session=Session(*answers))
    client.authenticate("ada", "word")
    assert client.whoami.organization_name == "north"
    assert len(pauses) == 2
