"""Events between replicas: what one process commits, the sockets and waiters of the others hear.

All of it happens on the side. A request hands its events over and goes on; what cannot be sent is
kept for a while, and when too much is kept the oldest go. Whoever may have missed some looks into
the database instead, see `service/catch_up.py`. So a broker that is away, slow or restarted costs
a moment, and loses nothing.
"""

import logging
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from kombu.connection import Connection
from kombu.entity import Exchange, Queue
from kombu.messaging import Consumer, Producer

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.retry import Backoff
from vantage6.server.message import Message, UnreadableMessageError
from vantage6.server.service.event import Event, EventHub

log = logging.getLogger(__name__)

EXCHANGE = Exchange("vantage6.events", type="fanout", durable=False)
CONTENT_TYPE = "application/json"
# As many events are kept while they cannot be sent, and as many messages by the broker for a
# replica that does not take them.
KEPT = 10_000
AT_ONCE = 500
QUEUE_BYTES = 64 * 1024**2
# How long the broker keeps the queue of a replica that went without a word.
QUEUE_SECONDS = 60
CONNECT_SECONDS = 5.0
# Within twice as long it is noticed that the broker says nothing any more.
HEARTBEAT_SECONDS = 6
ANSWER_SECONDS = 5.0
LOOK_SECONDS = 1.0
# How long events gather after a message: where there are many, most go along with others. The first
# after a while goes at once.
GATHER_SECONDS = 0.03
LONGEST_PAUSE = 5.0
# What may go wrong with a connection has no common base, and none of it may end the thread.
_Failure = Exception


@dataclass
class Counts:
    """What went through a broker since the start."""

    sent: int = 0
    received: int = 0
    dropped: int = 0


class Broker:
    """Takes events of this replica to the others, and theirs to the hub.

    Parameters
    ----------
    uri : str
        As `rabbitmq_uri` in the configuration.
    replica : str
        The name of this process, which no other has.
    hub : EventHub
    ca_file : str, optional
        The authorities to trust, with `amqps`; those of the system otherwise.
    """

    def __init__(
        self, uri: str, replica: str, hub: EventHub, *, ca_file: str | None = None
    ) -> None:
        self._uri, self._replica, self._hub = uri, replica, hub
        self._ca_file = ca_file
        self.counts = Counts()
        self._outbox: deque[Event] = deque()
        self._filled = threading.Condition()
        self._stopping = threading.Event()
        # Whether events may have passed us since somebody asked for the last time.
        self._has_missed = True
        self._heard: dict[str, int] = {}
        self._numbers, self._has_gap = 0, False
        notice = _Notice(_where(uri))
        self._sending, self._receiving = _Side(notice), _Side(notice)
        hub.carry(self.send)

    @property
    def is_up(self) -> bool:
        """Whether events go both ways at the moment."""
        return self._sending.is_up and self._receiving.is_up

    def start(self) -> None:
        """Begin, in threads that end with `close`."""
        for side, work in ((self._receiving, self._receive), (self._sending, self._send)):
            threading.Thread(
                target=side.work, args=(work, self._stopping), name="broker", daemon=True
            ).start()

    def send(self, event: Event) -> None:
        """Take an event of this replica to the others, as soon as that can be done."""
        with self._filled:
            if len(self._outbox) >= KEPT:
                self._outbox.popleft()
                self.counts.dropped += 1
                self._has_gap = True
            self._outbox.append(event)
            self._filled.notify()

    def take_missed(self) -> bool:
        """Whether events of others may have passed us since this was asked last."""
        missed, self._has_missed = self._has_missed, False
        return missed

    def close(self) -> None:
        """Send what there is, and end."""
        self._stopping.set()
        with self._filled:
            self._filled.notify_all()

    def wait_until_sent(self, seconds: float) -> bool:
        """Wait until nothing is left to be sent; False when that takes longer."""
        with self._filled:
            return self._filled.wait_for(lambda: not self._outbox, seconds)

    def _send(self, side: "_Side") -> None:
        with self._connection(heartbeat=0, confirm_publish=True) as connection:
            producer = Producer(connection.channel(), EXCHANGE, serializer="json")
            producer.maybe_declare(EXCHANGE)
            side.comes_up()
            while self._wait_for_events():
                self._send_some(producer)
                self._stopping.wait(GATHER_SECONDS)

    def _wait_for_events(self) -> bool:
        """Wait until there is something to send; False at the end."""
        with self._filled:
            self._filled.wait_for(lambda: self._outbox or self._stopping.is_set())
            return bool(self._outbox)

    def _send_some(self, producer: Producer) -> None:
        with self._filled:
            events = [self._outbox[index] for index in range(min(AT_ONCE, len(self._outbox)))]
            has_gap = self._has_gap
        message = Message(self._numbers + 1, has_gap, events)
        producer.publish(
            message.write(),
            content_type=CONTENT_TYPE,
            content_encoding="utf-8",
            headers={"replica": self._replica},
            delivery_mode="transient",
            confirm_timeout=ANSWER_SECONDS,
        )
        # What the broker has not confirmed is sent again over the next connection.
        self._numbers += 1
        self.counts.sent += len(events)
        with self._filled:
            self._has_gap = self._has_gap and not has_gap
            # Some of them may have been dropped meanwhile, for newer ones.
            sent = set(map(id, events))
            while self._outbox and id(self._outbox[0]) in sent:
                self._outbox.popleft()
            self._filled.notify_all()

    def _receive(self, side: "_Side") -> None:
        with self._connection(heartbeat=HEARTBEAT_SECONDS) as connection:
            channel = connection.channel()
            with Consumer(
                channel, [self._queue()], accept=["json"], on_message=self._take, no_ack=True
            ):
                # From here on everything comes; what came before has passed us.
                self._has_missed = True
                side.comes_up()
                checked = time.monotonic()
                while not self._stopping.is_set():
                    with suppress(TimeoutError):
                        connection.drain_events(timeout=LOOK_SECONDS)
                    if time.monotonic() - checked >= HEARTBEAT_SECONDS / 2:
                        checked = time.monotonic()
                        connection.heartbeat_check()

    def _take(self, message: Any) -> None:
        replica = message.headers.get("replica")
        if replica == self._replica:
            return
        try:
            body = message.body
            read = Message.read(body.encode() if isinstance(body, str) else bytes(body))
        except UnreadableMessageError as error:
            log.warning("A message of another replica is not heeded: %s", error)
            self._has_missed = True
            return
        expected = self._heard.get(str(replica), read.number - 1) + 1
        if read.has_gap or read.number > expected:
            self._has_missed = True
        self._remember(str(replica), read.number)
        self.counts.received += len(read.events)
        for event in read.events:
            self._hub.deliver(event)

    def _remember(self, replica: str, number: int) -> None:
        # The one heard last comes last, so that those that are gone can be forgotten.
        self._heard.pop(replica, None)
        self._heard[replica] = number
        if len(self._heard) > KEPT:
            del self._heard[next(iter(self._heard))]

    def _queue(self) -> Queue:
        """One of a name of its own for every connection: the last one's may not be gone yet."""
        return Queue(
            f"vantage6.{self._replica}.{uuid4().hex[:8]}",
            EXCHANGE,
            durable=False,
            exclusive=True,
            auto_delete=True,
            expires=QUEUE_SECONDS,
            max_length=KEPT,
            max_length_bytes=QUEUE_BYTES,
        )

    @contextmanager
    def _connection(self, heartbeat: float, **options: Any) -> Iterator[Connection]:
        parts = urlsplit(self._uri)
        # Read as it is asked for: certificates are checked, and by name.
        tls = {
            "cert_reqs": ssl.CERT_REQUIRED,
            "server_hostname": parts.hostname,
            "ca_certs": self._ca_file,
        }
        connection = Connection(
            self._uri,
            connect_timeout=CONNECT_SECONDS,
            heartbeat=heartbeat,
            ssl=tls if parts.scheme == "amqps" else False,
            transport_options={
                "read_timeout": None,
                "write_timeout": ANSWER_SECONDS,
                **options,
            },
        )
        try:
            yield connection
        except BaseException:
            # Without a farewell, to which one that hangs would never reply. The library has no
            # public way for it: its own `release` waits.
            below, connection._connection = connection._connection, None
            if below is not None:
                below.collect()
            raise
        connection.release()


def check_authorities(ca_file: str) -> None:
    """Refuse a file that holds no authorities to trust, before anything is started.

    Raises
    ------
    ConfigurationError
    """
    try:
        ssl.create_default_context(cafile=ca_file)
    except ssl.SSLError as error:
        raise ConfigurationError(f"rabbitmq_ca_file: {ca_file} holds no certificates") from error
    except OSError as error:
        raise ConfigurationError(
            f"rabbitmq_ca_file: {ca_file} cannot be read: {error.strerror}"
        ) from error


class _Notice:
    """Says once that the broker is away, and once that it is back."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._sides_away: set[_Side] = set()

    def away(self, side: "_Side", error: Exception) -> None:
        """A direction does not work."""
        with self._lock:
            if not self._sides_away:
                reason = str(error).strip() or type(error).__name__
                log.warning(
                    "Replicas do not hear of one another and look into the database instead: "
                    "%s: %s",
                    self._where,
                    reason,
                )
            self._sides_away.add(side)

    def back(self, side: "_Side") -> None:
        """A direction works."""
        with self._lock:
            if side in self._sides_away:
                self._sides_away.remove(side)
                if not self._sides_away:
                    log.warning("Replicas hear of one another again: %s", self._where)


class _Side:
    """One direction: it goes on for ever, over one connection after another."""

    def __init__(self, notice: _Notice) -> None:
        self._notice = notice
        self._pauses = Backoff(first=0.2, limit=LONGEST_PAUSE)
        self.is_up = False

    def comes_up(self) -> None:
        """It works."""
        self._pauses.reset()
        # First, so that whoever is told that we are well finds it in the log.
        self._notice.back(self)
        self.is_up = True

    def work(self, work: Callable[["_Side"], None], stopping: threading.Event) -> None:
        """Do something over connections until the end."""
        while not stopping.is_set():
            try:
                work(self)
            except _Failure as error:
                self.is_up = False
                self._notice.away(self, error)
            self.is_up = False
            stopping.wait(self._pauses.pause())


def _where(uri: str) -> str:
    """A broker without the password."""
    parts = urlsplit(uri)
    return f"RabbitMQ on {parts.hostname} port {parts.port}"
