"""Claims: a run is for one process of a node, also where several have the node's API key.

A process claims a run before it starts it, and keeps its claims by saying from time to time that
it is there. One that does so no more loses them to whoever asks next, but not before. The clock
of the server is the only one that counts. Nodes of the classic line claim nothing.
"""

from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vantage6.server.exceptions import Conflict
from vantage6.server.model import Result, Task
from vantage6.server.model.base import now
from vantage6.server.permission.identity import Identity

LEASE = timedelta(minutes=10)


def holder(result: Result) -> str | None:
    """The process that has an open run, and is there."""
    if result.complete or result.claimed_at is None or result.claimed_at + LEASE < now():
        return None
    return result.claim


def take(result: Result, claim: str | None) -> None:
    """Let a process have a run, which is locked; it may have it already.

    Raises
    ------
    Conflict
        When another process has it.
    """
    if claim is None:
        return
    if holder(result) not in (None, claim):
        raise Conflict("Another process of this node has this run")
    result.claim, result.claimed_at = claim, now()


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
