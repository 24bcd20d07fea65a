"""HTTP calls with nothing but the standard library, for algorithm containers.

A central container lives for a second or two, and importing requests takes a tenth of one.
What is left out - redirects, cookies, proxies, compression - a node's proxy does not use.
"""

import json as json_module
import select
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urlencode, urlsplit


class PlainSession:
    """Stands in for `requests.Session`, with one connection per address that is kept open."""

    def __init__(self) -> None:
        self._connections: dict[tuple[str, str], HTTPConnection] = {}

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        params: Mapping[str, Any] | None = None,
        timeout: tuple[float, float] = (10.0, 60.0),
    ) -> "PlainResponse":
        """Make one call.

        Raises
        ------
        OSError
            When there was no answer.
        """
        parts = urlsplit(url)
        connection = self._connection(parts, timeout)
        body = None if json is None else json_module.dumps(json).encode()
        sent = {**(headers or {}), **({} if body is None else {"Content-Type": "application/json"})}
        try:
            connection.request(method, _target(parts, params or {}), body, sent)
            answer = connection.getresponse()
            return PlainResponse(answer.status, answer.read())
        except (OSError, HTTPException) as error:
            connection.close()
            if isinstance(error, OSError):
                raise
            raise ConnectionError(f"The answer broke off ({type(error).__name__})") from error

    def close(self) -> None:
        """Let go of the connections."""
        for connection in self._connections.values():
            connection.close()

    def _connection(self, parts: SplitResult, timeout: tuple[float, float]) -> HTTPConnection:
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        address = (parts.scheme, parts.netloc)
        if address not in self._connections:
            self._connections[address] = kind(parts.netloc)
        connection = self._connections[address]
        if _was_closed(connection):
            connection.close()
        connect_timeout, read_timeout = timeout
        connection.timeout = connect_timeout
        if connection.sock is None:
            connection.connect()
        connection.sock.settimeout(read_timeout)
        return connection


class PlainResponse:
    """What we use of an HTTP answer."""

    def __init__(self, status_code: int, content: bytes) -> None:
        self.status_code = status_code
        self.content = content

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body as a value; ValueError where it is not JSON."""
        return json_module.loads(self.content)


def _target(parts: SplitResult, params: Mapping[str, Any]) -> str:
    query = urlencode({k: v for k, v in params.items() if v is not None}, doseq=True)
    together = "&".join(part for part in (parts.query, query) if part)
    return f"{parts.path or '/'}?{together}" if together else parts.path or "/"


def _was_closed(connection: HTTPConnection) -> bool:
    """Whether the other side has ended an idle connection: then there is an end to be read."""
    if connection.sock is None:
        return False
    readable, _, _ = select.select([connection.sock], [], [], 0)
    return bool(readable)
