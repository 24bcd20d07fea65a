"""Who calls a server: logs in, makes calls, and stays logged in."""

import logging
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

from vantage6.common import jwt
from vantage6.common.client.long_json import NOTHING, Omit
from vantage6.common.client.transport import READ_TIMEOUT, Session, Transport
from vantage6.common.exceptions import (
    AuthenticationException,
    ServerError,
    ServerUnreachable,
    ServiceUnavailable,
    Unauthorized,
)
from vantage6.common.retry import Patience

__all__ = ["PATIENCE", "Caller", "ServerInfo", "WhoAmI"]

# Of which the classic clients know; any other word means to read.
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# How long a patient caller keeps asking, in seconds, when nobody answers.
PATIENCE = 600.0


class WhoAmI(NamedTuple):
    """Who is logged in."""

    type_: str
    id_: int
    name: str
    organization_name: str
    organization_id: int


class ServerInfo(NamedTuple):
    """Where the server is."""

    host: str
    port: int | None
    path: str


class Caller:
    """Talks to a server, or to the proxy of a node as if it were one.

    Parameters
    ----------
    host : str
        Scheme and name, such as `https://server.example`.
    port : int, optional
        Without one, the port of the scheme.
    path : str
        Where the API starts.
    session : Session, optional
        In place of a `requests.Session` of our own.
    timeout : float, optional
        Seconds after which a server that says nothing is given up.
    """

    def __init__(
        self,
        host: str,
        port: int | str | None,
        path: str = "/api",
        *,
        session: Session | None = None,
        timeout: float | None = None,
    ) -> None:
        self._server = ServerInfo(host.rstrip("/"), int(port) if port else None, path)
        self.transport = Transport(self.base_path, session)
        self.log = logging.getLogger(type(self).__module__)
        self.timeout = timeout or READ_TIMEOUT
        self.whoami: WhoAmI | None = None
        self._access_token: str | None = None
        self._refresh_token: str | None = None
        self._refresh_url: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_path}>"

    @property
    def host(self) -> str:
        """Scheme and name of the server."""
        return self._server.host

    @property
    def port(self) -> int | None:
        """Port of the server, None for that of the scheme."""
        return self._server.port

    @property
    def path(self) -> str:
        """Where the API starts."""
        return self._server.path

    @property
    def server_url(self) -> str:
        """Host and port; the socket listens here."""
        return f"{self.host}:{self.port}" if self.port else self.host

    @property
    def base_path(self) -> str:
        """Host, port and path together."""
        return f"{self.server_url}{self.path}"

    @property
    def token(self) -> str:
        """The access token; AuthenticationException before the log-in."""
        if self._access_token is None:
            raise AuthenticationException("Log in first: call authenticate()")
        return self._access_token

    @property
    def headers(self) -> dict[str, str]:
        """The header that shows who we are, empty before the log-in."""
        return {"Authorization": f"Bearer {self._access_token}"} if self._access_token else {}

    @property
    def name(self) -> str:
        """The name of who is logged in."""
        if self.whoami is None:
            raise AuthenticationException("Log in first: call authenticate()")
        return self.whoami.name

    def generate_path_to(self, endpoint: str) -> str:
        """The whole URL of an endpoint."""
        return f"{self.base_path}/{endpoint.lstrip('/')}"

    def send(
        self,
        method: str,
        endpoint: str,
        *,
        json: Any = None,
        params: Any = None,
        read_timeout: float | None = None,
        omit: Omit = NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make one call and return the decoded body.

        An access token that is no longer accepted is renewed once. What `omit` says
        is left out of a large answer.

        Raises
        ------
        ServerUnreachable
            When there was no answer.
        ServerError
            When the server refused; the subclass tells why.
        """
        call: dict[str, Any] = {
            "json": json,
            "params": params,
            "read_timeout": read_timeout or self.timeout,
            "omit": omit,
            "headers": headers,
        }
        try:
            return self.transport.call(method, endpoint, token=self._access_token, **call)
        except Unauthorized:
            if not self._can_refresh():
                raise
            self.refresh_token()
            return self.transport.call(method, endpoint, token=self._access_token, **call)

    def open(self, endpoint: str, headers: Mapping[str, str] | None = None) -> Any:
        """The answer to a question, whose body the caller reads and closes; raises as `send`."""
        try:
            return self.transport.open(endpoint, token=self._access_token, headers=headers)
        except Unauthorized:
            if not self._can_refresh():
                raise
            self.refresh_token()
            return self.transport.open(endpoint, token=self._access_token, headers=headers)

    def send_patiently(
        self, method: str, endpoint: str, *, patience: float = PATIENCE, **call: Any
    ) -> Any:
        """Make one call, and repeat it with growing pauses while nobody answers.

        Only for questions: what creates something may have been done before the answer to it
        was lost.

        Parameters
        ----------
        patience : float
            After so many seconds without an answer the error is raised.
        """
        attempts = Patience(patience, limit=10)
        while True:
            try:
                return Caller.send(self, method, endpoint, **call)
            except (ServerUnreachable, ServiceUnavailable) as error:
                if not attempts.wait(
                    partial(self.log.warning, "%s; asking again in %.1f s", error)
                ):
                    raise

    def request(
        self,
        endpoint: str,
        json: Any = None,
        method: str = "get",
        params: Any = None,
        first_try: bool = True,
        retry: bool = True,
    ) -> Any:
        """Make one call and return the body, that of a refusal too: `{"msg": ...}`.

        The classic way; `send` raises instead. Only the absence of any answer raises here.
        `first_try` and `retry` are accepted as ever and no longer needed. A method that HTTP
        does not know reads.
        """
        method = method if method.upper() in _METHODS else "get"
        try:
            return self.send(method, endpoint, json=json, params=params)
        except ServerError as error:
            return self._refused(method, endpoint, error)

    def _refused(self, method: str, endpoint: str, error: ServerError) -> dict[str, Any]:
        """What the classic methods return where the server refused: its body, or our words."""
        self.log.error("%s %s: %s", method.upper(), endpoint, error)
        return error.body if isinstance(error.body, dict) else {"msg": str(error)}

    def authenticate(self, credentials: dict[str, Any], path: str = "token/user") -> bool:
        """Log in.

        Returns
        -------
        bool
            False where the server first wants a second factor to be set up: its reply is
            then handed to `show_second_factor`.

        Raises
        ------
        AuthenticationException
            When the credentials are wrong, or a second factor is missing.
        ServerUnreachable, ServerError
            When the server cannot be asked.
        """
        reply = self.transport.call("post", path, json=credentials)
        if "qr_uri" in reply:
            self.show_second_factor(reply)
            return False
        if "access_token" not in reply:
            raise AuthenticationException(reply.get("msg", "The server gave no token"))
        self._take_tokens(reply)
        if "recovery_codes" in reply:
            self.show_recovery_codes(reply)
        return True

    def show_recovery_codes(self, reply: dict[str, Any]) -> None:
        """Show what replaces a lost second factor; clients for people override this."""

    def show_second_factor(self, reply: dict[str, Any]) -> None:
        """Show what is needed to set up a second factor; clients for people override this."""
        raise AuthenticationException(reply.get("msg", "A second factor must be set up first"))

    def refresh_token(self) -> None:
        """Exchange the refresh token for a new access token.

        Raises
        ------
        AuthenticationException
            When there is none, or the server no longer takes it.
        """
        if self._refresh_token is None or self._refresh_url is None:
            raise AuthenticationException("Log in first: call authenticate()")
        # the server names the whole path, so it does not go below that of the API
        transport = Transport(self.server_url, self.transport.session)
        reply = transport.call("post", self._refresh_url, token=self._refresh_token)
        self._take_tokens(reply)

    def _can_refresh(self) -> bool:
        return self._refresh_token is not None and self._refresh_url is not None

    def _take_tokens(self, reply: dict[str, Any]) -> None:
        self._access_token = reply["access_token"]
        self._refresh_token = reply.get("refresh_token", self._refresh_token)
        self._refresh_url = reply.get("refresh_url", self._refresh_url)

    def _subject(self) -> Any:
        return jwt.subject(self.token)
