"""One HTTP call to the server, with its answer decoded or its refusal raised."""

import re
import ssl
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from vantage6.common.client.large import SummedBody, body_of
from vantage6.common.client.long_json import NOTHING, Omit
from vantage6.common.client.meter import Meter, Metered
from vantage6.common.client.received import Received
from vantage6.common.exceptions import ServerError, ServerUnreachable

# Seconds to connect; to read is up to each call, since some answers are waited for.
CONNECT_TIMEOUT = 10.0
READ_TIMEOUT = 60.0
_PIECE = 2**18
# Before the words of an error of the system
_NUMBER = re.compile(r"\[Errno -?\d+\] ")


class Response(Protocol):
    """What we use of an HTTP answer."""

    status_code: int

    @property
    def content(self) -> bytes:
        """The body."""
        ...

    @property
    def text(self) -> str:
        """The body as text."""
        ...

    def json(self) -> Any:
        """The body as a value; ValueError where it is not JSON."""
        ...


class Session(Protocol):
    """What we use of `requests.Session`; tests put the application itself in its place."""

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Any,
        json: Any,
        params: Any,
        timeout: tuple[float, float],
    ) -> Response:
        """Make one call; OSError when there was no answer."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


class Transport:
    """Calls below one base URL over connections that are kept open.

    Parameters
    ----------
    base_url : str
        Where the endpoints start, such as `https://server:443/api`.
    session : Session, optional
        By default a `requests.Session` of our own.

    Attributes
    ----------
    meter : Meter
        Is told how far large calls are.
    """

    def __init__(self, base_url: str, session: Session | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.session: Session = session or _new_session()
        self.meter = Meter()

    def call(
        self,
        method: str,
        endpoint: str,
        *,
        token: str | None = None,
        json: Any = None,
        params: Any = None,
        read_timeout: float = READ_TIMEOUT,
        unread: bool = False,
        omit: Omit = NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make one call and return the decoded body.

        Parameters
        ----------
        method, endpoint : str
        token : str, optional
        json : object, optional
            What is sent; a `LargeJson`, or what has a `LongText` in it, is sent without being
            put together before.
        params : mapping, optional
        read_timeout : float
        unread : bool
            Whether the answer to a call that succeeds is passed over: servers repeat in it what
            they were told, payloads too.
        omit : mapping
            Keys of the answer whose long texts nobody needs, but for those that begin as it says
            there; where the answer is large, None stands in their place.
        headers : mapping, optional
            What the call carries besides.

        Raises
        ------
        ServerUnreachable
            When there was no answer.
        ServerError
            When the answer was not one of success; the subclass tells which.
        """
        comes_in = not unread and _can_stream(self.session)
        response = self._call(
            method, endpoint, token, json, params, read_timeout, unread or comes_in, headers
        )
        try:
            if unread and response.status_code < 300:
                return _pass_over(response)
            return decoded(self._received(response, omit) if comes_in else response)
        finally:
            if comes_in and _hangs_up(response):
                self.session.close()

    def open(
        self, endpoint: str, *, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Any:
        """The answer to a question whose body is read by the caller, and closed.

        Raises
        ------
        ServerUnreachable, ServerError
            As for `call`.
        """
        response: Any = self._call(
            "get", endpoint, token, None, None, READ_TIMEOUT, streamed=True, besides=headers
        )
        if response.status_code >= 300:
            with response:
                decoded(self._received(response, NOTHING))
        return response

    @property
    def can_stream(self) -> bool:
        """Whether bodies can be sent and read piece by piece."""
        return _can_stream(self.session)

    def get(self, endpoint: str) -> Response:
        """The whole answer to a question without a log-in, whatever it is.

        Raises
        ------
        ServerUnreachable
            When there was none.
        """
        return self._call("get", endpoint, None, None, None, READ_TIMEOUT, False)

    def close(self) -> None:
        """Let go of the connections."""
        self.session.close()

    def _call(
        self,
        method: str,
        endpoint: str,
        token: str | None,
        json: Any,
        params: Any,
        read: float,
        streamed: bool,
        besides: Mapping[str, str] | None = None,
    ) -> Response:
        headers = {**({"Authorization": f"Bearer {token}"} if token else {}), **(besides or {})}
        # What only some sessions know is named only where it is needed.
        more: dict[str, Any] = {"stream": True} if streamed else {}
        if _can_stream(self.session):
            # Followed, a redirect of a log-in would hand the password to whoever it names.
            more["allow_redirects"] = False
        body = body_of(json)
        with ExitStack() as stack:
            if body is not None:
                headers.setdefault("Content-Type", "application/json")
                # The rest of an upload tells how far it is itself, of the whole.
                is_told = isinstance(body, SummedBody)
                step = None if is_told else stack.enter_context(self.meter.sending(len(body)))
                more["data"], json = Metered(body, step) if step else body, None
            try:
                return self.session.request(
                    method.upper(),
                    f"{self.base_url}/{endpoint.lstrip('/')}",
                    headers=headers,
                    json=json,
                    params=params,
                    timeout=(CONNECT_TIMEOUT, read),
                    **more,
                )
            except OSError as error:  # also those of requests, whose base is derived from it
                raise self._unreachable(error) from error

    def _received(self, response: Any, omit: Omit) -> Response:
        """The answer, read to its end."""
        size = response.headers.get("Content-Length")
        size = int(size) if size and size.isdecimal() else None
        try:
            with self.meter.receiving(size) as step:
                pieces = response.iter_content(_PIECE)
                return Received(response.status_code, pieces, omit, step)
        except OSError as error:
            response.close()
            raise self._unreachable(error) from error

    def _unreachable(self, error: OSError) -> ServerUnreachable:
        return ServerUnreachable(
            f"No answer from the server at {self.base_url}{self._detour()}: {_reason(error)}"
        )

    def _detour(self) -> str:
        """The proxy in between, which may be what does not answer; its password stays here."""
        proxies = getattr(self.session, "proxies", None) or {}
        proxy = urlsplit(proxies.get(urlsplit(self.base_url).scheme) or "")
        return f" over the proxy {proxy.netloc.rpartition('@')[2]}" if proxy.netloc else ""


def _new_session() -> Session:
    # Not for those who bring a session of their own: the import takes a tenth of a second.
    import requests

    return cast(Session, requests.Session())


def _can_stream(session: Any) -> bool:
    """Whether it is one of `requests`, which gives an answer before its body."""
    return hasattr(session, "get_adapter")


def _hangs_up(response: Any) -> bool:
    """Whether the server ends the connection after its answer, without a word.

    That of the classic line does so. A call on the same connection would be lost if it came before
    the end did. It is known by the absence of what every whole HTTP server sends.
    """
    return not {"Connection", "Date"} & {name.title() for name in response.headers}


def decoded(response: Response) -> Any:
    """The body of an answer.

    Raises
    ------
    ServerError
        When the answer was not one of success; the subclass tells which.
    """
    body = _body(response)
    if response.status_code >= 300:
        raise ServerError.from_response(response.status_code, body)
    return body


def _pass_over(response: Any) -> None:
    """Read an answer to its end, so that the connection can be used again, and keep nothing."""
    try:
        for _ in response.iter_content(_PIECE):
            pass
    except OSError:
        # It was done all the same; only its repetition broke off.
        response.close()


def _body(response: Response) -> Any:
    if not response.content:
        return None
    try:
        return response.json()
    except ValueError:
        # An HTML page of a server in front of ours, for instance
        if response.status_code < 300:
            raise ServerError(
                response.status_code, "The server's answer is not JSON; is the API path right?"
            ) from None
        return {"msg": f"status {response.status_code} without an explanation"}


def _reason(error: Exception) -> str:
    """The innermost reason of a failed connection, without addresses of objects."""
    reason: BaseException = error
    while reason.args and isinstance(getattr(reason.args[0], "reason", None), BaseException):
        reason = reason.args[0].reason
    if isinstance(reason.args[0] if reason.args else None, ssl.SSLCertVerificationError):
        reason = reason.args[0]
    if isinstance(reason, ssl.SSLCertVerificationError):
        return f"its certificate cannot be trusted, {reason.verify_message}"
    text = str(reason.args[-1] if reason.args else reason)
    return _NUMBER.sub("", text.rpartition(": ")[2]) or type(error).__name__
