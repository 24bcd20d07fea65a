"""Uploads: large payloads that come in pieces, each going on where the one before ended.

Whoever begins an upload goes on with it, and uses it, in one collaboration; for all others it is
not there. The row says what was received. A request that writes puts its name there first, and
what it brought counts as long as no other request did so after it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import Session, joinedload

from vantage6.server.database import Database
from vantage6.server.exceptions import (
    BadRequest,
    Conflict,
    Forbidden,
    NotFound,
    TooLarge,
    TooManyRequests,
)
from vantage6.server.model import Blob, Collaboration, Member, Task, Upload
from vantage6.server.model.base import now
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import Kind, Operation, Scope
from vantage6.server.permission.identity import Identity
from vantage6.server.service import blob as blobs
from vantage6.server.service import upload_limit
from vantage6.server.service.blob import Content
from vantage6.server.store.interface import Progress, Store

# One task may need an input for each of very many organizations.
MOST_OPEN = 1000
# Of uploads that nobody goes on with.
LIFE = timedelta(days=1)
_BATCH = 100


@dataclass(frozen=True)
class Standing:
    """Where an upload stands, for work outside of transactions.

    Attributes
    ----------
    id : int
    name : str
        What the store knows it by.
    form : str
    size, received : int
    state : str
        What the store needs to go on.
    last_writer : str, optional
        The request that brought what was received.
    is_complete : bool
        Whether nothing is left to be done.
    """

    id: int
    name: str
    form: str
    size: int
    received: int
    state: str
    last_writer: str | None
    is_complete: bool

    @classmethod
    def of(cls, upload: Upload) -> "Standing":
        """Where a row says that it stands."""
        return cls(
            upload.id,
            upload.name,
            upload.form,
            upload.size,
            upload.received,
            upload.state or "",
            upload.writer,
            upload.blob_id is not None,
        )


def check_may_begin(
    session: Session, identity: Identity, collaboration_id: int, form: str, size: int, largest: int
) -> None:
    """Refuse an upload that its caller could not use.

    Raises
    ------
    Forbidden, NotFound
        When the collaboration is not one in which the caller may create tasks or has runs.
    BadRequest, TooLarge, TooManyRequests
    """
    collaboration = _collaboration(session, identity, collaboration_id)
    if form == blobs.BINARY and not collaboration.encrypted:
        raise BadRequest(f"Collaboration {collaboration.name!r} takes no encrypted payloads")
    if size > largest:
        raise TooLarge(f"A payload may have {largest} bytes at most")
    # What its containers have is not held against a node: they would keep its results back.
    count = select(func.count()).select_from(Upload).where(_is_of(identity))
    if (session.scalar(count) or 0) >= MOST_OPEN:
        # Not for ever: a node that hears it keeps its result, and tries again.
        raise TooManyRequests(
            f"You have {MOST_OPEN} uploads already; use or delete some of them",
            headers={"Retry-After": "60"},
        )


def _collaboration(session: Session, identity: Identity, id_: int) -> Collaboration:
    found = session.get(Collaboration, id_)
    if identity.kind is not Kind.USER:
        if found is None or id_ != identity.collaboration_id:
            raise Forbidden("A node uploads in its own collaboration only")
        return found
    check.require(identity, Operation.CREATE, Task)
    if found is None and Scope.GLOBAL in identity.scopes("task", Operation.CREATE):
        raise NotFound(f"There is no collaboration {id_}")
    member = select(Member.c.organization_id).where(
        Member.c.collaboration_id == id_, Member.c.organization_id == identity.organization_id
    )
    if found is None or session.scalar(member) is None:
        raise Forbidden("Your organization is not in this collaboration")
    return found


def begin(
    session: Session,
    identity: Identity,
    order: Mapping[str, Any],
    name: str,
    state: str,
    unused_limit: int,
) -> Upload:
    """Add the row of an upload, of which the store has begun an object.

    Raises
    ------
    TooManyRequests
        When the organization has too much already that nothing uses.
    """
    upload_limit.check_room(session, identity, order["size"], unused_limit)
    upload = Upload(
        **order,
        identity_id=identity.id,
        result_id=identity.run.result_id if identity.run else None,
        name=name,
        state=state,
        received=0,
        touched_at=now(),
    )
    session.add(upload)
    session.flush()
    return upload


def load(session: Session, identity: Identity, id_: int, *, lock: bool = False) -> Upload:
    """An upload of the caller.

    Raises
    ------
    Forbidden
        When it is somebody else's, or not there: nobody learns which.
    """
    query = select(Upload).where(Upload.id == id_, _is_of(identity))
    query = query.options(joinedload(Upload.blob))
    found = session.scalar(query.with_for_update(of=Upload) if lock else query)
    if found is None:
        raise _not_yours()
    return found


def start_body(
    session: Session, identity: Identity, id_: int, offset: int, length: int, writer: str
) -> Standing:
    """Let a request go on with an upload, in the place of all that were there before it.

    Raises
    ------
    Conflict
        When the upload stands elsewhere; with the place.
    BadRequest
        When there would be more than was announced.
    """
    upload = load(session, identity, id_, lock=True)
    if offset != upload.received:
        raise _stands_elsewhere(upload.received)
    if offset + length > upload.size:
        raise BadRequest(f"Only {upload.size - offset} bytes of this upload are missing")
    standing = Standing.of(upload)
    if length:
        upload.writer = writer
    upload.touched_at = now()
    return standing


def note(session: Session, id_: int, writer: str, progress: Progress) -> None:
    """Let count what a request has brought so far.

    Raises
    ------
    Conflict
        When another request goes on with the upload by now.
    """
    upload = session.scalar(
        select(Upload).where(Upload.id == id_, Upload.writer == writer).with_for_update()
    )
    if upload is None:
        raise Conflict("Another request goes on with this upload")
    upload.received, upload.state = progress.received, progress.state
    upload.touched_at = now()


def complete(session: Session, id_: int, content: Content) -> Upload:
    """Let an upload be whole, of which the store has finished the object."""
    upload = session.scalar(select(Upload).where(Upload.id == id_).with_for_update())
    if upload is None:
        raise _not_yours()
    if upload.blob_id is None:
        upload.blob = blobs.keep(session, content, upload.name)
        upload.touched_at = now()
        session.flush()
    return upload


def delete_one(session: Session, identity: Identity, id_: int) -> Standing | None:
    """Give an upload up; where it stood, if what the store has of it is no blob."""
    upload = load(session, identity, id_, lock=True)
    session.delete(upload)
    return Standing.of(upload) if upload.blob_id is None else None


def use(
    session: Session, identity: Identity, ids: Collection[int], collaboration_id: int
) -> dict[int, Blob]:
    """What was uploaded, by the ids of the uploads, which are gone with that.

    Raises
    ------
    BadRequest
        When something of an upload is missing, or it was for another collaboration.
    Forbidden
        When it is not the caller's.
    """
    found: dict[int, Blob] = {}
    if not ids:
        return found
    query = (
        select(Upload)
        .options(joinedload(Upload.blob))
        .where(Upload.id.in_(ids), _is_of(identity))
        .order_by(Upload.id)
        .with_for_update(of=Upload)
    )
    for upload in session.scalars(query):
        if upload.collaboration_id != collaboration_id:
            raise BadRequest(f"Upload {upload.id} was made for another collaboration")
        if upload.blob is None:
            raise BadRequest(
                f"Upload {upload.id} is not complete: {upload.received} of {upload.size} bytes "
                "are there"
            )
        found[upload.id] = upload.blob
    if set(ids) - found.keys():
        raise _not_yours()
    session.execute(delete(Upload).where(Upload.id.in_(found)))
    return found


def expire(database: Database, store: Store) -> int:
    """Forget uploads that nobody has gone on with for a day; how many there were.

    A duty of the housekeeping.
    """
    old = Upload.touched_at < now() - LIFE
    expired = 0
    while True:
        with database.transaction() as session:
            query = select(Upload).where(old).limit(_BATCH).with_for_update(skip_locked=True)
            uploads = session.scalars(query).all()
            for upload in uploads:
                session.delete(upload)
        for upload in uploads:
            if upload.blob_id is None:
                blobs.discard(store, upload.name, upload.state)
        expired += len(uploads)
        if len(uploads) < _BATCH:
            return expired


def _is_of(identity: Identity) -> ColumnElement[bool]:
    """Whether an upload is the caller's; those of a container are of its run alone."""
    # No run at all is compared as well.
    run_id = identity.run.result_id if identity.run else None
    return and_(Upload.identity_id == identity.id, Upload.result_id.is_not_distinct_from(run_id))


def _stands_elsewhere(received: int) -> Conflict:
    return Conflict(
        f"The upload stands at {received} bytes",
        headers={"Upload-Offset": str(received)},
        facts={"received": received},
    )


def _not_yours() -> Forbidden:
    return Forbidden("This upload is not one of yours")
