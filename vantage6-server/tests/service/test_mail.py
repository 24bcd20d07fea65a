"""Mail: through a real mail server, which is asked who it is, and never lost in silence."""

import logging
import smtplib
import ssl
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mailserver import USERNAME, MailServer, run_mail_server

from vantage6.server.service.mail import (
    TRIES,
    Errand,
    Letter,
    Mailer,
    MailSettings,
    compose,
    send,
)

# It warns of what these tests make it do.
unsafe = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")

LETTER = Letter("ada@hospital.example", "Hello", "Some text\n", "<html><p>Some HTML</p></html>")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with run_mail_server(tmp_path) as running:
        yield running


def settings(**block: Any) -> MailSettings:
    """Those of a server with this `smtp` block."""
    found = MailSettings.from_config({"smtp": block})
    assert found
    return found


def post(mailer: Mailer, letter: Letter | None = LETTER) -> list[str]:
    """Have a letter sent, and wait; what was given up."""
    given_up: list[str] = []
    mailer.post(Errand("a letter", lambda: letter, lambda: given_up.append("a letter")))
    mailer.wait()
    return given_up


def logged(caplog: pytest.LogCaptureFixture, level: int) -> list[str]:
    ours = [record for record in caplog.records if record.name.startswith("vantage6")]
    return [record.getMessage() for record in ours if record.levelno == level]


def test_a_letter_is_sent_encrypted_and_after_a_login(server: MailServer) -> None:
    send(server.settings(), LETTER)
    assert (server.logins, server.were_safe) == ([True], [True])
    (message,) = server.messages
    assert (message["To"], message["From"]) == (LETTER.to, USERNAME)
    assert message["Subject"] == "Hello"
    parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
    assert parts["text/plain"].splitlines() == ["Some text"]
    assert "<p>Some HTML</p>" in parts["text/html"]


@unsafe
def test_a_server_that_speaks_tls_from_the_start(tmp_path: Path) -> None:
    with run_mail_server(tmp_path, ssl_=True) as server:
        send(server.settings(MAIL_USE_SSL=True), LETTER)
    assert server.were_safe == [True]


@unsafe
@pytest.mark.parametrize("use_ssl", [False, True])
def test_a_server_of_another_name_learns_nothing(tmp_path: Path, use_ssl: bool) -> None:
    with run_mail_server(tmp_path, name="elsewhere.example", ssl_=use_ssl) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            send(server.settings(MAIL_USE_SSL=use_ssl), LETTER)
        assert (server.logins, server.messages) == ([], [])


def test_a_server_that_nobody_vouches_for_learns_nothing(server: MailServer) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        send(server.settings(ca_file=None), LETTER)
    assert (server.logins, server.messages) == ([], [])


@unsafe
def test_a_server_that_cannot_encrypt_learns_nothing(tmp_path: Path) -> None:
    with run_mail_server(tmp_path, starttls=False) as server:
        with pytest.raises(smtplib.SMTPNotSupportedError):
            send(server.settings(), LETTER)
        assert (server.logins, server.messages) == ([], [])


def test_a_wrong_login_is_told_at_once(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    pauses: list[float] = []
    mailer = Mailer(partial(send, server.settings(password="wrong")), sleep=pauses.append)
    assert post(mailer) == ["a letter"]
    assert set(server.logins) == {False}
    assert pauses == []
    (message,) = logged(caplog, logging.ERROR)
    assert message.startswith("Mail was not sent: a letter: 535")
    assert "wrong" not in message


def test_what_does_not_work_at_first_is_tried_again(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers += ["451 later", "451 later"]
    pauses: list[float] = []
    mailer = Mailer(partial(send, server.settings()), sleep=pauses.append)
    assert post(mailer) == []
    assert len(server.messages) == 1
    assert len(pauses) == len(logged(caplog, logging.WARNING)) == 2
    assert pauses[0] < pauses[1]


def test_what_does_not_work_at_all_is_given_up_and_told(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers += ["451 later"] * TRIES
    mailer = Mailer(partial(send, server.settings()), sleep=lambda _: None)
    assert post(mailer) == ["a letter"]
    (message,) = logged(caplog, logging.ERROR)
    assert message == "Mail was not sent: a letter: the address is refused: later"


def test_an_address_that_is_refused_is_not_tried_again(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers += ["550 who"]
    assert post(Mailer(partial(send, server.settings()))) == ["a letter"]
    (told,) = logged(caplog, logging.ERROR)
    assert LETTER.to not in told


def test_a_mail_server_writes_no_line_of_our_log(
    server: MailServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answers += ["550-who\r\n550 2030-01-01 root logged in\x1b[2K"]
    post(Mailer(partial(send, server.settings())))
    (message,) = logged(caplog, logging.ERROR)
    assert message.endswith("refused: who 2030-01-01 root logged in [2K")


def test_a_server_that_is_not_there_is_told(caplog: pytest.LogCaptureFixture) -> None:
    # Nobody listens at port 1.
    assert post(
        Mailer(partial(send, settings(server="127.0.0.1", port=1)), sleep=lambda _: None)
    ) == ["a letter"]
    assert "ConnectionRefusedError" in logged(caplog, logging.ERROR)[0]


@pytest.mark.parametrize(
    "address", ["", "ada", "a@x.example, b@x.example", "a@x.example\r\nBcc: b@x.example"]
)
def test_a_letter_goes_to_one_address_or_to_none(address: str) -> None:
    with pytest.raises(ValueError, match="not addressed to an e-mail address"):
        compose(settings(), Letter(address, "Hello", "", ""))


def test_one_letter_that_cannot_be_written_does_not_stop_the_others(
    caplog: pytest.LogCaptureFixture,
) -> None:
    sent: list[Letter] = []
    mailer = Mailer(sent.append)

    def fail() -> Letter:
        raise LookupError

    mailer.post(Errand("a broken one", fail, lambda: None))
    post(mailer)
    assert sent == [LETTER]
    assert "a broken one" in caplog.text


def test_a_crowd_is_turned_away_and_told(caplog: pytest.LogCaptureFixture) -> None:
    goes_on, began = threading.Event(), threading.Event()

    def deliver(_: Letter) -> None:
        began.set()
        goes_on.wait()

    mailer = Mailer(deliver, size=1)
    errand = Errand("a letter", lambda: LETTER, lambda: None)
    mailer.post(errand)
    began.wait()
    mailer.post(errand)
    mailer.post(errand)
    assert logged(caplog, logging.ERROR) == [
        "Mail was not sent, too many are waiting already: a letter"
    ]
    goes_on.set()
    mailer.wait()


def test_what_is_left_at_the_end_is_told(caplog: pytest.LogCaptureFixture) -> None:
    goes_on, began = threading.Event(), threading.Event()

    def deliver(_: Letter) -> None:
        began.set()
        goes_on.wait()

    mailer = Mailer(deliver)
    mailer.post(Errand("the first", lambda: LETTER, lambda: None))
    began.wait()
    mailer.post(Errand("the second", lambda: LETTER, lambda: None))
    closing = threading.Thread(target=mailer.close)
    closing.start()
    mailer._stopped.wait()
    goes_on.set()
    closing.join()
    assert logged(caplog, logging.ERROR) == ["Mail was not sent, the server stops: the second"]


def test_what_the_configuration_leaves_out_is_as_documented() -> None:
    assert MailSettings.from_config({}) is None
    assert settings() == MailSettings(
        server="localhost",
        port=1025,
        username="support@vantage6.ai",
        password="",
        use_tls=True,
        use_ssl=False,
        ca_file=None,
        sender="support@vantage6.ai",
        support="support@vantage6.ai",
    )


def test_who_mails_are_from() -> None:
    assert settings(username="server@mail.example").sender == "server@mail.example"
    # One cannot write to the name of a log-in.
    config = {"smtp": {"username": "apikey"}, "support_email": "help@mail.example"}
    there = MailSettings.from_config(config)
    assert there
    assert (there.sender, there.support) == ("help@mail.example", "help@mail.example")
    assert settings(username="apikey", email_from="x@mail.example").sender == "x@mail.example"
