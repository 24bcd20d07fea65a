"""The socket on which the server tells what is new; a hint, never the truth."""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import socketio
from socketio.exceptions import ConnectionError as SocketConnectionError
from websocket import WebSocket

from vantage6.common.client.shared_socket import SharedSocket
from vantage6.common.exceptions import ServerUnreachable

NAMESPACE = "/tasks"
_CONNECT_TIMEOUT = 5

log = logging.getLogger(__name__)


class TaskSocket:
    """A connection to the `/tasks` events of a server that comes back by itself.

    Parameters
    ----------
    url : str
        Scheme, name and port of the server; the API path has no part in it.
    token : callable
        Gives the access token; asked again at every attempt to connect, so that a new
        connection never shows an old token.
    handlers : mapping
        From the names of events to what is called with their payload. Called on the threads
        of the socket: hand over and return.
    on_connect, on_disconnect : callable, optional
        Called after each change of the connection.
    reconnect : bool
        Whether a lost connection is taken up again.
    session : requests.Session, optional
        Whose proxies and trusted certificates the connection has too.
    """

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        handlers: Mapping[str, Callable[..., None]],
        *,
        on_connect: Callable[[], None] | None = None,
        on_disconnect: Callable[[], None] | None = None,
        reconnect: bool = True,
        session: Any = None,
    ) -> None:
        self._url, self._token = url, token
        self._closed = False
        self._client = socketio.Client(
            reconnection=reconnect,
            reconnection_delay=0.5,
            reconnection_delay_max=30,
            http_session=session,
            websocket_extra_options={"class_": _ClosingWebSocket},
        )
        for event, handler in handlers.items():
            self._client.on(event, handler, namespace=NAMESPACE)
        self._client.on("connect", on_connect or _nothing, namespace=NAMESPACE)
        self._client.on(
            "disconnect", _without_reason(on_disconnect or _nothing), namespace=NAMESPACE
        )

    @property
    def connected(self) -> bool:
        """Whether events reach us now."""
        return bool(self._client.connected and NAMESPACE in self._client.namespaces)

    def connect(self) -> None:
        """Connect and return once events can come.

        Raises
        ------
        ServerUnreachable
            When that did not work.
        """
        try:
            self._client.connect(
                self._url,
                headers=self._headers,
                namespaces=[NAMESPACE],
                wait_timeout=_CONNECT_TIMEOUT,
            )
        except (SocketConnectionError, ValueError) as error:
            raise ServerUnreachable(f"No socket connection to {self._url}: {error}") from error

    def emit(self, event: str, payload: Any) -> None:
        """Tell the server something; lost when there is no connection.

        Raises
        ------
        ServerUnreachable
            When there is no connection.
        """
        try:
            self._client.emit(event, payload, namespace=NAMESPACE)
        except SocketConnectionError as error:
            raise ServerUnreachable(f"No socket connection to {self._url}: {error}") from error

    def close(self) -> None:
        """End the connection and every attempt to get one."""
        # Also one that begins in this moment, since the connection is being lost: it ends before
        # it asks for anything.
        self._closed = True
        self._client.reconnection, self._client.reconnection_attempts = False, 1
        websocket = getattr(self._client.eio, "ws", None)
        if websocket is not None:
            # The library would wait three seconds here for a farewell of the server, which
            # the thread that reads has taken in already.
            websocket.close = partial(websocket.close, timeout=0)
        self._client.shutdown()

    def _headers(self) -> dict[str, str]:
        if self._closed:
            raise SocketConnectionError("The connection was closed on our side")
        return {"Authorization": f"Bearer {self._token()}"}


class _ClosingWebSocket(WebSocket):
    """Is closed whoever uses it, and where the library forgets it: as it is turned away."""

    _shared: SharedSocket | None = None

    @property
    def sock(self) -> Any:
        """The connection; None without one."""
        return self._shared

    @sock.setter
    def sock(self, own: Any) -> None:
        self._shared = None if own is None else SharedSocket(own)

    def __del__(self) -> None:
        self.shutdown()  # type: ignore[no-untyped-call]


def _nothing() -> None:
    """Nobody wants to know."""


def _without_reason(handler: Callable[[], None]) -> Callable[..., None]:
    """A handler for the disconnect event, whose reason only newer libraries give."""

    def handle(*_: Any) -> None:
        handler()

    return handle
