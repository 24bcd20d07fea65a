"""A second factor, and getting back in by mail, with the classic client."""

import re
import time

import pyotp
import pytest
from mailserver import run_mail_server
from served import Served, write_config

from tests.conformance.remote import ClassicError

PATIENCE = 20
PASSWORD, NEXT_PASSWORD = "Passw0rd!", "An0ther-one!"


@pytest.fixture(scope="module")
def mails(tmp_path_factory):
    with run_mail_server(tmp_path_factory.mktemp("mails") / "certificates") as mails:
        yield mails


@pytest.fixture(scope="module")
def strict(version, mails, tmp_path_factory):
    """A server that asks for a second factor and sends mails."""
    config = write_config(
        tmp_path_factory.mktemp("strict"), two_factor_auth=True, smtp=mails.config()
    )
    with Served("--config", config) as server:
        yield server


@pytest.fixture(scope="module")
def secret(strict):
    """What the first user sets an app up with."""
    return strict.post("token/user", {"username": "root", "password": "root"}).json()["otp_secret"]


@pytest.fixture(scope="module")
def administrator(remote, strict, secret):
    client = remote.connect(strict.url)
    client.authenticate("root", "root", mfa_code=pyotp.TOTP(secret).now())
    return client


def test_logging_in_with_a_second_factor(remote, strict, administrator):
    assert administrator.user.get()["username"] == "root"
    with pytest.raises(ClassicError, match="code"):
        remote.connect(strict.url).authenticate("root", "root")
    with pytest.raises(ClassicError):
        remote.connect(strict.url).authenticate("root", "root", mfa_code="000000")


def test_the_first_log_in_shows_what_an_app_needs(remote, strict, administrator):
    person = {"username": "new", "firstname": "New", "lastname": "N", "email": "new@a.org"}
    administrator.user.create(**person, password=PASSWORD)
    client = remote.connect(strict.url)
    client.authenticate("new", PASSWORD)
    assert client.token.value is None
    (secret,) = set(re.findall(r"\b[A-Z2-7]{32}\b", remote.printed()))
    answer = strict.post(
        "token/user",
        {"username": "new", "password": PASSWORD, "mfa_code": pyotp.TOTP(secret).now()},
    )
    assert answer.json()["access_token"]


def test_a_forgotten_password(remote, strict, mails, administrator):
    person = {"username": "ada", "firstname": "Ada", "lastname": "L", "email": "ada@a.org"}
    administrator.user.create(**person, password=PASSWORD)
    client = remote.connect(strict.url)
    assert client.util.reset_my_password(username="ada")["msg"]
    assert client.util.set_my_password(token_in(mails), NEXT_PASSWORD)["msg"]
    with pytest.raises(ClassicError):
        client.authenticate("ada", PASSWORD)
    client.authenticate("ada", NEXT_PASSWORD)


def test_a_lost_app_takes_more_than_a_mail(remote, strict, mails, administrator):
    """The classic client sends no recovery code, so it is told to."""
    person = {"username": "eve", "firstname": "Eve", "lastname": "E", "email": "eve@a.org"}
    administrator.user.create(**person, password=PASSWORD)
    client = remote.connect(strict.url)
    secret = strict.post("token/user", {"username": "eve", "password": PASSWORD}).json()
    client.authenticate("eve", PASSWORD, mfa_code=pyotp.TOTP(secret["otp_secret"]).now())
    assert client.util.reset_two_factor_auth(PASSWORD, username="eve")["msg"]
    answer = client.util.set_two_factor_auth(token_in(mails))
    assert "qr_uri" not in answer
    assert "recovery_code" in str(answer), answer


def token_in(mails):
    """The token in the only mail that comes."""
    end = time.monotonic() + PATIENCE
    while not mails.messages:
        assert time.monotonic() < end, "no mail came"
        time.sleep(0.05)
    text = mails.messages.pop().get_body(("plain",)).get_content()
    (token,) = [
        line for line in text.splitlines() if re.fullmatch(r"ey[\w-]+\.[\w-]+\.[\w-]+", line)
    ]
    return token
