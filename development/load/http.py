"""Calls over HTTP/1.1, on a connection that stays open for as long as the server lets it."""

import asyncio
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

# Longer than any request may take, also one that waits.
SECONDS = 120.0
# How long the head of an answer may be.
_HEAD = 2**16
#: What it looks like when the other side is not there, or goes away.
LOST = (OSError, EOFError)


class Refused(Exception):
    """An answer that is no success.

    Attributes
    ----------
    status : int
    """

    def __init__(self, request: str, status: int, content: bytes) -> None:
        super().__init__(f"{request} was answered {status}: {content[:200]!r}")
        self.status = status


@dataclass(frozen=True)
class Address:
    """Where a server listens."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None

    @classmethod
    def of(cls, url: str, tls: ssl.SSLContext | None = None) -> "Address":
        """The address in a URL without a path; with `tls` to trust, if it is one of https."""
        parts = urlsplit(url)
        is_safe = parts.scheme == "https"
        context = (tls or ssl.create_default_context()) if is_safe else None
        return cls(parts.hostname or "", parts.port or (443 if is_safe else 80), context)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection."""
        return await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=_HEAD)

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """The head of a request."""
        first = (f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}")
        return "\r\n".join((*first, *lines, "", "")).encode()


class Caller:
    """One after the other, the calls of somebody to one server.

    Parameters
    ----------
    address : Address
    api_path : str
    """

    def __init__(self, address: Address, api_path: str = "/api") -> None:
        self.address, self._api_path = address, api_path
        self.token = ""
        self._turn = asyncio.Lock()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self, method: str, path: str, body: object = None) -> Any:
        """Make a call and return what the answer holds.

        Raises
        ------
        Refused
            When it is no success.
        OSError, EOFError
            When there is no server; never because a connection had been open for too long.
        """
        async with self._turn:
            status, content = await asyncio.wait_for(self._ask(method, path, body), SECONDS)
        if status >= 300:
            raise Refused(f"{method} {path}", status, content)
        return json.loads(content)

    def close(self) -> None:
        """Hang up; the next call opens another connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, method: str, path: str, body: object) -> tuple[int, bytes]:
        request = self._request(method, path, body)
        if self._streams is not None:
            try:
                return await self._exchange(request)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                self.close()
                # Nothing of an answer: the server closed it while nobody asked anything.
                if getattr(error, "partial", b""):
                    raise
        self._streams = await self.address.connect()
        try:
            return await self._exchange(request)
        except BaseException:
            self.close()
            raise

    def _request(self, method: str, path: str, body: object) -> bytes:
        lines = [f"Authorization: Bearer {self.token}"] if self.token else []
        content = b""
        if body is not None:
            content = json.dumps(body).encode()
            lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
        return self.address.head(method, self._api_path + path, *lines) + content

    async def _exchange(self, request: bytes) -> tuple[int, bytes]:
        assert self._streams is not None
        reader, writer = self._streams
        writer.write(request)
        status, headers = await read_head(reader)
        length = headers.get("content-length")
        # Without a length it ends with the connection, as with the classic server.
        content = await (reader.read() if length is None else reader.readexactly(int(length)))
        if length is None or headers.get("connection", "").lower() == "close":
            self.close()
        return status, content


async def read_head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Read the head of an answer: its status and its headers."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    return int(first.split(" ", 2)[1]), {name.lower(): value.strip() for name, _, value in pairs}
