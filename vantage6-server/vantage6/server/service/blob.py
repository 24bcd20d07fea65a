"""Blobs: the rows of large payloads in the store; what they hold, and when they go.

A blob is there as long as a result or an upload refers to it. The row goes first and the object
after it, so that no row ever stands for nothing; an object that was left behind is found later.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from sqlalchemy import ColumnElement, and_, delete, exists, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vantage6.common.envelope.classic import has_head_of_envelope
from vantage6.common.envelope.text import EDGE, has_edges_of_envelope
from vantage6.common.envelope.transcoding import BinaryParts, to_text
from vantage6.common.exceptions import EncryptionError
from vantage6.common.long_text import LongText
from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Blob, Result, Upload
from vantage6.server.model.base import now
from vantage6.server.store.interface import Piece, Store, StoreError

log = logging.getLogger(__name__)

TEXT, BINARY = "text", "binary"
FORMS = (TEXT, BINARY)
# All that texts of payloads consist of: base64, and what joins the parts of an envelope.
LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=$"

# Bytes that are looked at together: few enough to stay near the processor.
_BLOCK = 2**16
# Rows that go in one transaction, and names that are looked up together.
_BATCH = 100
# Objects may be there this long without a row: that of an upload comes a moment later.
_ORPHAN_AGE = timedelta(days=1)


@dataclass(frozen=True)
class Content:
    """What is to be known of the content of a blob.

    Attributes
    ----------
    size : int
    digest : str
        SHA-256, in hexadecimal digits.
    form : str
    text_size : int
        Letters of its text form.
    encrypted : bool
    """

    size: int
    digest: str
    form: str
    text_size: int
    encrypted: bool


def content_of(store: Store, name: str, size: int, digest: str, form: str) -> Content:
    """What an object holds, of which all bytes are there.

    Raises
    ------
    BadRequest
        When it is not of the form that it was said to be of.
    """

    def read(start: int, length: int) -> bytes:
        return b"".join(store.read(name, start, length))

    if form == BINARY:
        try:
            text_size = BinaryParts.find(size, read).text_size
        except EncryptionError as error:
            raise BadRequest("The upload is not an envelope in its binary form") from error
        return Content(size, digest, form, text_size, True)
    length = min(size, EDGE)
    edges = (read(at, length).decode("ascii") for at in (0, size - length))
    return Content(size, digest, form, size, _are_edges_of_envelope(*edges))


def is_text(piece: Piece) -> bool:
    """Whether these may be bytes of a payload in its text form."""
    parts = (piece[start : start + _BLOCK] for start in range(0, len(piece), _BLOCK))
    return not any(bytes(part).translate(None, LETTERS) for part in parts)


def _are_edges_of_envelope(head: str, tail: str) -> bool:
    return has_head_of_envelope(head) or has_edges_of_envelope(head, tail)


def keep(session: Session, content: Content, name: str) -> Blob:
    """The blob with this content: a new one with an object, or the one that is there already.

    Nobody deletes it before the transaction ends. Where it has another name, the object is not
    needed.
    """
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    statement = (postgresql.insert if is_postgresql else sqlite.insert)(Blob).values(
        digest=content.digest,
        size=content.size,
        form=content.form,
        text_size=content.text_size,
        encrypted=content.encrypted,
        name=name,
        stored_at=now(),
    )
    # A change that changes nothing holds the row.
    statement = statement.on_conflict_do_update(
        index_elements=[Blob.digest], set_={"digest": content.digest}
    )
    id_ = session.scalar(statement.returning(Blob.id))
    return session.get_one(Blob, id_)


class StoredText(LongText):
    """The text form of a blob, read from the store while it is sent.

    Parameters
    ----------
    store : Store
    blob : Blob
    """

    def __init__(self, store: Store, blob: Blob) -> None:
        self._store = store
        self._name, self._size, self._form = blob.name, blob.size, blob.form
        self._length = blob.text_size

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        def read(start: int, length: int) -> Iterator[bytes]:
            return self._store.read(self._name, start, length)

        if self._form == TEXT:
            yield from read(0, self._size)
            return
        parts = BinaryParts.find(self._size, lambda *part: b"".join(read(*part)))
        yield from to_text(parts, read)


def delete_unused(database: Database, store: Store) -> int:
    """Delete all blobs to which nothing refers any more; how many there were.

    A duty of the housekeeping. What somebody is about to refer to is locked, and left alone.
    """
    deleted = 0
    while True:
        with database.transaction() as session:
            query = select(Blob.id, Blob.name).where(_is_unused()).limit(_BATCH)
            rows = session.execute(query.with_for_update(skip_locked=True)).all()
            ids = [row.id for row in rows]
            # Looked at once more: it may have come into use before the row was locked.
            gone = delete(Blob).where(Blob.id.in_(ids), _is_unused()).returning(Blob.name)
            names = session.scalars(gone).all() if ids else []
        for name in names:
            discard(store, name)
        deleted += len(names)
        if len(names) < _BATCH:
            return deleted


def delete_orphans(database: Database, store: Store) -> int:
    """Delete objects of the store that no row has known for a day; how many there were.

    A duty of the housekeeping.
    """
    deleted = 0
    oldest = now() - _ORPHAN_AGE
    old = (found.name for found in store.names() if found.touched_at < oldest)
    while names := set(islice(old, _BATCH)):
        with database.reading() as session:
            for column in (Blob.name, Upload.name):
                names -= set(session.scalars(select(column).where(column.in_(names))))
        for name in names:
            discard(store, name)
        deleted += len(names)
    return deleted


def _is_unused() -> ColumnElement[bool]:
    return and_(
        ~exists().where(Result.input_blob_id == Blob.id),
        ~exists().where(Result.result_blob_id == Blob.id),
        ~exists().where(Upload.blob_id == Blob.id),
    )


def discard(store: Store, name: str, state: str | None = None) -> None:
    """Delete an object that nobody needs; where that fails it is found as an orphan later."""
    try:
        store.delete(name, state)
    except StoreError as error:
        log.warning("The payload %s could not be deleted: %s", name, error)
