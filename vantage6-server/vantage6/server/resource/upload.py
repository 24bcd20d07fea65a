"""Uploads: large payloads, sent beside the JSON."""

import secrets
import time
from functools import partial
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from vantage6.common import summed
from vantage6.server.exceptions import BadRequest
from vantage6.server.resource.base import Answer, Resource, body_length
from vantage6.server.resource.contract import contract
from vantage6.server.resource.filter import Value
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.upload import UploadInput, UploadOutput
from vantage6.server.service import blob
from vantage6.server.service import upload as service
from vantage6.server.service.arrival import Arrival, Body
from vantage6.server.store.payloads import new_name
from vantage6.server.tracing import note_wait

MEDIA_TYPE = "application/offset+octet-stream"


def _offset(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text[:20])


def _sums(text: str) -> bool:
    if text != summed.SHA_256:
        raise ValueError(text)
    return True


OFFSET = Value(
    _offset,
    {"type": "string", "pattern": "^[0-9]{1,20}$"},
    "Where the body begins: as many bytes as were received.",
    required=True,
)
SUMS = Value(
    _sums,
    {"type": "string", "enum": [summed.SHA_256]},
    "That the body has sums in it: after each MiB, and after the last bytes, the 32 bytes of the "
    "SHA-256 of all that it has brought so far. What does not fit its sum is not kept.",
)
HEADERS = {"Upload-Offset": OFFSET, summed.HEADER: SUMS}
REFUSALS = (409, 410, 507)


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
        """Send what follows of an upload; what arrived before a cut is kept.

        With its last byte, or with an empty body when all is there, the upload becomes complete.
        """
        self._load(id)
        offset, has_sums, length = self._announced()
        writer = secrets.token_hex(16)
        standing = self.database.run(
            partial(
                service.start_body,
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
        body = Body(request.environ["wsgi.input"].readinto, length, has_sums)
        arrival = Arrival(self.database, self.payloads, standing, writer, body)
        begun = time.monotonic()
        arrival.take()
        # How long that takes is up to who sends it, and how much.
        note_wait(time.monotonic() - begun)
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

    def _announced(self) -> tuple[int, bool, int]:
        """Where the body begins, whether it has sums, and how many bytes it has besides."""
        if request.mimetype != MEDIA_TYPE:
            raise BadRequest(f"The Content-Type must be {MEDIA_TYPE}")
        offset: Any = self.header("Upload-Offset")
        has_sums, length = bool(self.header(summed.HEADER)), body_length()
        try:
            return offset, has_sums, summed.plain_length(length) if has_sums else length
        except ValueError as error:
            raise BadRequest("The body is not as long as one with sums in it") from error
