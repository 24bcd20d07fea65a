"""Uploads: large payloads, sent in pieces beside the JSON."""

import secrets
from base64 import b64decode
from functools import partial
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from vantage6.server.exceptions import BadRequest, TooLarge
from vantage6.server.resource.base import Answer, Resource, body_length
from vantage6.server.resource.contract import contract
from vantage6.server.resource.filter import Value
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.upload import UploadInput, UploadOutput
from vantage6.server.service import blob
from vantage6.server.service import upload as service
from vantage6.server.service.arrival import Arrival
from vantage6.server.store.interface import PIECE
from vantage6.server.store.payloads import new_name

#: What clients are told to send at a time, and what they may send.
USUAL_PIECE = 64 * PIECE
LARGEST_PIECE = 16 * USUAL_PIECE
MEDIA_TYPE = "application/offset+octet-stream"
_START, _END = "sha-256=:", ":"
_SHA256_BYTES = 32


def _offset(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text[:20])


def _digest(text: str) -> bytes:
    digits = text.removeprefix(_START).removesuffix(_END)
    found = b64decode(digits, validate=True)
    if f"{_START}{digits}{_END}" != text or len(found) != _SHA256_BYTES:
        raise ValueError(text)
    return found


OFFSET = Value(
    _offset,
    {"type": "string", "pattern": "^[0-9]{1,20}$"},
    "Where the piece begins: as many bytes as were received.",
    required=True,
)
CONTENT_DIGEST = Value(
    _digest,
    {"type": "string", "pattern": "^sha-256=:[A-Za-z0-9+/]{43}=:$"},
    "SHA-256 of the piece; of another piece nothing is kept.",
)
HEADERS = {"Upload-Offset": OFFSET, "Content-Digest": CONTENT_DIGEST}
REFUSALS = (409, 410, 413, 507)


class Uploads(Resource):
    """All uploads."""

    route = "/upload"
    streams = True

    @contract(takes=UploadInput, gives=UploadOutput, status=201, refusals=(404, 413, 507))
    def post(self) -> Response | Answer:
        """Announce a large payload, of so many bytes."""
        order = self.read()
        with self.database.reading() as session:
            service.check_may_begin(session, self.identity, **order, largest=self.payloads.largest)
        name, store, limit = new_name(), self.payloads.store, self.payloads.unused_limit
        state = store.begin(name, order["size"])

        def begin(session: Session) -> Answer:
            self.session = session
            return self.show(service.begin(session, self.identity, order, name, state, limit))

        try:
            return self.database.run(begin)
        except BaseException:
            blob.discard(store, name, state)
            raise


class OneUpload(Resource):
    """One upload."""

    route = "/upload/<id>"
    streams = True

    @contract(gives=UploadOutput)
    def get(self, id: int) -> Answer:
        """Show where an upload stands."""
        return self.show(service.load(self.session, self.identity, id))

    @contract(takes_bytes=MEDIA_TYPE, gives=UploadOutput, takes_headers=HEADERS, refusals=REFUSALS)
    def patch(self, id: int) -> Answer:
        """Send the next piece of an upload; what arrived before a cut is kept.

        With the last piece, or with an empty one when all is there, the upload becomes complete.
        """
        self._load(id)
        offset, digest, length = self._announced()
        writer = secrets.token_hex(16)
        standing = self.database.run(
            partial(
                service.start_piece,
                identity=self.identity,
                id_=id,
                offset=offset,
                length=length,
                writer=writer,
            )
        )
        if standing.is_complete:
            # To sum all of it up once more is work that anybody could give us for nothing.
            return self._load(id)
        read = self.body_reader()
        arrival = Arrival(self.database, self.payloads, standing, writer, read, length, digest)
        arrival.take()
        arrival.finish()
        return self._load(id)

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Give an upload up."""
        unfinished = self.database.run(partial(service.delete_one, identity=self.identity, id_=id))
        if unfinished:
            blob.discard(self.payloads.store, unfinished.name, unfinished.state)
        return self.say(f"Upload {id} is deleted")

    def _load(self, id: int) -> Answer:
        with self.database.reading() as self.session:
            return self.show(service.load(self.session, self.identity, id))

    def _announced(self) -> tuple[int, bytes | None, int]:
        """What the headers say: where the piece begins, what it sums up to, how long it is."""
        if request.mimetype != MEDIA_TYPE:
            raise BadRequest(f"The Content-Type of a piece must be {MEDIA_TYPE}")
        offset: Any = self.header("Upload-Offset")
        length = body_length()
        if length > LARGEST_PIECE:
            raise TooLarge(f"A piece may have {LARGEST_PIECE} bytes at most")
        return offset, self.header("Content-Digest"), length
