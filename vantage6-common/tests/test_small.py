"""Pauses, tokens, names and messages."""

import base64
import json
import random
from types import SimpleNamespace

import pytest

import vantage6.common
from vantage6.common import jwt, retry
from vantage6.common.exceptions import AuthenticationException, Forbidden, ServerError
from vantage6.common.retry import Backoff, Patience
from vantage6.common.text import is_ip_address, logger_name


def test_pauses_grow_to_a_limit_and_start_again():
    backoff = Backoff(first=1, factor=3, limit=5, jitter=0)
    assert [backoff.pause() for _ in range(4)] == [1, 3, 5, 5]
    backoff.reset()
    assert backoff.pause() == 1


def test_pauses_are_spread_by_chance():
    pauses = {Backoff(first=10, random_=random.Random(seed)).pause() for seed in range(5)}
    assert len(pauses) == 5
    assert all(8 <= pause <= 12 for pause in pauses)


def _token(claims):
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"head.{body}.signature"


@pytest.mark.parametrize("claim", ["sub", "identity"])
def test_a_token_tells_its_subject(claim):
    assert jwt.subject(_token({claim: {"node_id": 3}})) == {"node_id": 3}


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "a.W10.c"])
def test_what_is_no_token_is_refused(token):
    with pytest.raises(AuthenticationException):
        jwt.unverified_claims(token)


def test_a_refusal_carries_the_servers_words():
    error = ServerError.from_response(403, {"msg": "You lack task CREATE"})
    assert isinstance(error, Forbidden)
    assert (error.status, str(error)) == (403, "You lack task CREATE")
    assert "502" in str(ServerError.from_response(502, None))
    assert "name" in str(ServerError.from_response(400, {"msg": "Bad", "errors": {"name": ["x"]}}))


def test_messages_have_the_classic_form(capsys):
    vantage6.common.info("hello")
    assert capsys.readouterr().out == "[info ] - hello\n"


def test_every_documented_name_is_there():
    for name in vantage6.common.__all__:
        assert getattr(vantage6.common, name)
    with pytest.raises(AttributeError):
        _ = vantage6.common.nothing_of_the_kind


def test_names():
    assert is_ip_address("::1")
    assert not is_ip_address("localhost")
    assert logger_name("vantage6.node.daemon") == "daemon"
    assert logger_name("a.averyveryverylongname") == "averyveryve.."


@pytest.fixture
def slept(monkeypatch):
    """The pauses that were slept, on a clock of our own."""
    pauses = []
    # Not that of the whole process: threads of others look at it, too.
    clock = SimpleNamespace(monotonic=lambda: sum(pauses), sleep=pauses.append)
    monkeypatch.setattr(retry, "time", clock)
    return pauses


def test_patience_waits_until_the_next_attempt_would_come_too_late(slept):
    patience, announced = Patience(10, first=1, limit=4), []
    while patience.wait(announced.append):
        assert len(slept) < 100
    assert 5 < sum(slept) <= 10
    assert announced == slept


def test_patience_begins_again_when_something_worked(slept):
    patience = Patience(3, first=1, limit=60)
    assert patience.wait()
    patience.renew()
    assert patience.wait()
    assert all(0.8 <= pause <= 1.2 for pause in slept)


def test_patience_ends_when_who_sleeps_is_to_end():
    assert not Patience(60, first=0.001, sleep=lambda pause: True).wait()
