"""Claims: a run is for one process of a node, also where several have the node's API key.

A process claims a run before it starts it, or takes it, claimed, with all that it needs to start;
it keeps its claims by saying from time to time that it is there. One that does so no more loses
them to whoever asks next, but not before. The clock of the server is the only one that counts.
Nodes of the classic line claim nothing.

No answer to who takes runs needs to arrive: whoever asks says what it has, and what it has
claimed besides comes again, be it that an answer was lost on its way or the process on whose
disk it had not arrived yet.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, or_, select, update
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.exceptions import Conflict
from vantage6.server.model import Result, Task, User
from vantage6.server.model.base import now
from vantage6.server.permission.identity import Identity
from vantage6.server.service import event
from vantage6.server.service.own_run import COLUMNS, RUN, TASK, OwnRun

LEASE = timedelta(minutes=10)

_USER: Any = User.__table__


def holder(result: Result | OwnRun) -> str | None:
    """The process that has an open run, and is there."""
    if result.complete or result.claimed_at is None or result.claimed_at + LEASE < now():
        return None
    claim: str | None = result.claim
    return claim


def taken_by(claim: str | None, run: OwnRun) -> dict[str, Any]:
    """What a run, which is locked, has to say of the process that has it from now on.

    Raises
    ------
    Conflict
        When another process has it.
    """
    if claim is None:
        return {}
    if holder(run) not in (None, claim):
        raise Conflict("Another process of this node has this run")
    return {"claim": claim, "claimed_at": now()}


def keep(session: Session, identity: Identity, claim: str, *, take_over: bool) -> int:
    """Keep all open runs of a process for another while; how many there are.

    Parameters
    ----------
    session : Session
    identity : Identity
        The node.
    claim : str
    take_over : bool
        Take the runs of all other processes of this node as well.
    """
    whose = Result.claim.is_not(None) if take_over else Result.claim == claim
    query = (
        select(Result.id)
        .join(Result.task)
        .where(
            Result.finished_at.is_(None),
            Result.organization_id == identity.organization_id,
            Task.collaboration_id == identity.collaboration_id,
            whose,
        )
        # In the order in which a kill locks them, so that neither waits for the other.
        .order_by(Result.id)
        .with_for_update(of=Result)
    )
    kept = session.scalars(query).all()
    if kept:
        values = {"claim": claim, "claimed_at": now()}
        session.execute(update(Result).where(Result.id.in_(kept)).values(values))
    return len(kept)


def take_open(
    session: Session,
    identity: Identity,
    *,
    claim: str,
    limit: int,
    task_id: int | None = None,
    only_subtasks: bool = False,
    held: Sequence[int] | None = None,
) -> Sequence[OwnRun]:
    """Claim open runs of a node that no other process has, oldest first, and say that they begin.

    What another transaction works with is left alone: it is taken, or ended, by then.

    Parameters
    ----------
    session : Session
    identity : Identity
        The node.
    claim : str
        The process that takes them.
    limit : int
        How many it takes at most.
    task_id : int, optional
        Of this task only.
    only_subtasks : bool
        Of tasks only that a run has asked for.
    held : sequence of int, optional
        The runs that the process has: others that it has claimed are given to it again. Without
        it none are.

    Returns
    -------
    sequence of OwnRun
        With their inputs; their tasks with the names of the users who asked.
    """
    asked = {
        "organization": identity.organization_id,
        "collaboration": identity.collaboration_id,
        "silent_since": now() - LEASE,
        "claim": claim,
        "limit": limit,
        "task": task_id,
        "held": held,
    }
    asked = {name: value for name, value in asked.items() if value is not None}
    statement = _free_runs(task_id is not None, only_subtasks, held is not None)
    taken = list(map(_taken, session.connection().execute(statement, asked)))
    if taken:
        begun = [run for run in taken if run.status is TaskStatus.PENDING]
        _give(session, taken, claim)
        for run in begun:
            event.record(session, event.result_status(run))
    return taken


def _taken(row: Sequence[Any]) -> OwnRun:
    run = OwnRun.of(row)
    run.input, run.task.init_user_name = row[-2], row[-1]
    return run


def _give(session: Session, runs: Sequence[OwnRun], claim: str) -> None:
    """Claim runs, which begin unless they did already."""
    at = now()
    given = {"ids": [run.id for run in runs], "by": claim, "at": at}
    session.connection().execute(_GIVE, given)
    for run in runs:
        run.claim, run.claimed_at = claim, at
        if run.status is TaskStatus.PENDING:
            run.status = TaskStatus.INITIALIZING


# By statements that are made once: to put one together costs more than to run it.
_GIVE = (
    update(RUN)
    .where(RUN.c.id.in_(bindparam("ids", expanding=True)))
    .values(
        claim=bindparam("by"),
        claimed_at=bindparam("at"),
        status=case(
            (RUN.c.status == TaskStatus.PENDING, TaskStatus.INITIALIZING), else_=RUN.c.status
        ),
    )
)


@cache
def _free_runs(of_task: bool, only_subtasks: bool, again: bool) -> Select[Any]:
    """The open runs of a node that a process may take, with their tasks and who asked for them.

    Parameters
    ----------
    of_task : bool
        Of one `task` only.
    only_subtasks : bool
        Of tasks only that have a parent.
    again : bool
        Also those that the process has claimed and that are not among the `held`.
    """
    free = or_(RUN.c.claimed_at.is_(None), RUN.c.claimed_at < bindparam("silent_since"))
    if again:
        is_held = RUN.c.id.in_(bindparam("held", expanding=True))
        free = and_(or_(free, RUN.c.claim == bindparam("claim")), ~is_held)
    query = (
        select(*COLUMNS, RUN.c.input, _USER.c.username)
        .join_from(RUN, TASK, RUN.c.task_id == TASK.c.id)
        .outerjoin(_USER, TASK.c.init_user_id == _USER.c.id)
        .where(
            RUN.c.finished_at.is_(None),
            RUN.c.organization_id == bindparam("organization"),
            TASK.c.collaboration_id == bindparam("collaboration"),
            free,
        )
        .order_by(RUN.c.id)
        .limit(bindparam("limit"))
        .with_for_update(of=RUN, key_share=True, skip_locked=True)
    )
    if only_subtasks:
        query = query.where(TASK.c.parent_id.is_not(None))
    return query.where(RUN.c.task_id == bindparam("task")) if of_task else query
