"""Large payloads on their way to the server, in pieces; what was cut off goes on where it was."""

import base64
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import TYPE_CHECKING, Any

from vantage6.common.client.ability import Uploads
from vantage6.common.client.large import RawPiece
from vantage6.common.exceptions import (
    BadRequest,
    Conflict,
    ServerError,
    ServerUnreachable,
    ServiceUnavailable,
)
from vantage6.common.retry import Patience
from vantage6.common.sealed import Sealed

if TYPE_CHECKING:
    from hashlib import _Hash

#: Seconds without any progress after which an upload is given up.
PATIENCE = 60.0

_CONTENT_TYPE = "application/offset+octet-stream"
# Held twice: one piece is made while the other is sent. Each waits for the disk of the server, and
# for its answer, so the more there is to send the larger they are.
_PIECE = 8 * 2**20
_LARGEST_PIECE = 32 * 2**20
_PIECES = 32
# How often the server may say that a piece is not what was sent.
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
    uploads: Uploads,
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
    uploads : Uploads
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
    _Sending(call, upload_id, sealed, _piece_size(sealed.size, uploads.piece), step).run(patience)


class _Sending:
    """One upload under way."""

    def __init__(
        self, call: Call, upload_id: int, sealed: Sealed, piece: int, step: Callable[[int], None]
    ) -> None:
        self._call, self._endpoint = call, f"upload/{upload_id}"
        self._sealed, self._piece, self._step = sealed, piece, step
        self._damaged = 0

    def run(self, patience: float) -> None:
        attempts, reached = Patience(patience, first=0.2, limit=5.0), 0
        while True:
            try:
                begun = Place.of(self._call("get", self._endpoint), self._sealed.size)
                for place in self._from(begun):
                    if place.received > reached:
                        attempts.renew()
                        reached = place.received
                return
            except (ServerUnreachable, ServiceUnavailable, Conflict) as error:
                if not attempts.wait(
                    partial(log.warning, "%s; the upload goes on in %.1f s", error)
                ):
                    raise

    def _from(self, place: Place) -> Iterator[Place]:
        """Send all that follows, and tell how far it is after each piece."""
        with ThreadPoolExecutor(1) as ahead:
            pieces = _Ahead(ahead, self._sealed, place.received, self._piece)
            while not place.complete:
                sent = place
                place = self._send(place.received, *pieces.next())
                yield place
                if not place.complete and place.received <= sent.received:
                    raise ServiceUnavailable(503, "The server does not take more of the payload")
                if place.received != pieces.at:
                    pieces = _Ahead(ahead, self._sealed, place.received, self._piece)

    def _send(self, at: int, data: memoryview, digest: str) -> Place:
        headers = {
            "Content-Type": _CONTENT_TYPE,
            "Upload-Offset": str(at),
            "Content-Digest": digest,
        }
        piece = RawPiece(data, self._step)
        try:
            reply = self._call("patch", self._endpoint, json=piece, headers=headers)
        except BadRequest:
            self._damaged += 1
            if self._damaged >= _MOST_DAMAGED:
                raise
            reply = self._call("get", self._endpoint)
            if Place.of(reply, self._sealed.size).received == at:
                raise ServiceUnavailable(503, "A piece of the payload was damaged") from None
        return Place.of(reply, self._sealed.size)


class _Ahead:
    """Pieces of a payload, each with its digest; the next is made while the last is sent.

    Attributes
    ----------
    at : int
        Where the piece begins that comes next.
    """

    def __init__(self, worker: ThreadPoolExecutor, sealed: Sealed, start: int, size: int) -> None:
        self._worker, self._size, self.at = worker, size, start
        self._source, self._rest = sealed.pieces(start), memoryview(b"")
        # One is sent while the other is filled: memory that is new each time costs time.
        self._buffers = cycle(bytearray(min(size, sealed.size - start)) for _ in range(2))
        self._next = self._make()

    def next(self) -> tuple[memoryview, str]:
        """The piece, which is there until the next one is asked for, and its digest."""
        data, digest = self._next.result()
        self._next = self._make()
        self.at += len(data)
        return data, digest

    def _make(self) -> "Future[tuple[memoryview, str]]":
        return self._worker.submit(self._made, memoryview(next(self._buffers)))

    def _made(self, buffer: memoryview) -> tuple[memoryview, str]:
        count, summed = 0, hashlib.sha256()
        while count < len(buffer):
            if not self._rest:
                part = next(self._source, None)
                if part is None:
                    break
                # It is there until the next one is asked for, and that is after its last byte.
                self._rest = memoryview(part)
            some = self._rest[: len(buffer) - count]
            buffer[count : count + len(some)] = some
            summed.update(some)
            count += len(some)
            self._rest = self._rest[len(some) :]
        return buffer[:count], content_digest(summed)


def content_digest(summed: "_Hash") -> str:
    """The field `Content-Digest` for the bytes of a SHA-256 (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(summed.digest()).decode()}:"


def _piece_size(size: int, most: int) -> int:
    return max(1, min(most, _LARGEST_PIECE, max(_PIECE, -(-size // _PIECES))))
