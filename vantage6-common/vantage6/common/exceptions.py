"""Every error that vantage6 raises on purpose.

::

    Vantage6Error
    ├── ConfigurationError          a configuration that cannot be used
    │   └── NoConfiguration         none of the name that was given, or none at all
    ├── EngineUnreachable           no container engine answers
    ├── AuthenticationException     who you are could not be shown
    ├── EncryptionError             a key or an envelope that does not fit   (also ValueError)
    │   ├── ContextMismatch         an envelope that was made for another occasion
    │   ├── Damaged                 bytes that are not those that the server had announced
    │   ├── Downgraded              a promise to read authenticated envelopes that is gone
    │   ├── KeyChanged              a public key that is not the one that was pinned
    │   └── NotForUs                an envelope that was made for another organization
    ├── PayloadDeleted              an answer that is no longer kept
    ├── DeserializationException    bytes that are not what they should be   (also ValueError)
    ├── IllegalTransition           a run that would move against the table of states
    ├── TaskFailed                  a task that ended, but not well
    ├── TooFewOnline                nodes that have to answer, but are offline
    ├── Unsupported                 what this server cannot do, being of another line
    ├── TaskUnfinished              a task that has not ended, where its values are asked for
    ├── ServerUnreachable           no answer at all
    └── ServerError                 an answer that says no
        ├── BadRequest              400
        ├── Unauthorized            401  (also AuthenticationException)
        ├── Forbidden               403
        ├── NotFound                404
        ├── Conflict                409
        ├── TooManyRequests         429
        └── ServiceUnavailable      502, 503, 504: not now, perhaps later
"""

from collections.abc import Mapping
from typing import Any


class Vantage6Error(Exception):
    """Base of all errors of vantage6; its text is one sentence for a person."""


class ConfigurationError(Vantage6Error):
    """A configuration that cannot be used."""


class NoConfiguration(ConfigurationError):
    """A configuration that is not there."""


class EngineUnreachable(Vantage6Error):
    """No container engine answers, or not to this user."""


class AuthenticationException(Vantage6Error):
    """Who you are could not be shown to the server."""


class EncryptionError(Vantage6Error, ValueError):
    """A key or an envelope that does not fit."""


class ContextMismatch(EncryptionError):
    """An envelope that was made for another occasion.

    Attributes
    ----------
    field : str
        What differs: a field of the context.
    """

    def __init__(self, field: str) -> None:
        super().__init__(f"The envelope was made for another occasion: its {field} differs")
        self.field = field


class Damaged(EncryptionError):
    """Bytes that are not those that the server had announced."""


class Downgraded(EncryptionError):
    """A promise to read authenticated envelopes that the server does not show any more."""


class KeyChanged(EncryptionError):
    """A public key that is not the one that was pinned."""


class NotForUs(EncryptionError):
    """An envelope that was made for another organization."""


class DeserializationException(Vantage6Error, ValueError):
    """Bytes that are not what they should be."""


class PayloadDeleted(Vantage6Error):
    """An answer that is no longer kept, which is not the same as an empty one."""


class IllegalTransition(Vantage6Error):
    """A run that would move against the table of states."""


class TaskFailed(Vantage6Error):
    """A task that ended, but not well.

    Attributes
    ----------
    runs : list of dict
        The failed runs, as the server shows them.
    answers : dict
        The values of the runs that went well, by the id of their organization.
    failures : dict
        Why there are no others: `status`, `reason` and `log`, by the id of the organization.
    """

    def __init__(
        self,
        message: str,
        runs: list[dict[str, Any]] | None = None,
        answers: dict[int, Any] | None = None,
        failures: dict[int, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.runs, self.answers, self.failures = runs or [], answers or {}, failures or {}


class TaskUnfinished(Vantage6Error):
    """A task that has not ended, where its values are asked for."""


class TooFewOnline(Vantage6Error):
    """Fewer nodes are online than have to answer; nothing was asked of them."""


class Unsupported(Vantage6Error):
    """What this server cannot do, being of another line; nothing was asked of it."""


class ServerUnreachable(Vantage6Error):
    """The server gave no answer at all."""


class ServerError(Vantage6Error):
    """The server answered that it would not or could not.

    Attributes
    ----------
    status : int
        The HTTP status code.
    body : object
        The body of the answer, decoded where it was JSON.
    """

    def __init__(self, status: int, message: str, body: Any = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body

    @staticmethod
    def from_response(status: int, body: Any) -> "ServerError":
        """The error that fits an answer's status, with the server's own words."""
        kind = _BY_STATUS.get(status, ServerError)
        return kind(status, _message(status, body), body)


class BadRequest(ServerError):
    """400: the request itself is at fault."""


class Unauthorized(ServerError, AuthenticationException):
    """401: not logged in, or no longer."""


class Forbidden(ServerError):
    """403: logged in, but not allowed."""


class NotFound(ServerError):
    """404: it is not there, or not for you to see."""


class Conflict(ServerError):
    """409: something else was first."""


class TooManyRequests(ServerError):
    """429: too many attempts; wait."""


class ServiceUnavailable(ServerError):
    """502, 503, 504: who would have answered cannot be reached now."""


_BY_STATUS: Mapping[int, type[ServerError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    429: TooManyRequests,
    502: ServiceUnavailable,
    503: ServiceUnavailable,
    504: ServiceUnavailable,
}


def _message(status: int, body: Any) -> str:
    text = body.get("msg") or body.get("message") if isinstance(body, dict) else None
    if not text and 300 <= status < 400:
        return (
            f"The server refers to another address (status {status}), which is not followed; "
            "name that one if you trust it"
        )
    if not text:
        return f"The server answered with status {status}"
    fields = body.get("errors")
    return f"{text} ({fields})" if fields else str(text)
