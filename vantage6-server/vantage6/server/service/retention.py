"""Retention: inputs, results and logs that are kept no longer; of a run the rest stays.

A collaboration may say for how many days they are kept after the end of a run. They are looked
for in the order in which runs ended, by the clock of the server, and each collaboration
remembers how far it has come: nothing is looked at twice, however much there is. Whoever may
delete a task may have them deleted at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, cast, func, or_, select, update
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.exceptions import Conflict
from vantage6.server.model import Blob, Collaboration, Result, Task
from vantage6.server.model.base import now
from vantage6.server.service import audit
from vantage6.server.service.task import with_subtasks

# Runs that one transaction looks at, and transactions of one round for one collaboration.
BATCH, ROUNDS = 200, 25

_SERVER = {"kind": "server"}
_TEXTS = (Result.input, Result.result, Result.log)
_BLOBS = (Result.input_blob_id, Result.result_blob_id)


@dataclass(frozen=True)
class Purged:
    """What was deleted.

    Attributes
    ----------
    runs : int
        Those of which something was.
    size : int
        Bytes; what several runs share in the payload store counts once.
    """

    runs: int
    size: int


def purge_some(database: Database, *, at: datetime | None = None) -> int:
    """Delete what is kept no longer, as much of it as one round may; how many runs it was of."""
    at = at or now()
    with database.reading() as session:
        limited = select(Collaboration.id).where(Collaboration.retention_days.is_not(None))
        ids = session.scalars(limited.order_by(Collaboration.id)).all()
        due = [id_ for id_ in ids if _has_due(session, id_, at)]
    return sum(_purge_collaboration(database, id_, at) for id_ in due)


def purge_task(session: Session, task: Task) -> Purged:
    """Delete inputs, results and logs of a task and its subtasks.

    Raises
    ------
    Conflict
        When one of their runs has not ended: it needs its input, and would bring a result.
    """
    query = select(Task).where(Task.run_id == task.run_id).order_by(Task.id)
    tasks = with_subtasks(task, session.scalars(query))
    of_them = select(Result).where(Result.task_id.in_(tasks))
    # In the order in which everybody locks them.
    runs = session.execute(
        of_them.with_only_columns(Result.id, Result.finished_at, Result.purged_at)
        .order_by(Result.id)
        .with_for_update()
    ).all()
    still_open = [run.id for run in runs if run.finished_at is None]
    if still_open:
        raise Conflict(
            f"{len(still_open)} run(s) of task {task.id} and its subtasks have not ended; "
            "wait for them or kill the task"
        )
    purged = _purge(session, [run.id for run in runs if run.purged_at is None])
    _tell(session, "task.purge", purged, task_id=task.id, collaboration_id=task.collaboration_id)
    return purged


def _has_due(session: Session, collaboration_id: int, at: datetime) -> bool:
    collaboration = session.get(Collaboration, collaboration_id)
    # It may have been deleted, or changed its mind.
    if collaboration is None or collaboration.retention_days is None:
        return False
    since, cutoff = _since(collaboration, at), _cutoff(collaboration, at)
    is_behind = since != collaboration.purged_till
    return is_behind or session.scalar(_next(since, cutoff)) is not None


def _purge_collaboration(database: Database, id_: int, at: datetime) -> int:
    runs = 0
    for _ in range(ROUNDS):
        purged: Purged | None = database.run(lambda session: _purge_batch(session, id_, at))
        if purged is None:
            break
        runs += purged.runs
    return runs


def _purge_batch(session: Session, id_: int, at: datetime) -> Purged | None:
    """Delete what is due among the next runs; None when there are no more, or another works."""
    collaboration = session.scalar(
        select(Collaboration)
        .where(Collaboration.id == id_, Collaboration.retention_days.is_not(None))
        .with_for_update(skip_locked=True, key_share=True)
    )
    if collaboration is None:
        return None
    since, cutoff = _since(collaboration, at), _cutoff(collaboration, at)
    collaboration.purged_till = since
    ends = session.scalars(_next(since, cutoff).limit(BATCH)).all()
    if not ends:
        return None
    due = (
        select(Result.id)
        .join(Result.task)
        .where(Task.collaboration_id == id_, Result.ended_at <= ends[-1], *_after(since))
        .where(Result.purged_at.is_(None))
        .order_by(Result.id)
        .with_for_update(of=Result)
    )
    purged = _purge(session, session.scalars(due).all())
    collaboration.purged_till = ends[-1]
    if purged.runs:
        about = {"collaboration_id": id_, "name": collaboration.name}
        by = {"actor": _SERVER, "days": collaboration.retention_days}
        _tell(session, "collaboration.purge", purged, **by, **about)
    return purged


def _next(since: datetime | None, cutoff: datetime) -> Select[Any]:
    """When the next runs ended, of whatever collaboration, of which something is kept."""
    kept = (Result.ended_at.is_not(None), Result.purged_at.is_(None), Result.ended_at <= cutoff)
    return select(Result.ended_at).where(*kept, *_after(since)).order_by(Result.ended_at).limit(1)


def _after(since: datetime | None) -> Sequence[ColumnElement[bool]]:
    return () if since is None else (Result.ended_at > since,)


def _cutoff(collaboration: Collaboration, at: datetime) -> datetime:
    assert collaboration.retention_days is not None
    return at - timedelta(days=collaboration.retention_days)


def _since(collaboration: Collaboration, at: datetime) -> datetime | None:
    """How far a collaboration has come.

    Never further than it may: who keeps things for longer now, or went by a clock that was
    ahead, comes by them again.
    """
    if collaboration.purged_till is None:
        return None
    return min(collaboration.purged_till, _cutoff(collaboration, at))


def _purge(session: Session, ids: Sequence[int]) -> Purged:
    """Empty some runs, which are locked; the payload store forgets what nobody needs any more."""
    if not ids:
        return Purged(0, 0)
    size = _size(session, ids)
    emptied: dict[Any, Any] = dict.fromkeys((*_TEXTS, *_BLOBS))
    session.execute(
        update(Result)
        .where(Result.id.in_(ids))
        .values({**emptied, Result.purged_at: now()})
        .execution_options(synchronize_session=False)
    )
    session.expire_all()
    return Purged(len(ids), size)


def _size(session: Session, ids: Sequence[int]) -> int:
    is_postgresql = session.get_bind().dialect.name == "postgresql"
    its = Result.id.in_(ids)
    sums = [func.coalesce(func.sum(_octets(column, is_postgresql)), 0) for column in _TEXTS]
    inline = sum(session.execute(select(*sums).where(its)).one())
    named = select(Result.id).where(
        its, or_(Result.input_blob_id == Blob.id, Result.result_blob_id == Blob.id)
    )
    stored = session.scalar(select(func.coalesce(func.sum(Blob.size), 0)).where(named.exists()))
    return int(inline) + int(stored or 0)


def _octets(column: Any, is_postgresql: bool) -> ColumnElement[int]:
    """The bytes of a text: SQLite counts those of a blob only."""
    if is_postgresql:
        return func.octet_length(column)
    return func.length(cast(column, LargeBinary))


def _tell(session: Session, action: str, purged: Purged, **facts: Any) -> None:
    sizes: dict[str, Any] = {"runs": purged.runs, "bytes": purged.size}
    audit.record(action, "success", session=session, **sizes, **facts)
