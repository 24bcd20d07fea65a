"""Connects runs with the destinations that the owner allows them, and with nothing else.

A connection of an algorithm comes in over a Unix socket that stands for one destination of one
run; which one that is was settled before the run started, so there is nothing that an algorithm
could ask for. Names are looked up here, when a connection is made.
"""

import ipaddress
import json
import logging
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from vantage6.common.exceptions import Vantage6Error
from vantage6.node import unix_socket
from vantage6.node.destinations import Destination, Line, is_closed, is_literal
from vantage6.node.globals import RELAY_CONTROL
from vantage6.node.runner.interface import EngineUnreachable

# Connections of one run at a time; each takes two threads of ours that mostly wait.
_MOST_CONNECTIONS = 64
_BUFFER = 256 * 1024
_CONNECT_SECONDS = 10
# How long the relay of a run may take to call, and how often it is told to before it has failed.
_RELAY_SECONDS, _RELAY_CALLS = 10, 3
_PAUSE = 0.1

#: Where a service is now, by the name of its container; raises Unreachable.
FindService = Callable[[str], str]

log = logging.getLogger(__name__)


class Unreachable(Vantage6Error):
    """A destination cannot be connected to; the text names no address of the house."""


class RelayFailed(Vantage6Error):
    """The relay of a run cannot listen as it was told; the text says why."""


@dataclass
class Traffic:
    """What went through to one destination, in bytes, and why something could not."""

    destination: Destination
    sent: int = 0
    received: int = 0
    faults: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.sent} bytes to {self.destination.purpose}, {self.received} from it"

    def facts(self) -> dict[str, str | int]:
        """What the audit log says about it."""
        to = f"{self.destination.host}:{self.destination.port}"
        return {"to": to, "bytes_sent": self.sent, "bytes_received": self.received}

    def count_sent(self, size: int) -> None:
        """Note bytes that left."""
        with self._lock:
            self.sent += size

    def count_received(self, size: int) -> None:
        """Note bytes that came in."""
        with self._lock:
            self.received += size


class Gateway:
    """Opens and closes the ways of runs to their destinations.

    Parameters
    ----------
    find_service : callable
        From the name of a container of this machine to its address.
    """

    def __init__(self, find_service: FindService) -> None:
        self._find_service = find_service
        self._outlets: dict[int, _Outlet] = {}

    def admit(
        self, result_id: int, folder: Path, lines: Sequence[Line], call_relay: Callable[[], None]
    ) -> None:
        """Let a run connect to its destinations.

        Parameters
        ----------
        result_id : int
        folder : Path
            That of its sandbox.
        lines : sequence of Line
        call_relay : callable
            Makes the relay of the sandbox ask us what to listen on.

        Raises
        ------
        RelayFailed
        EngineUnreachable
            When the relay says nothing.
        """
        self.dismiss(result_id)
        if not lines:
            return
        outlet = _Outlet(folder, lines, self._find_service)
        self._outlets[result_id] = outlet
        try:
            outlet.open(call_relay)
        except BaseException:
            self.dismiss(result_id)
            raise

    def dismiss(self, result_id: int) -> list[Traffic]:
        """Close all connections of a run, and say what went through them."""
        outlet = self._outlets.pop(result_id, None)
        if outlet is None:
            return []
        outlet.close()
        return outlet.traffic

    def close(self) -> dict[int, list[Traffic]]:
        """Close the connections of all runs, and say what went through them, by run."""
        return {result_id: self.dismiss(result_id) for result_id in list(self._outlets)}


class _Outlet:
    """All destinations of one run."""

    def __init__(self, folder: Path, lines: Sequence[Line], find_service: FindService) -> None:
        self._find_service = find_service
        self._lines = lines
        self.traffic = [Traffic(line.destination) for line in lines]
        self._places = threading.BoundedSemaphore(_MOST_CONNECTIONS)
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._closed = False
        self._control: socket.socket | None = None
        self._caller = unix_socket.listen(folder, RELAY_CONTROL, 1)
        self._listeners = [
            unix_socket.listen(folder, _socket_name(number), _MOST_CONNECTIONS)
            for number in range(len(lines))
        ]

    def open(self, call_relay: Callable[[], None]) -> None:
        """Have the relay listen, and take what comes."""
        threading.Thread(target=self._accept, name="gateway", daemon=True).start()
        try:
            self._control = self._called(call_relay)
            self._control.settimeout(_RELAY_SECONDS)
            self._control.sendall(_listing(self._lines))
            answer = _read_line(self._control)
        except OSError as error:
            # It ended, as when the engine restarts, or we hung up, since the node stops: neither
            # is an end of the run.
            raise EngineUnreachable("The relay of the run does not answer") from error
        if answer:
            raise RelayFailed(f"The relay of the run cannot listen: {answer}")

    def _called(self, call_relay: Callable[[], None]) -> socket.socket:
        """The call of the relay; to tell it again finds out when it has ended meanwhile."""
        self._caller.settimeout(_RELAY_SECONDS)
        for _ in range(_RELAY_CALLS):
            call_relay()
            with suppress(TimeoutError):
                return self._caller.accept()[0]
        raise TimeoutError

    def close(self) -> None:
        """Hang up, and let nobody through any more; the relay then listens no more either."""
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for connection in [self._caller, *self._listeners, *connections]:
            unix_socket.hang_up(connection)
        self._caller.close()
        if self._control:
            self._control.close()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            for listener, traffic in zip(self._listeners, self.traffic, strict=True):
                selector.register(listener, selectors.EVENT_READ, traffic)
            while not self._closed:
                for key, _ in selector.select():
                    self._take(key.fileobj, key.data)  # type: ignore[arg-type]
        for listener in self._listeners:
            listener.close()

    def _take(self, listener: socket.socket, traffic: Traffic) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:
            if not self._closed:
                # Out of files, for instance; others of the run may still get through.
                log.warning("A connection of a run could not be taken: %s", error)
                threading.Event().wait(_PAUSE)
            return
        if not self._places.acquire(blocking=False):
            traffic.faults.add(f"More than {_MOST_CONNECTIONS} connections at a time")
            connection.close()
            return
        threading.Thread(target=self._pass, args=(connection, traffic), daemon=True).start()

    def _pass(self, inside: socket.socket, traffic: Traffic) -> None:
        """Connect one caller with the destination, until both have said all."""
        try:
            with inside:
                self._keep(inside)
                with self._connect(traffic) as outside:
                    self._keep(outside)
                    _splice(inside, outside, traffic)
        except (Unreachable, OSError) as error:
            log.debug("A connection of a run ended: %s", error)
        finally:
            self._places.release()

    def _connect(self, traffic: Traffic) -> socket.socket:
        try:
            return connect(traffic.destination, self._find_service)
        except Unreachable as error:
            # Noted before the caller sees the end: the run may be over with it.
            traffic.faults.add(str(error))
            log.warning("No connection to %s: %s", traffic.destination.purpose, error)
            raise

    def _keep(self, connection: socket.socket) -> None:
        """Remember a connection, to end it with the run; OSError when that has ended already."""
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError
            self._connections = {one for one in self._connections if one.fileno() >= 0}
            self._connections.add(connection)


def _splice(inside: socket.socket, outside: socket.socket, traffic: Traffic) -> None:
    """Pass on bytes in both directions, each ending for itself."""
    sending = (inside, outside, traffic.count_sent)
    thread = threading.Thread(target=_pump, args=sending, daemon=True)
    thread.start()
    _pump(outside, inside, traffic.count_received)
    thread.join()


def connect(destination: Destination, find_service: FindService) -> socket.socket:
    """Connect to a destination as it is found now.

    Raises
    ------
    Unreachable
    """
    if destination.is_service:
        return _connect_to_any([(find_service(destination.host), destination.port)])
    return _connect_to_any(_look_up(destination))


def _look_up(destination: Destination) -> list[tuple[str, int]]:
    """The addresses of a destination that a run may be connected to."""
    try:
        found = socket.getaddrinfo(
            destination.host, destination.port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )
    except (OSError, UnicodeError) as error:
        raise Unreachable("its name is not known to the node") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not is_literal(destination.host):
        # Whoever answers for the name must not choose an address that the owner did not mean.
        addresses = [one for one in addresses if not is_closed(ipaddress.ip_address(one))]
    if not addresses:
        raise Unreachable("its name leads to an address that runs may not connect to")
    return [(address, destination.port) for address in addresses]


def _connect_to_any(addresses: Sequence[tuple[str, int]]) -> socket.socket:
    reason = ""
    for address in addresses:
        try:
            connection = socket.create_connection(address, _CONNECT_SECONDS)
        except TimeoutError:
            reason = "no answer"
        except OSError as error:
            reason = error.strerror or str(error)
        else:
            connection.settimeout(None)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection
    raise Unreachable(f"the node could not connect to it ({reason})")


def _pump(source: socket.socket, target: socket.socket, count: Callable[[int], None]) -> None:
    """Pass on bytes until there are no more, and say so; if one side breaks off, so do both."""
    buffer = memoryview(bytearray(_BUFFER))
    try:
        while size := source.recv_into(buffer):
            # Before: whoever breaks off in the middle has got some of it.
            count(size)
            target.sendall(buffer[:size])
        target.shutdown(socket.SHUT_WR)
    except OSError as error:
        log.debug("A connection of a run broke off: %s", error)
        for connection in (source, target):
            unix_socket.hang_up(connection)


def _listing(lines: Sequence[Line]) -> bytes:
    """What the relay is told: address, port and socket of each line."""
    listing = [
        [line.address, line.destination.port, _socket_name(number)]
        for number, line in enumerate(lines)
    ]
    return json.dumps(listing).encode() + b"\n"


def _read_line(connection: socket.socket) -> str:
    with connection.makefile("rb") as file:
        line = file.readline(1000)
    if not line.endswith(b"\n"):
        raise ConnectionError("The relay hung up")
    return line.decode(errors="replace").strip()


def _socket_name(number: int) -> str:
    return f"destination-{number}.sock"
