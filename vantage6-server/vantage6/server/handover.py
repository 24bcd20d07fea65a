"""Transports of the socket library without a thread for each: on lines, with one clock for pings.

The library runs a thread that reads, one that writes and one that sleeps until the next ping, for
every websocket. What it keeps of a transport has public attributes for all of that: where packets
for the other side go, and what takes those that come.
"""

import io
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import gevent
from engineio.exceptions import EngineIOError, SocketIsClosedError, UnknownPacketError
from engineio.packet import NOOP, PING, Packet
from engineio.socket import Socket
from wsproto.frame_protocol import CloseReason

from vantage6.server.serving.line import HandedOver, Line, accept, frame

# What a request leaves behind that nothing after it needs.
_OF_THE_REQUEST = (
    "gunicorn.socket",
    "werkzeug.request",
    "werkzeug.socket",
    "wsgi.errors",
    "wsgi.file_wrapper",
)
_PROBE, _PROBED, _UPGRADE = "2probe", "3probe", "5"


def hand_over(
    transport: Socket, environ: dict[str, Any], *, limit: int, patience: float
) -> HandedOver:
    """Let a request to become a websocket go on as a line; what has to be raised to end it.

    Parameters
    ----------
    transport : Socket
        Of the library: a new one, or one that comes from polling.
    environ : dict
        Of the request, in a worker of ours; what is not needed any more is taken out.
    limit : int
        The longest message that may come, in bytes.
    patience : float
        Seconds that one that comes from polling has to do so.

    Raises
    ------
    LocalProtocolError
        When the request is none for a websocket.
    OSError
        When the transport is a websocket already, or about to be one.
    """
    if transport.upgraded or transport.upgrading:
        raise OSError("This transport has a websocket already")
    answer = accept(environ)
    wire = _Wire(transport, environ)
    line = Line(environ["gunicorn.socket"], wire.hear, limit)
    line.send(answer)
    environ["wsgi.input"] = io.BytesIO()
    wire.begin(line, patience)
    return HandedOver(line)


class _Wire:
    """Between a line and a transport of the library."""

    def __init__(self, transport: Socket, environ: dict[str, Any]) -> None:
        self._transport, self._environ = transport, environ
        # What is logged later still belongs to the request that it began with.
        self._context = copy_context()
        self._line: Any = None
        self._deadline: Any = None

    def begin(self, line: Line, patience: float) -> None:
        """Use a line."""
        self._line = line
        if self._transport.connected:
            self._transport.upgrading = True
            self._deadline = gevent.spawn_later(patience, line.close)
        else:
            self._transport.connected = True
            self._take_over()

    def hear(self, message: str | bytes | None) -> None:
        """Take what came on the line, and None at its end."""
        self._context.run(self._hear, message)
        for name in _OF_THE_REQUEST:
            self._environ.pop(name, None)

    def _hear(self, message: str | bytes | None) -> None:
        if self._transport.upgrading:
            self._upgrade(message)
        elif message is None:
            self._end()
        elif self._line.is_open:
            try:
                self._transport.receive(Packet(encoded_packet=message))
            except UnknownPacketError:
                # As the library does.
                return
            except SocketIsClosedError:
                self._line.close()
            except (EngineIOError, ValueError, IndexError):
                self._line.close(CloseReason.PROTOCOL_ERROR)

    def _upgrade(self, message: str | bytes | None) -> None:
        """Come from polling, in two steps; until then polling goes on."""
        if message == _PROBE:
            self._line.send(frame(_PROBED))
            # Ends the request that polls.
            self._transport.queue.put(Packet(NOOP))
            return
        self._deadline.kill()
        self._transport.upgrading = False
        if message == _UPGRADE:
            self._take_over()
        else:
            self._line.close()

    def _take_over(self) -> None:
        transport = self._transport
        transport.upgraded = True
        waiting, transport.queue = transport.queue, _Outlet(self._line)
        while not waiting.empty():
            transport.queue.put(waiting.get())

    def _end(self) -> None:
        transport, engine = self._transport, self._transport.server
        if transport.upgraded:
            transport.close(wait=False, abort=True, reason=engine.reason.TRANSPORT_CLOSE)
            engine.sockets.pop(transport.sid, None)


class _Outlet:
    """In the place of a queue of packets for the other side: they go out at once."""

    # One packet often goes to many, one after the other.
    _last: tuple[Any, bytes] = (None, b"")

    def __init__(self, line: Line) -> None:
        self._line = line

    def put(self, packet: Packet | None) -> None:
        """Send a packet; None ends it."""
        if packet is None:
            self._line.close()
            return
        before, data = _Outlet._last
        if before is not packet:
            data = frame(packet.encode())
            _Outlet._last = (packet, data)
        self._line.send(data)

    def join(self) -> None:
        """Wait for nothing: what the other side takes has been sent."""


class Clock:
    """Pings for all transports, each the same time after the answer to the one before.

    Parameters
    ----------
    interval : float
        Seconds.
    thread : callable
        What the library makes threads with; `make` is to be in its place.
    """

    def __init__(self, interval: float, thread: Callable[..., Any]) -> None:
        self._interval, self._thread = interval, thread
        self._due: deque[tuple[float, Socket]] = deque()
        self._lock = threading.Lock()
        self._is_running = False

    def make(self, target: Callable[..., Any], **options: Any) -> Any:
        """A thread as the library wants one; for what would sleep until a ping, none."""
        owner = getattr(target, "__self__", None)
        if isinstance(owner, Socket) and target == getattr(owner, "_send_ping", None):
            return _Ping(self, owner)
        return self._thread(target=target, **options)

    def add(self, transport: Socket) -> None:
        """Send a ping when it is time."""
        with self._lock:
            # In the order in which they come, since all wait as long.
            self._due.append((time.monotonic() + self._interval, transport))
            if self._is_running:
                return
            self._is_running = True
        self._thread(target=self._run).start()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._due:
                    self._is_running = False
                    return
                due, transport = self._due[0]
            wait = due - time.monotonic()
            if wait > 0:
                time.sleep(min(wait, 1.0))
                continue
            self._due.popleft()
            if not (transport.closing or transport.closed):
                transport.last_ping = time.time()
                transport.send(Packet(PING))


class _Ping:
    """In the place of a thread that sleeps and then sends a ping."""

    def __init__(self, clock: Clock, transport: Socket) -> None:
        self._clock, self._transport = clock, transport

    def start(self) -> None:
        """Begin to wait."""
        self._clock.add(self._transport)
