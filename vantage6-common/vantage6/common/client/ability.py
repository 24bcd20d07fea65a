"""What a server says of large payloads, asked now and then."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from vantage6.common.exceptions import ServerError, ServiceUnavailable

# Seconds for which an answer counts: servers are replaced by newer ones.
_FRESH = 300.0


class Uploads(NamedTuple):
    """What a server says of large payloads.

    Attributes
    ----------
    start : int
        Bytes above which it wants a payload uploaded.
    """

    start: int

    @classmethod
    def of(cls, version: Any) -> "Uploads | None":
        """From the answer to `GET /version`; None where there are no uploads."""
        told = version.get("uploads") if isinstance(version, Mapping) else None
        if not isinstance(told, Mapping):
            return None
        start = told.get("from")
        return cls(start) if type(start) is int else None


class Ability:
    """What a server says, remembered for some minutes.

    Parameters
    ----------
    ask : callable
        Gives the answer to `GET /version`.
    """

    def __init__(self, ask: Callable[[], Any]) -> None:
        self._ask, self._until = ask, 0.0
        self._uploads: Uploads | None = None

    def uploads(self) -> Uploads | None:
        """What it says of uploads; None where it has none.

        Raises
        ------
        ServerUnreachable, ServiceUnavailable
            When it cannot be asked now.
        """
        if time.monotonic() >= self._until:
            try:
                self._uploads = Uploads.of(self._ask())
            except ServiceUnavailable:
                raise
            except ServerError:
                self._uploads = None
            self._until = time.monotonic() + _FRESH
        return self._uploads
