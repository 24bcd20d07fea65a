"""The arrival of a piece of an upload: from the body of a request into the store.

All of this is outside of transactions, but for the moments in which the row is told how far it
has come. So neither a slow sender nor a slow disk keeps others from the database.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from vantage6.server.aside import Pending
from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Upload
from vantage6.server.service import blob as blobs
from vantage6.server.service import upload as uploads
from vantage6.server.service.upload import Standing
from vantage6.server.store.interface import PIECE, Progress, StoreError
from vantage6.server.store.payloads import Hashed, Payloads

if TYPE_CHECKING:
    from hashlib import _Hash

# How much may be lost when this process is killed, which is also how often a disk has to wait.
STEP_BYTES = 64 * PIECE
# From a slow sender less, but never what a store would have to put off.
SMALL_STEP_BYTES = 16 * PIECE
STEP_SECONDS = 5.0

Read = Callable[[int], bytes]


class Arrival:
    """One request that goes on with an upload.

    Parameters
    ----------
    database : Database
    payloads : Payloads
    standing : Standing
        Where the upload stood when the request began.
    writer : str
        The name of the request, which is in the row already.
    read : callable
        Gives up to so many bytes of the body; none at its end, or when the sender is cut off.
    length : int
        Bytes that were announced.
    digest : bytes, optional
        SHA-256 of them: if it is another one, nothing of them is kept.
    """

    def __init__(
        self,
        database: Database,
        payloads: Payloads,
        standing: Standing,
        writer: str,
        read: Read,
        length: int,
        digest: bytes | None,
    ) -> None:
        self._database, self._payloads = database, payloads
        self._standing, self._writer = standing, writer
        self._read, self._left, self._digest = read, length, digest
        self._position, self._state = standing.received, standing.state
        self._whole = payloads.take_hash(standing.name, standing.received, standing.last_writer)
        self._piece: _Hash | None = hashlib.sha256() if digest else None
        self._passed_on = 0
        self._is_cut = False

    def take(self) -> None:
        """Take all that comes, and let it count.

        Raises
        ------
        BadRequest
            When it is not what it was said to be.
        Conflict, Superseded
            When another request goes on with the upload.
        StoreError
            What came before it is kept.
        """
        while self._left and not self._is_cut:
            progress = self._append()
            if self._piece and not hmac.compare_digest(self._piece.digest(), self._digest or b""):
                raise BadRequest("The piece is not the one that `Content-Digest` announces")
            self._note(progress)
        if self._whole is not None and self._position != self._standing.size:
            hashed = Hashed(self._position, self._writer, self._whole)
            self._payloads.keep_hash(self._standing.name, hashed)

    def finish(self) -> None:
        """Make the upload whole if all of it is there."""
        standing, store = self._standing, self._payloads.store
        if self._position != standing.size:
            return
        store.finish(standing.name, self._state, standing.size)
        digest = (self._whole or self._sum_of_all()).hexdigest()
        content = blobs.content_of(store, standing.name, standing.size, digest, standing.form)

        def complete(session: Session) -> str | None:
            upload: Upload = uploads.complete(session, standing.id, content)
            return upload.blob.name if upload.blob else None

        if self._database.run(complete) != standing.name:
            # The same content was there before.
            blobs.discard(store, standing.name, self._state)

    def _append(self) -> Progress:
        """Hand on as much as goes into one step."""
        name, store = self._standing.name, self._payloads.store
        pieces = self._pieces(time.monotonic() + STEP_SECONDS)
        try:
            return store.append(name, self._state, self._position, pieces, self._writer)
        except StoreError as error:
            if error.progress and not self._piece:
                self._note(error.progress)
            raise

    def _pieces(self, until: float) -> Iterator[bytes]:
        taken = 0
        looking: Pending[None] | None = None
        while self._left and not self._is_enough(taken, until):
            piece = self._read(min(PIECE, self._left))
            if looking:
                looking.get()
            if not piece:
                self._is_cut = True
                return
            self._left -= len(piece)
            taken += len(piece)
            # It goes on while the store writes the piece, and while the next one comes in.
            looking = self._payloads.aside.start(self._look_at, piece)
            yield piece
        if looking:
            looking.get()

    def _is_enough(self, taken: int, until: float) -> bool:
        """Whether a step may end here."""
        if self._piece:
            # All must be there, to be compared, before any of it counts.
            return False
        is_late = time.monotonic() >= until and taken % SMALL_STEP_BYTES == 0
        return taken > 0 and (taken >= STEP_BYTES or is_late)

    def _look_at(self, piece: bytes) -> None:
        if self._standing.form == blobs.TEXT and not blobs.is_text(piece):
            raise BadRequest("The upload has bytes that are neither base64 nor `$`")
        for summed in (self._whole, self._piece):
            if summed is not None:
                summed.update(piece)
        self._passed_on += len(piece)

    def _note(self, progress: Progress) -> None:
        self._database.run(
            lambda session: uploads.note(session, self._standing.id, self._writer, progress)
        )
        if progress.received != self._standing.received + self._passed_on:
            # The store has put off some of what was summed up, to be sent again.
            self._whole, self._is_cut = None, True
        self._position, self._state = progress.received, progress.state

    def _sum_of_all(self) -> "_Hash":
        """The sum of an upload of which other processes have seen parts."""
        summed = hashlib.sha256()
        for piece in self._payloads.store.read(self._standing.name, 0, self._standing.size):
            self._payloads.aside(summed.update, piece)
        return summed
