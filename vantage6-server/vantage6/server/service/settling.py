"""Settling: the moment from which a task waits for no more answers, though runs may be open.

A task may say how many of its runs have to be completed (`quorum`), and by when (`deadline`). It
is settled once so many are, or no longer can be, or the deadline has passed, or all have ended.
What ends later is kept, and marked as late. Whoever ends a run of such a task holds the task
meanwhile, so that of two last answers each knows of the other; the clock of the server is the
only one that counts.
"""

from collections.abc import Iterable

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from vantage6.common.task_status import FINAL, TaskStatus
from vantage6.server.database import Database
from vantage6.server.model import Result, Task
from vantage6.server.model.base import now
from vantage6.server.service import event

# Tasks that one transaction settles at their deadlines.
_AT_ONCE = 100

_KEEPING_SUBTASKS_APART = {"key_share": True}


def note_ends(session: Session, results: Iterable[Result]) -> None:
    """Settle the tasks of runs that have just ended, or mark these as late. Flush them before.

    Tasks that wait for all their runs, without a deadline, are not even looked at.
    """
    ended: dict[Task, list[Result]] = {}
    for result in results:
        if result.task.is_limited:
            ended.setdefault(result.task, []).append(result)
    # In the order in which everybody holds tasks, so that nobody waits for who waits for him.
    for task in sorted(ended, key=lambda task: task.id):
        _hold(session, task)
        if task.settled_at is None and task.over_at is not None:
            _settle_at_deadline(session, task)
        if task.settled_at is not None:
            for result in ended[task]:
                result.late = True
        elif _is_decided(session, task):
            task.settled_at = now()
            event.record(session, event.task_settled(task))
    session.flush()


def settle_when_due(session: Session, task_id: int) -> None:
    """Settle a task if its deadline has passed and nobody did so yet."""
    query = _due(Task.id == task_id).with_for_update(**_KEEPING_SUBTASKS_APART)
    for task in session.scalars(query):
        _settle_at_deadline(session, task)


def settle_all_due(database: Database) -> int:
    """Settle all tasks whose deadline has passed, a few at a time; how many there were."""
    settled = 0
    # Looked for without the right to write, which is for one at a time on SQLite.
    while _has_due(database):
        done = database.run(_settle_some)
        settled += done
        # The others are just being settled by somebody else.
        if done < _AT_ONCE:
            break
    return settled


def _has_due(database: Database) -> bool:
    with database.reading() as session:
        return session.scalar(_due().with_only_columns(Task.id).limit(1)) is not None


def _settle_some(session: Session) -> int:
    unheld = _due().limit(_AT_ONCE).with_for_update(skip_locked=True, **_KEEPING_SUBTASKS_APART)
    tasks = session.scalars(unheld).all()
    for task in tasks:
        _settle_at_deadline(session, task)
    return len(tasks)


def _due(*conditions: ColumnElement[bool]):  # type: ignore[no-untyped-def]
    passed = (Task.deadline <= now(), Task.settled_at.is_(None))
    return select(Task).where(*passed, *conditions).order_by(Task.deadline)


def _hold(session: Session, task: Task) -> None:
    """Lock a task, and learn whether it was settled meanwhile; its subtasks are not kept out."""
    session.refresh(task, ["settled_at"], with_for_update=_KEEPING_SUBTASKS_APART)


def _settle_at_deadline(session: Session, task: Task) -> None:
    # Not now: nothing that came after the deadline counted.
    task.settled_at = task.deadline
    session.flush()
    event.record(session, event.task_settled(task))


def _is_decided(session: Session, task: Task) -> bool:
    """Whether the runs that are still open cannot change what becomes of a task."""
    query = select(Result.status).where(Result.task_id == task.id)
    states: list[TaskStatus] = list(session.scalars(query))
    still_open = sum(state not in FINAL for state in states)
    if task.quorum is None or not still_open:
        return not still_open
    missing = task.quorum - states.count(TaskStatus.COMPLETED)
    return missing <= 0 or missing > still_open
