"""Logging in, and what becomes of refusals."""

import pytest

from vantage6.client import Client, UserClient
from vantage6.common.exceptions import (
    AuthenticationException,
    EncryptionError,
    Forbidden,
    ServerUnreachable,
)


def test_after_the_log_in_the_client_knows_who_it_is(client, federation):
    assert Client is UserClient
    assert client.name == "Alpha"
    assert client.whoami.organization_name == "alpha"
    assert client.whoami.organization_id == federation.ids[0]
    assert client.whoami.type_ == "user"


def test_a_wrong_password_is_an_error(federation):
    with pytest.raises(AuthenticationException):
        federation.client("alpha", "wrong")


def test_before_the_log_in_the_client_says_what_to_do(client):
    stranger = Client("http://127.0.0.1", 1, session=client.transport.session)
    with pytest.raises(AuthenticationException, match="authenticate"):
        stranger.organization.get()


def test_without_a_server_there_is_one_sentence():
    with pytest.raises(ServerUnreachable, match=r"http://127\.0\.0\.1:1"):
        Client("http://127.0.0.1", 1).authenticate("a", "b")


def test_a_refusal_comes_back_as_a_message(client):
    assert set(client.organization.create("x", "", "", "", "", "")) >= {"msg"}


def test_a_refusal_is_raised_where_that_is_wished(federation):
    client = federation.client("alpha", raise_errors=True)
    with pytest.raises(Forbidden):
        client.organization.create("x", "", "", "", "", "")


def test_a_talkative_client_prints_and_others_are_silent(federation, capsys):
    federation.client("alpha")
    assert capsys.readouterr().out == ""
    federation.client("alpha", verbose=True)
    assert "Logged in as alpha" in capsys.readouterr().out


def test_a_task_needs_encryption_to_be_set_up(federation, create, client):
    client.cryptor = None
    with pytest.raises(EncryptionError, match="setup_encryption"):
        create()


class SecondFactor:
    """A server that wants a second factor to be set up first, then its code."""

    def __init__(self, replies):
        self.replies, self.bodies = list(replies), []

    def request(self, method, url, *, json=None, **_):
        self.bodies.append(json)
        return Reply(self.replies.pop(0))

    def close(self):
        pass


class Reply:
    status_code, content, text = 200, b"x", "x"

    def __init__(self, body):
        self.json = lambda: body


def test_a_second_factor_is_shown_and_then_sent(capsys):
    session = SecondFactor(
        [
            {"qr_uri": "otpauth://totp/x", "otp_secret": "SECRET", "msg": "Scan this"},
            {"msg": "The code is missing"},
        ]
    )
    client = Client("http://127.0.0.1", 1, session=session)
    client.authenticate("a", "b")
    printed = capsys.readouterr().out
    assert "Scan this" in printed
    assert "SECRET" in printed
    with pytest.raises(AuthenticationException, match="The code is missing"):
        client.authenticate("a", "b", mfa_code=123456)
    assert session.bodies[1]["mfa_code"] == 123456
