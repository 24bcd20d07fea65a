"""A real mail server on this machine, with TLS and log-ins as the configuration says."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from development.certificates import make_certificate
from vantage6.server.service.mail import MailSettings

LOOPBACK = "127.0.0.1"
USERNAME, PASSWORD = "server@mail.example", "a password for mail"


@dataclass
class MailServer:
    """What a mail server was told.

    Attributes
    ----------
    messages : list
        The mails it took.
    logins : list
        Whether each log-in was right.
    were_safe : list
        Of each mail, whether it came encrypted and from somebody who had logged in.
    answers : list
        What to say to the next recipients, instead of taking them.
    arrived : Event
        Set once there is a mail.
    """

    ca_file: Path
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    logins: list[bool] = field(default_factory=list)
    were_safe: list[bool] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def config(self, **differing: Any) -> dict[str, Any]:
        """The `smtp` block of a server that uses it."""
        return {
            "server": LOOPBACK,
            "port": self.port,
            "username": USERNAME,
            "password": PASSWORD,
            "ca_file": str(self.ca_file),
            **differing,
        }

    def settings(self, **differing: Any) -> MailSettings:
        """How to reach it."""
        settings = MailSettings.from_config({"smtp": self.config(**differing)})
        assert settings
        return settings

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        """Take the one account there is."""
        data = cast(LoginPassword, data)
        right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
        self.logins.append(right)
        return AuthResult(success=right, handled=False)

    async def handle_RCPT(  # noqa: N802 (the name is given by aiosmtpd)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take a recipient, unless told otherwise."""
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail."""
        message = message_from_bytes(cast(bytes, envelope.content), policy=default)
        self.messages.append(cast(EmailMessage, message))
        encrypted = server.transport.get_extra_info("ssl_object") is not None
        self.were_safe.append(encrypted and bool(session.authenticated))
        self.arrived.set()
        return "250 OK"


class _Controller(Controller):
    def _trigger_server(self) -> None:
        # It would look whether it answers at the port it was given, which is not known before.
        socket.create_connection(self.server.sockets[0].getsockname()[:2]).close()


@contextmanager
def run_mail_server(
    folder: Path, *, name: str = LOOPBACK, starttls: bool = True, ssl_: bool = False
) -> Iterator[MailServer]:
    """A mail server of which the certificate is made out to `name`."""
    files = make_certificate(folder, name)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files.certificate, files.key)
    there = MailServer(files.authority)
    options: dict[str, Any] = {"authenticator": there.authenticate, "auth_required": True}
    if ssl_:
        options |= {"ssl_context": context, "auth_require_tls": False}
    elif starttls:
        options |= {"tls_context": context, "require_starttls": True}
    else:
        options |= {"auth_require_tls": False}
    controller = _Controller(there, hostname=LOOPBACK, port=0, **options)
    controller.start()
    there.port = controller.server.sockets[0].getsockname()[1]
    try:
        yield there
    finally:
        controller.stop()
