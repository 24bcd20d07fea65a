"""A gate on the way to a server, where whoever tests decides what passes, and when.

It speaks HTTP as far as it has to: one request at a time is let through, a long one in blocks, and
its answer back. So a process that waits at the gate is at a known step of its work, and can be
ended there.
"""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from development.bridge import LOOPBACK, pass_on
from development.console import SetupError

PATIENCE = 60.0
_BLOCK = 4 * 2**20
_NOT_PASSED_ON = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive"})


@dataclass(frozen=True)
class Passage:
    """A request that is at the gate, or was.

    Attributes
    ----------
    method, path : str
    headers : mapping
    body : bytes
        The beginning of a long one.
    sent : int
        How many bytes of the body the server was sent.
    status : int
        Of the answer; 0 as long as there is none.
    """

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: int = 0
    status: int = 0


Wanted = Callable[[Passage], bool]


@dataclass
class Barrier:
    """Holds up what it is about, until it is lifted; see `Gate.holding`."""

    wanted: Wanted
    arrived: threading.Event = field(default_factory=threading.Event)
    lifted: threading.Event = field(default_factory=threading.Event)
    passes: bool = True

    def wait(self) -> None:
        """Wait until something is held up here."""
        if not self.arrived.wait(PATIENCE):
            raise SetupError(f"nothing came to the gate within {PATIENCE:.0f} s")

    def hold(self, passage: Passage) -> bool:
        """Hold up a request or its answer; whether it goes on afterwards."""
        if not self.wanted(passage):
            return True
        self.arrived.set()
        self.lifted.wait()
        return self.passes


class Gate:
    """The gate; see the module.

    Parameters
    ----------
    target : callable
        Gives the port on the loopback that the gate leads to.

    Attributes
    ----------
    port : int
        Its own.
    passed : list of Passage
        What was answered, in that order.
    """

    def __init__(self, target: Callable[[], int]) -> None:
        self._barriers: list[Barrier] = []
        self.passed: list[Passage] = []
        self._server = _Server(self, target)
        self.port = int(self._server.server_address[1])

    @contextmanager
    def holding(self, wanted: Wanted) -> Iterator[Barrier]:
        """Hold up requests, or answers where `wanted` asks for a status, for a while.

        In the end those that are held are not let through any more: who sent them is gone.
        """
        barrier = Barrier(wanted)
        self._barriers.append(barrier)
        try:
            yield barrier
        finally:
            self._barriers.remove(barrier)
            barrier.passes = False
            barrier.lifted.set()

    def lets_through(self, passage: Passage) -> bool:
        """Whether something goes on, once nothing holds it up any more."""
        return all(barrier.hold(passage) for barrier in list(self._barriers))

    def run(self) -> None:
        """Let through until `close`."""
        self._server.serve_forever(poll_interval=0.05)

    def close(self) -> None:
        """Let nothing through any more."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def on_the_way_to(target: Callable[[], int]) -> Iterator[Gate]:
    """A gate that is open until the end of the block."""
    gate = Gate(target)
    thread = threading.Thread(target=gate.run, name="gate")
    thread.start()
    try:
        yield gate
    finally:
        gate.close()
        thread.join()


class _Server(ThreadingHTTPServer):
    # Who is still connected must not keep us from ending.
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, gate: Gate, target: Callable[[], int]) -> None:
        super().__init__((LOOPBACK, 0), _Handler)
        self.gate, self.target = gate, target

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that end: that is what the gate is for."""


class _Handler(BaseHTTPRequestHandler):
    server: "_Server"
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        if self.headers.get("Upgrade"):
            self._pass_all_on()
        elif not self._exchange():
            self.close_connection = True

    def _exchange(self) -> bool:
        """Pass one request on and its answer back; False where either got stuck here."""
        gate, length = self.server.gate, int(self.headers.get("Content-Length") or 0)
        block = self.rfile.read(min(length, _BLOCK))
        passage = Passage(self.command, self.path, dict(self.headers), block)
        with closing(http.client.HTTPConnection(LOOPBACK, self.server.target())) as connection:
            if not gate.lets_through(passage):
                return False
            self._send_head(connection)
            sent = self._send_body(connection, passage, length)
            if sent is None:
                return False
            answer = connection.getresponse()
            content = answer.read()
        passage = replace(sent, status=answer.status)
        gate.passed.append(passage)
        if not gate.lets_through(passage):
            return False
        self._answer(answer, content)
        return True

    def _send_head(self, connection: http.client.HTTPConnection) -> None:
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        # one by one: some names come several times
        for name, value in self.headers.items():
            connection.putheader(name, value)
        connection.endheaders()

    def _send_body(
        self, connection: http.client.HTTPConnection, passage: Passage, length: int
    ) -> Passage | None:
        """Send a body, of which the first block is here; None where that got stuck."""
        block = passage.body
        while block:
            connection.send(block)
            passage = replace(passage, sent=passage.sent + len(block))
            if not self.server.gate.lets_through(passage):
                return None
            block = self.rfile.read(min(length - passage.sent, _BLOCK))
        return passage if passage.sent == length else None

    def _answer(self, answer: http.client.HTTPResponse, content: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_PASSED_ON:
                self.send_header(name, value)
        length = answer.headers["Content-Length"] if self.command == "HEAD" else len(content)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(length or 0))
        self.end_headers()
        self.wfile.write(content)

    def _pass_all_on(self) -> None:
        """Let the two talk as they like from now on."""
        self.close_connection = True
        with socket.create_connection((LOOPBACK, self.server.target())) as other:
            other.sendall(self.raw_requestline + bytes(self.headers))
            pass_on({self.connection: other, other: self.connection})

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the server has a log of its own."""
