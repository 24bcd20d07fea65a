"""Mail: sent by a thread of its own, so that no request waits for a mail server."""

import logging
import queue
import smtplib
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from vantage6.common.retry import Backoff
from vantage6.server.configuration import SmtpSchema

log = logging.getLogger(__name__)

TRIES = 4
QUEUE_SIZE = 1000
_SECONDS = 20
_STOP_SECONDS = 2.0
_LOGGED_CHARACTERS = 300


@dataclass(frozen=True)
class MailSettings:
    """How to reach the mail server, and what stands in the mails."""

    server: str
    port: int
    username: str
    password: str
    use_tls: bool
    use_ssl: bool
    ca_file: str | None
    sender: str
    support: str

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "MailSettings | None":
        """The settings of a server; None when its configuration has no `smtp` block."""
        if config.get("smtp") is None:
            return None
        block = SmtpSchema().load(config["smtp"])
        username = block["username"]
        support = config.get("support_email") or username
        return cls(
            server=block["server"],
            port=block["port"],
            username=username,
            password=block["password"],
            use_tls=block["MAIL_USE_TLS"],
            use_ssl=block["MAIL_USE_SSL"],
            ca_file=block["ca_file"],
            # What one logs in with need not be an address.
            sender=block["email_from"] or (username if "@" in username else support),
            support=support,
        )


@dataclass(frozen=True)
class Letter:
    """What is to be sent, to one address."""

    to: str
    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class Errand:
    """A letter that is to be written and sent, outside the request that asked for it.

    Attributes
    ----------
    what : str
        For the log.
    write : callable
        Makes the letter; None when there is nobody to send it to.
    give_up : callable
        Called when the letter could not be sent.
    """

    what: str
    write: Callable[[], Letter | None]
    give_up: Callable[[], None]


def send(settings: MailSettings, letter: Letter) -> None:
    """Hand a letter to the mail server.

    The certificate of the server, and that it is made out to its name, is checked before
    anything secret is said.

    Raises
    ------
    OSError
        When it could not be sent; `smtplib.SMTPException` and `ssl.SSLError` are among these.
    ValueError
        When it cannot be written, such as to something that is no address.
    """
    message = compose(settings, letter)
    with _connect(settings) as server:
        if settings.password:
            server.login(settings.username, settings.password)
        server.send_message(message)


def compose(settings: MailSettings, letter: Letter) -> EmailMessage:
    """A letter in the form that mail servers take; ValueError when its address is none."""
    message = EmailMessage()
    message["Subject"] = letter.subject
    message["From"] = _address(settings.sender)
    message["To"] = _address(letter.to)
    message["Date"] = formatdate(localtime=False)
    message["Message-ID"] = make_msgid(domain=settings.sender.rpartition("@")[2])
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    return message


def _address(text: str) -> Address:
    """Exactly one address: a comma must not make two of it, a line break no header."""
    try:
        return Address(addr_spec=text)
    except (IndexError, MessageError, ValueError) as error:
        # Without the address itself, which is nothing for the log.
        raise ValueError("it is not addressed to an e-mail address") from error


def _connect(settings: MailSettings) -> smtplib.SMTP:
    if settings.use_ssl:
        return smtplib.SMTP_SSL(
            settings.server, settings.port, timeout=_SECONDS, context=_tls(settings)
        )
    server = smtplib.SMTP(settings.server, settings.port, timeout=_SECONDS)
    try:
        if settings.use_tls:
            server.starttls(context=_tls(settings))
    except BaseException:
        server.close()
        raise
    return server


def _tls(settings: MailSettings) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=settings.ca_file)


class Mailer:
    """Sends letters one after the other.

    Parameters
    ----------
    deliver : callable
        Sends one letter; raises as `send` does.
    sleep : callable, optional
        Waits some seconds before another try; true when there is to be none any more.
    """

    def __init__(
        self,
        deliver: Callable[[Letter], None],
        *,
        size: int = QUEUE_SIZE,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._deliver = deliver
        self._errands: queue.Queue[Errand | None] = queue.Queue(size)
        self._stopped = threading.Event()
        self._sleep = sleep or self._stopped.wait
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def post(self, errand: Errand) -> None:
        """Have a letter sent; returns at once, and never raises."""
        # At the first letter: threads do not come along into the processes of a server.
        self._start()
        try:
            self._errands.put_nowait(errand)
        except queue.Full:
            log.error("Mail was not sent, too many are waiting already: %s", errand.what)

    def wait(self) -> None:
        """Wait until nothing is left to be done."""
        self._errands.join()

    def close(self) -> None:
        """Send no more; what is being sent is finished, what is left is told to the log."""
        self._stopped.set()
        thread = self._thread
        if thread is None:
            return
        try:
            self._errands.put_nowait(None)
        except queue.Full:
            log.debug("The mail thread is busy; it looks at the flag after each letter")
        thread.join(_STOP_SECONDS)

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="mail", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while (errand := self._errands.get()) is not None:
            try:
                self._do(errand)
            except Exception:
                # The thread must outlive whatever one letter does.
                log.exception("Mail was not sent: %s", errand.what)
            finally:
                self._errands.task_done()
        self._errands.task_done()

    def _do(self, errand: Errand) -> None:
        if self._stopped.is_set():
            log.error("Mail was not sent, the server stops: %s", errand.what)
            return
        letter = errand.write()
        if letter is None:
            return
        try:
            self._deliver_with_patience(errand, letter)
        except (OSError, ValueError) as error:
            log.error("Mail was not sent: %s: %s", errand.what, _reason(error))
            errand.give_up()
        else:
            log.info("Mail was sent: %s", errand.what)

    def _deliver_with_patience(self, errand: Errand, letter: Letter) -> None:
        backoff = Backoff(first=1, limit=30)
        for left in reversed(range(TRIES)):
            try:
                return self._deliver(letter)
            except OSError as error:
                if not left or is_permanent(error) or self._stopped.is_set():
                    raise
                log.warning("Mail is tried again: %s: %s", errand.what, _reason(error))
                self._sleep(backoff.pause())
        raise AssertionError("The last try returns or raises")


def is_permanent(error: OSError) -> bool:
    """Whether trying again is of no use: a certificate or log-in that is wrong, a refusal."""
    match error:
        case ssl.SSLCertVerificationError() | smtplib.SMTPNotSupportedError():
            return True
        case smtplib.SMTPRecipientsRefused():
            return all(code >= 500 for code, _ in error.recipients.values())
        case smtplib.SMTPResponseException():
            return error.smtp_code >= 500
        case _:
            return False


def _reason(error: Exception) -> str:
    match error:
        case smtplib.SMTPRecipientsRefused():
            # The address of the user is nothing for the log.
            answers = {_plain(answer) for _, answer in error.recipients.values()}
            return f"the address is refused: {', '.join(sorted(answers))}"
        case smtplib.SMTPResponseException():
            return f"{error.smtp_code} {_plain(error.smtp_error)}"
        case _:
            return f"{type(error).__name__}: {_plain(str(error))}"


def _plain(answer: bytes | str) -> str:
    """What a mail server said, as part of one line of our log, whatever it is."""
    text = answer.decode(errors="replace") if isinstance(answer, bytes) else answer
    return "".join(char if char.isprintable() else " " for char in text)[:_LOGGED_CHARACTERS]
