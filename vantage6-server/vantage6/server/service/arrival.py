"""The arrival of an upload: from the body of a request into the store.

All of this is outside of transactions, but for the moments in which the row is told how far it
has come. So neither a slow sender nor a slow disk keeps others from the database.
"""

import hashlib
from collections.abc import Callable, Iterator
from itertools import cycle
from typing import TYPE_CHECKING

from sqlalchemy.orm import Session

from vantage6.common.summed import BLOCK, SUM_BYTES
from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Upload
from vantage6.server.service import blob as blobs
from vantage6.server.service import upload as uploads
from vantage6.server.service.upload import Standing
from vantage6.server.store.interface import Progress, StoreError
from vantage6.server.store.payloads import Hashed, Payloads

if TYPE_CHECKING:
    from hashlib import _Hash

#: Fills memory with what comes; less at the end of a body, or when the sender is cut off.
Fill = Callable[[memoryview], int]


class Body:
    """What a request brings.

    Parameters
    ----------
    fill : callable
    length : int
    has_sums : bool
        Whether there are sums in it, as `vantage6.common.summed` makes them.

    Attributes
    ----------
    length : int
        Bytes that were announced, without sums.
    sum_bytes : int
        Those of each sum, if there are any.
    """

    def __init__(self, fill: Fill, length: int, has_sums: bool) -> None:
        self._fill, self.length = fill, length
        self.sum_bytes = SUM_BYTES if has_sums else 0

    def parts(self) -> Iterator[memoryview]:
        """What comes, each block with the sum that was sent after it.

        Each is there until the second one after it is asked for. Of a block that is cut off there
        is nothing if it should have had a sum.
        """
        left, size = self.length, min(BLOCK, self.length) + self.sum_bytes
        # One is filled while the other is written; new memory costs time.
        buffers = cycle([memoryview(bytearray(size)) for _ in range(2)])
        while left:
            length = min(BLOCK, left)
            part = next(buffers)[: length + self.sum_bytes]
            count = self._fill(part)
            if count < len(part):
                if count and not self.sum_bytes:
                    yield part[:count]
                return
            left -= length
            yield part


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
    body : Body
    """

    def __init__(
        self, database: Database, payloads: Payloads, standing: Standing, writer: str, body: Body
    ) -> None:
        self._database, self._payloads = database, payloads
        self._standing, self._writer, self._body = standing, writer, body
        self._position, self._state = standing.received, standing.state
        self._whole = payloads.take_hash(standing.name, standing.received, standing.last_writer)
        # From the beginning on they are the same, and worked out once.
        self._brought = (None if standing.received else self._whole) or hashlib.sha256()
        sums = (self._whole, self._brought if body.sum_bytes else None)
        self._sums = {summed for summed in sums if summed is not None}
        self._seen = standing.received
        self._fault: BadRequest | None = None

    def take(self) -> None:
        """Take all that comes, and let it count.

        Raises
        ------
        BadRequest
            When something is not what it was said to be; what came before it is kept.
        Conflict, Superseded
            When another request goes on with the upload.
        StoreError
            What came before it is kept.
        """
        if self._body.length:
            self._note(self._append())
        if self._fault:
            raise self._fault
        # A store may have put off some of it, to be sent again.
        if self._whole and self._standing.size != self._position == self._seen:
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
        """Hand on all that comes."""
        name, store = self._standing.name, self._payloads.store
        parts, position = self._parts(), self._position
        try:
            return store.append(
                name, self._state, position, parts, self._writer, self._note, self._look_at
            )
        except StoreError as error:
            if error.progress:
                self._note(error.progress)
            raise

    def _parts(self) -> Iterator[memoryview]:
        """What comes, as long as nothing is wrong with it."""
        for part in self._body.parts():
            if self._fault:
                return
            yield part

    def _look_at(self, part: memoryview) -> memoryview:
        """The bytes that count of what came: none once something is wrong."""
        length = len(part) - self._body.sum_bytes
        block, sent_sum = part[:length], part[length:]
        self._fault = self._fault or self._fault_of(block, sent_sum)
        if self._fault:
            return part[:0]
        self._seen += len(block)
        return block

    def _fault_of(self, block: memoryview, sent_sum: memoryview) -> BadRequest | None:
        if self._standing.form == blobs.TEXT and not blobs.is_text(block):
            return BadRequest("The upload has bytes that are neither base64 nor `$`")
        for summed in self._sums:
            summed.update(block)
        if sent_sum and self._brought.digest() != sent_sum:
            start = self._seen
            return BadRequest(f"The {len(block)} bytes from {start} on do not fit their sum")
        return None

    def _note(self, progress: Progress) -> None:
        self._database.run(
            lambda session: uploads.note(session, self._standing.id, self._writer, progress)
        )
        self._position, self._state = progress.received, progress.state

    def _sum_of_all(self) -> "_Hash":
        """The sum of an upload of which other processes have seen parts."""
        summed = hashlib.sha256()
        for piece in self._payloads.store.read(self._standing.name, 0, self._standing.size):
            self._payloads.aside(summed.update, piece)
        return summed
