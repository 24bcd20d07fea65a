"""The own account: a second factor, and the way back in."""

import queue
import re
import time
from typing import Any

import pyotp
import pytest

from vantage6.client import Client
from vantage6.common.exceptions import AuthenticationException
from vantage6.server.service.mail import Letter, Mailer, MailSettings
from vantage6.server.service.notice import Notices

PASSWORD = "Passw0rd!"


@pytest.fixture
def letters(federation: Any) -> "queue.Queue[Letter]":
    """What the server mails."""
    sent: queue.Queue[Letter] = queue.Queue()
    old = federation.app.extensions["notices"]
    federation.app.extensions["notices"] = Notices(
        federation.app.extensions["database"],
        old.tokens,
        old.limit,
        MailSettings.from_config({"smtp": {}}),
        Mailer(sent.put),
    )
    return sent


@pytest.fixture
def two_factors(federation: Any) -> None:
    federation.app.extensions["second_factors"].required = True


def token(letters: "queue.Queue[Letter]") -> str:
    """The token in the next letter."""
    (found,) = re.findall(r"^ey[\w.-]+$", letters.get(timeout=60).text, re.MULTILINE)
    return str(found)


def printed_secret(printed: str) -> pyotp.TOTP:
    """The app that was set up with what was printed."""
    (secret,) = re.findall(r"\b[A-Z2-7]{32}\b", printed)
    return pyotp.TOTP(secret)


def recovery_codes(printed: str) -> list[str]:
    return re.findall(r"^\w{4}-\w{4}-\w{4}-\w{4}$", printed, re.MULTILINE)


def enrol(client: Client, capsys: pytest.CaptureFixture[str]) -> tuple[pyotp.TOTP, list[str]]:
    """Set a second factor up; the app and the recovery codes."""
    client.authenticate("alpha", PASSWORD)
    app = printed_secret(capsys.readouterr().out)
    client.authenticate("alpha", PASSWORD, app.now())
    return app, recovery_codes(capsys.readouterr().out)


def test_a_forgotten_password(
    federation: Any, client: Client, letters: "queue.Queue[Letter]"
) -> None:
    assert client.util.reset_my_password(username="alpha")["msg"]
    assert client.util.set_my_password(token(letters), "0therWord!")["msg"]
    assert federation.client("alpha", "0therWord!").whoami


@pytest.mark.usefixtures("two_factors")
def test_a_second_factor(
    federation: Any, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    app, codes = enrol(client, capsys)
    assert client.whoami
    assert len(codes) == 10
    with pytest.raises(AuthenticationException, match="mfa_code"):
        client.authenticate("alpha", PASSWORD)
    client.authenticate("alpha", PASSWORD, codes[0])
    later = app.at(time.time() + 30)
    assert client.util.new_recovery_codes(PASSWORD, later)["recovery_codes"]
    assert len(recovery_codes(capsys.readouterr().out)) == 10


@pytest.mark.usefixtures("two_factors")
def test_a_lost_second_factor(
    client: Client, letters: "queue.Queue[Letter]", capsys: pytest.CaptureFixture[str]
) -> None:
    app, codes = enrol(client, capsys)
    client.util.reset_two_factor_auth(PASSWORD, email="alpha@x.example")
    mailed = token(letters)
    # As classic clients do.
    assert "recovery_code" in client.util.set_two_factor_auth(mailed)["msg"]
    client.util.set_two_factor_auth(mailed, codes[0])
    other = printed_secret(capsys.readouterr().out)
    assert other.secret != app.secret
    client.authenticate("alpha", PASSWORD, other.now())
