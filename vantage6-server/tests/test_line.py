"""Websockets of a server that runs: what the other side may say, and what becomes of it."""

import base64
import os
import socket
import tracemalloc
from collections.abc import Iterator

import pytest
import requests
from served import Served, write_config
from sockets import PATIENCE, Listener
from wsproto.frame_protocol import CloseReason

from vantage6.server.serving import line
from vantage6.server.transport import MESSAGE_LIMIT

PATH = "/socket.io/?EIO=4&transport=websocket"
TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x1, 0x2, 0x0, 0x8, 0x9, 0xA


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served("--config", write_config(tmp_path_factory.mktemp("server"))) as running:
        assert running.url
        yield running


class Wire:
    """A websocket, frame by frame."""

    def __init__(self, server: Served, path: str = PATH, version: str = "13") -> None:
        address = ("127.0.0.1", int(server.port))
        self.socket = socket.create_connection(address, timeout=PATIENCE)
        self._file = self.socket.makefile("rb")
        lines = [f"GET {path} HTTP/1.1", "Host: server", "Connection: Upgrade"]
        lines += ["Upgrade: websocket", f"Sec-WebSocket-Version: {version}"]
        lines += [f"Authorization: Bearer {server.token()}"]
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall("\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "", ""]).encode())
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            continue

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self.socket.close()

    def say(self, payload: bytes, opcode: int = TEXT, *, last: bool = True) -> None:
        head = bytes([0x80 * last | opcode])
        length = len(payload)
        if length < 126:
            head += bytes([0x80 | length])
        else:
            size = 2 if length < 2**16 else 8
            head += (b"\xfe" if size == 2 else b"\xff") + length.to_bytes(size, "big")
        self.socket.sendall(head + bytes(4) + payload)

    def hear(self) -> tuple[int, bytes]:
        first, length = self._file.read(2)
        if length == 126:
            length = int.from_bytes(self._file.read(2), "big")
        return first & 0x0F, self._file.read(length)

    def enter(self) -> None:
        """Be connected to /tasks."""
        assert self.hear()[1].startswith(b"0{")
        self.say(b"40/tasks,")
        self.hear_until(b"40/tasks,")

    def hear_until(self, start: bytes) -> None:
        while not self.hear()[1].startswith(start):
            continue

    def closes(self) -> int:
        """The reason for which the server closes it, in the end."""
        while True:
            opcode, payload = self.hear()
            if opcode == CLOSE:
                assert self._file.read() == b""
                return int.from_bytes(payload[:2], "big")


def test_pieces_of_a_message_are_one_message(server: Served) -> None:
    with Wire(server) as wire:
        wire.enter()
        for number, piece in enumerate((b'42/tasks,7["join_', b"", b'room","nowhere"]')):
            wire.say(piece, CONTINUATION if number else TEXT, last=number == 2)
        wire.hear_until(b"43/tasks,7")


def test_messages_are_answered_in_their_order(server: Served) -> None:
    with Wire(server) as wire:
        wire.enter()
        for number in range(2 * line.QUEUE):
            wire.say(b'42/tasks,%d["join_room","nowhere"]' % number)
        for number in range(2 * line.QUEUE):
            wire.hear_until(b"43/tasks,%d[" % number)


def test_a_ping_of_the_websocket_is_answered(server: Served) -> None:
    with Wire(server) as wire:
        assert wire.hear()[1].startswith(b"0{")
        wire.say(b"here?", PING)
        assert wire.hear() == (PONG, b"here?")


def test_whoever_closes_is_told_the_same(server: Served) -> None:
    with Wire(server) as wire:
        wire.say((1001).to_bytes(2, "big"), CLOSE)
        assert wire.closes() == 1001


@pytest.mark.parametrize(
    ("said", "opcode", "reason"),
    [
        (b"4" * (MESSAGE_LIMIT + 1), TEXT, CloseReason.MESSAGE_TOO_BIG),
        (b"\xff\xfe", TEXT, CloseReason.INVALID_FRAME_PAYLOAD_DATA),
        (b"", 0x3, CloseReason.PROTOCOL_ERROR),
        (b"x", TEXT, CloseReason.PROTOCOL_ERROR),
        (b"", TEXT, CloseReason.PROTOCOL_ERROR),
    ],
    ids=["too long", "no text", "unknown frame", "unknown packet", "nothing"],
)
def test_nonsense_ends_a_websocket(
    server: Served, said: bytes, opcode: int, reason: CloseReason
) -> None:
    with Wire(server) as wire:
        wire.say(said, opcode)
        assert wire.closes() == reason


def test_pieces_of_a_message_cannot_be_long_together(server: Served) -> None:
    with Wire(server) as wire:
        half = b"4" * (MESSAGE_LIMIT // 2 + 1)
        wire.say(half, last=False)
        wire.say(half, CONTINUATION, last=False)
        assert wire.closes() == CloseReason.MESSAGE_TOO_BIG


def test_a_message_in_tiny_pieces_takes_little_more_memory_than_its_letters() -> None:
    """Else strangers, who may have hundreds of connections, had gigabytes for megabytes."""
    count = 20_000
    tiny = bytes([CONTINUATION, 0x80 | 2]) + bytes(4) + b"xy"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        kept = line.Line(ours, lambda _: None, MESSAGE_LIMIT)
        try:
            theirs.sendall(bytes([TEXT, 0x80 | 2]) + bytes(4) + b"42")
            kept._read()
            tracemalloc.start()
            for _ in range(count // 1000):
                theirs.sendall(tiny * 1000)
                kept._read()
            taken, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
            kept._lose()
    assert kept._length == 2 + 2 * count
    assert taken < 8 * count


def test_a_request_of_another_version_gets_no_websocket(server: Served) -> None:
    with Wire(server, version="8") as wire:
        assert wire.status == 400


def test_polling_becomes_a_websocket_and_nothing_is_lost(server: Served) -> None:
    listener = Listener(server.url, server.token())
    assert listener.client.transport() == "websocket"
    answers = [listener.call("join_room", "nowhere") for _ in range(3)]
    assert answers == [{"msg": "You may not be in that room"}] * 3
    listener.close()


def test_one_transport_becomes_a_websocket_once(server: Served) -> None:
    polling = f"{server.url}/socket.io/?EIO=4&transport=polling"
    text = requests.get(polling, timeout=PATIENCE).text
    sid = text.split('"sid":"')[1].split('"')[0]
    with Wire(server, f"{PATH}&sid={sid}") as first, Wire(server, f"{PATH}&sid={sid}") as second:
        assert (first.status, second.status) == (101, 400)
        first.say(b"2probe")
        assert first.hear() == (TEXT, b"3probe")
        first.say(b"something else")
        assert first.closes() == CloseReason.NORMAL_CLOSURE
