"""A real mail server on this machine, with TLS and log-ins as the configuration says."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

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
    ca_file, context = certificates(folder, name)
    there = MailServer(ca_file)
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


def certificates(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate authority of our own, and what a server of this name needs to show one."""
    folder.mkdir(exist_ok=True)
    ca_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ca = _certificate("authority of the tests", ca_key, None, ca_key, is_ca=True)
    server = _certificate(name, key, ca, ca_key, is_ca=False)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "server.pem").write_bytes(private + server.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "server.pem")
    return folder / "ca.pem", context


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    is_ca: bool,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
    )
    if is_ca:
        builder = builder.add_extension(_key_usage(), critical=True)
    else:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name)]), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    from ipaddress import ip_address

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_usage() -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
