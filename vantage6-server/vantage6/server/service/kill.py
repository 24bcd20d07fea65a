"""Stopping runs: they are final at once, and their nodes are told to stop the containers.

When nothing is left of one, its node confirms that; nodes of the classic line do not.

A node that is not told, because it is not connected, learns it when it asks for its open runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.orm import Session, contains_eager

from vantage6.common.task_status import TaskStatus
from vantage6.server.exceptions import BadRequest, Conflict, NotFound
from vantage6.server.model import Collaboration, Node, Result, Task
from vantage6.server.model.base import now
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import Operation
from vantage6.server.permission.identity import Identity
from vantage6.server.service import audit, event, settling
from vantage6.server.service.own_run import OwnRun


def kill_task(session: Session, task: Task) -> int:
    """Stop all open runs of a task and of all that shares its run id.

    Raises
    ------
    BadRequest
        When there are none.
    """
    reason = f"A user stopped task {task.id}, to whose run this belongs"
    killed = _finalize(session, Task.run_id == task.run_id, reason)
    if not killed:
        raise BadRequest(f"Task {task.id} has finished already")
    tell_nodes(session, task.collaboration_id, killed)
    audit.record("task.kill", "success", session=session, task_id=task.id, runs=len(killed))
    return len(killed)


def kill_tasks_of(session: Session, node: Node) -> int:
    """Stop all open runs of a node."""
    is_its = and_(
        Task.collaboration_id == node.collaboration_id,
        Result.organization_id == node.organization_id,
    )
    killed = _finalize(session, is_its, "A user stopped all that this node was doing")
    if killed and node.collaboration_id is not None:
        facts = payload(node.collaboration_id, killed)
        kill = event.kill_containers({**facts, "node_id": node.id}, [node.id])
        event.record(session, kill)
    audit.record("node.kill_tasks", "success", session=session, node_id=node.id, runs=len(killed))
    return len(killed)


def load_node(session: Session, identity: Identity, node_id: int) -> Node:
    """A node in a collaboration whose tasks the caller may delete.

    Raises
    ------
    NotFound, Forbidden
    """
    place = select(Collaboration).where(Collaboration.nodes.any(Node.id == node_id))
    try:
        check.load(session, identity, Operation.DELETE, place, by=Task)
    except NotFound as error:
        raise NotFound(f"There is no node {node_id} in a collaboration") from error
    return session.get_one(Node, node_id)


def confirm(session: Session, run: OwnRun, claim: str | None) -> None:
    """Note that nothing is left of a killed run at its node.

    Raises
    ------
    BadRequest
        When it was not killed.
    Conflict
        When another process of the node had it, which alone can tell.
    """
    if run.status is not TaskStatus.KILLED:
        raise BadRequest("The run was not killed")
    if run.claim not in (None, claim):
        raise Conflict("Another process of this node has this run")
    if run.stopped_at is None:
        run.write(session, {"stopped_at": now()})


def _finalize(session: Session, condition: ColumnElement[bool], reason: str) -> list[Result]:
    """End all open runs; until there are none: a container may have made more meanwhile."""
    killed: list[Result] = []
    while found := open_runs(session, condition):
        for result in found:
            result.status, result.finished_at = TaskStatus.KILLED, now()
            result.log = result.log or reason
        session.flush()
        killed += found
    settling.note_ends(session, killed)
    for result in killed:
        event.record(session, event.result_status(result))
    return killed


def open_runs(session: Session, condition: ColumnElement[bool]) -> list[Result]:
    """The runs that have not ended, locked, with their tasks."""
    query = (
        select(Result)
        .join(Result.task)
        .options(contains_eager(Result.task))
        .where(Result.finished_at.is_(None), condition)
        .order_by(Result.id)
        .with_for_update(of=Result)
    )
    return list(session.scalars(query))


def tell_nodes(session: Session, collaboration_id: int, killed: Sequence[Result]) -> None:
    """Tell the nodes that have the containers of these runs, once this is committed."""
    organizations = {result.organization_id for result in killed}
    nodes = session.scalars(
        select(Node.id)
        .where(Node.collaboration_id == collaboration_id, Node.organization_id.in_(organizations))
        .order_by(Node.id)
    )
    kill = event.kill_containers(payload(collaboration_id, killed), nodes)
    event.record(session, kill)


def payload(collaboration_id: int, killed: Iterable[Result]) -> Mapping[str, Any]:
    """What nodes are told of runs that were stopped."""
    return {
        "kill_list": [
            {
                "task_id": result.task_id,
                "result_id": result.id,
                "organization_id": result.organization_id,
            }
            for result in killed
        ],
        "collaboration_id": collaboration_id,
    }
