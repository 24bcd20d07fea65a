"""The namespace /tasks over a websocket, as nodes and clients use it."""

import asyncio
import base64
import json
import os
from collections.abc import Callable
from typing import Any

from development.load.http import SECONDS, Address, Refused, read_head

PATH = "/socket.io/?EIO=4&transport=websocket"
NAMESPACE = "/tasks"
_EVENT, _REFUSED = f"42{NAMESPACE},", f"44{NAMESPACE}"
_PING, _PONG = "2", "3"
_TEXT, _CLOSE, _OWN_PING, _OWN_PONG = 0x1, 0x8, 0x9, 0xA

#: Takes the name of an event and what it carries.
OnEvent = Callable[[str, Any], None]


class Events:
    """One connection for events, from its beginning to its end."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls, address: Address, token: str) -> "Events":
        """Connect and enter the namespace.

        Raises
        ------
        Refused
            When the server does not let us in.
        OSError, EOFError
            When it is not there.
        """
        events = cls(*await address.connect())
        try:
            await asyncio.wait_for(events._enter(address, token), SECONDS)
        except BaseException:
            events.cut()
            raise
        return events

    async def listen(self, on_event: OnEvent) -> None:
        """Hand over events until the connection ends, and answer pings."""
        try:
            while True:
                message = await self._message()
                if message == _PING:
                    self._say(_PONG)
                elif message.startswith(_EVENT):
                    name, *payload = json.loads(message[len(_EVENT) :])
                    on_event(name, payload[0] if payload else None)
        except (ConnectionError, asyncio.IncompleteReadError):
            # That is how it ends.
            return

    def cut(self) -> None:
        """End it without a word, as a network does."""
        self._writer.transport.abort()

    async def _enter(self, address: Address, token: str) -> None:
        key = base64.b64encode(os.urandom(16)).decode()
        self._writer.write(
            address.head(
                "GET",
                PATH,
                f"Authorization: Bearer {token}",
                "Connection: Upgrade",
                "Upgrade: websocket",
                f"Sec-WebSocket-Key: {key}",
                "Sec-WebSocket-Version: 13",
            )
        )
        status, _ = await read_head(self._reader)
        if status != 101:
            raise Refused("the websocket", status, b"")
        await self._hear("0{")
        self._say(f"40{NAMESPACE},")
        await self._hear(f"40{NAMESPACE},")

    async def _hear(self, start: str) -> None:
        """Wait for a message; what comes before it is for rooms that we are not told of yet."""
        while not (message := await self._message()).startswith(start):
            if message.startswith(_REFUSED):
                raise Refused("the namespace", 401, message.encode())
            if message == _PING:
                self._say(_PONG)

    def _say(self, text: str) -> None:
        self._send(_TEXT, text.encode())

    def _send(self, opcode: int, payload: bytes) -> None:
        """Send a short frame; what clients say is masked."""
        assert len(payload) < 126
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._writer.write(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    async def _message(self) -> str:
        pieces = []
        while True:
            is_last, opcode, payload = await self._frame()
            if opcode == _CLOSE:
                raise ConnectionResetError("The server closed the websocket")
            if opcode == _OWN_PING:
                self._send(_OWN_PONG, payload)
            elif opcode != _OWN_PONG:
                pieces.append(payload)
                if is_last:
                    return b"".join(pieces).decode()

    async def _frame(self) -> tuple[bool, int, bytes]:
        first, length = await self._reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2), "big")
        elif length == 127:
            length = int.from_bytes(await self._reader.readexactly(8), "big")
        return bool(first & 0x80), first & 0x0F, await self._reader.readexactly(length)
