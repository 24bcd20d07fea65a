"""Large payloads on their way to the server; what was cut off goes on where it was."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vantage6.common import summed
from vantage6.common.client.large import SummedBody
from vantage6.common.exceptions import (
    BadRequest,
    Conflict,
    ServerError,
    ServerUnreachable,
    ServiceUnavailable,
)
from vantage6.common.retry import Patience
from vantage6.common.sealed import Sealed

#: Seconds without any progress after which an upload is given up.
PATIENCE = 60.0

_CONTENT_TYPE = "application/offset+octet-stream"
# How often in a row the server may say that what came is not what was sent.
_MOST_DAMAGED = 3

log = logging.getLogger(__name__)


#: How an upload makes its calls: as `Caller.send`.
Call = Callable[..., Any]


@dataclass(frozen=True)
class Place:
    """Where an upload stands at the server."""

    received: int
    complete: bool

    @classmethod
    def of(cls, reply: Any, size: int) -> "Place":
        """From what the server says.

        Raises
        ------
        ServerError
            When that makes no sense.
        """
        received = reply.get("received") if isinstance(reply, Mapping) else None
        if type(received) is not int or not 0 <= received <= size:
            raise ServerError(502, "The server does not say how much of the payload it has")
        return cls(received, bool(reply.get("complete")))


def begin(call: Call, sealed: Sealed, collaboration_id: int) -> int:
    """Announce a payload; returns the id of the upload."""
    body = {"collaboration_id": collaboration_id, "size": sealed.size, "form": sealed.form}
    return int(call("post", "upload", json=body)["id"])


def proceed(
    call: Call,
    upload_id: int,
    sealed: Sealed,
    *,
    patience: float = PATIENCE,
    step: Callable[[int], None] = lambda count: None,
) -> None:
    """Send what the server does not have yet of an upload, until it has all of it.

    Parameters
    ----------
    call : callable
    upload_id : int
    sealed : Sealed
    patience : float
        Seconds without progress after which the error is raised.
    step : callable
        Told how many bytes have been sent.

    Raises
    ------
    NotFound
        When the server does not know the upload any more.
    ServerUnreachable, ServerError
        When it cannot be asked, or refuses.
    EncryptionError, OSError
        When the source of the payload is not what it was.
    """
    _Sending(call, upload_id, sealed, step, patience).run()


class _Sending:
    """One upload under way: all that is missing goes in one request, as often as it is cut off."""

    def __init__(
        self,
        call: Call,
        upload_id: int,
        sealed: Sealed,
        step: Callable[[int], None],
        patience: float,
    ) -> None:
        self._call, self._endpoint = call, f"upload/{upload_id}"
        self._sealed, self._step = sealed, step
        self._attempts = Patience(patience, first=0.2, limit=5.0)
        self._at = self._sent = self._received = self._damaged = 0

    def run(self) -> None:
        while True:
            try:
                place = self._note(self._call("get", self._endpoint))
                while not place.complete:
                    place = self._send(place)
                return
            except (ServerUnreachable, ServiceUnavailable, Conflict) as error:
                if not self._attempts.wait(
                    partial(log.warning, "%s; the upload goes on in %.1f s", error)
                ):
                    raise

    def _send(self, begun: Place) -> Place:
        """Send all that the server does not have."""
        self._at = begun.received
        headers = {
            "Content-Type": _CONTENT_TYPE,
            "Upload-Offset": str(begun.received),
            summed.HEADER: summed.SHA_256,
        }
        pieces = partial(self._sealed.pieces, begun.received)
        body = SummedBody(pieces, self._sealed.size - begun.received, self._note_sent)
        try:
            reply = self._call("patch", self._endpoint, json=body, headers=headers)
        except BadRequest as error:
            self._damaged += 1
            if self._damaged >= _MOST_DAMAGED:
                raise
            raise ServiceUnavailable(503, f"The server refuses what came: {error}") from error
        place = self._note(reply)
        if not place.complete and place.received <= begun.received:
            raise ServiceUnavailable(503, "The server does not take more of the payload")
        return place

    def _note(self, reply: Any) -> Place:
        place = Place.of(reply, self._sealed.size)
        if place.received > self._received:
            self._attempts.renew()
            self._received, self._damaged = place.received, 0
        return place

    def _note_sent(self, count: int) -> None:
        self._step(count)
        self._at += count
        # A request may go on for hours. What leaves for the first time is progress.
        if self._at > self._sent:
            self._attempts.renew()
            self._sent = self._at
