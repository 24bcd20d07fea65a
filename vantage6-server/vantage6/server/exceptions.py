"""The refusals of the server: named errors that the one error handler turns into answers."""

from collections.abc import Mapping
from typing import Any

from vantage6.common.exceptions import Vantage6Error


class Refusal(Vantage6Error):
    """The server does not do what it was asked to.

    Attributes
    ----------
    status : int
        The HTTP status of the answer.
    errors : mapping, optional
        The fields at fault, each with what is wrong.
    headers : mapping
        What the answer carries besides its body.
    facts : mapping
        What the body holds besides the message.
    """

    status: int

    def __init__(
        self,
        message: str,
        errors: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        facts: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.errors = errors
        self.headers = headers or {}
        self.facts = facts or {}


class BadRequest(Refusal):
    """400: the request itself is at fault."""

    status = 400


class Unauthorized(Refusal):
    """401: not logged in, or no longer."""

    status = 401


class Forbidden(Refusal):
    """403: logged in, but not allowed."""

    status = 403


class NotFound(Refusal):
    """404: the caller could see it, but it is not there."""

    status = 404


class Conflict(Refusal):
    """409: somebody else was first."""

    status = 409


class TooLarge(Refusal):
    """413: more than the server takes."""

    status = 413


class NoSuchRange(Refusal):
    """416: what is asked for is not within what there is."""

    status = 416


class NotAvailable(Refusal):
    """501: this server does not have it."""

    status = 501


class TooManyRequests(Refusal):
    """429: too many wrong attempts; wait."""

    status = 429
