"""Tasks: who may ask whom for what."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, func, or_, select
from sqlalchemy.orm import Session, contains_eager
from sqlalchemy.orm.attributes import set_committed_value

from vantage6.common.image import canonical
from vantage6.common.task_status import FINAL, TaskStatus
from vantage6.server.exceptions import BadRequest, Forbidden, NotFound
from vantage6.server.model import Collaboration, Member, Node, Result, Run, Task
from vantage6.server.model.base import now
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import Operation, Scope
from vantage6.server.permission.identity import ContainerRun, Identity
from vantage6.server.service import event, kill, payload, upload
from vantage6.server.service.payload import Given

Assignment = Mapping[str, Any]
# Organizations of a collaboration, with the node that each has there.
Members = Mapping[int, Node | None]

# Made once: to put a statement together costs more than to run it.
_MEMBERS = (
    select(Member.c.organization_id, Node)
    .outerjoin(
        Node,
        and_(
            Node.organization_id == Member.c.organization_id,
            Node.collaboration_id == Member.c.collaboration_id,
        ),
    )
    .outerjoin(Node.collaboration)
    # Which is soon asked for, and is then there.
    .options(contains_eager(Node.collaboration))
    .where(
        Member.c.collaboration_id == bindparam("collaboration"),
        Member.c.organization_id.in_(bindparam("organizations", expanding=True)),
    )
)


def create(session: Session, identity: Identity, order: Mapping[str, Any]) -> Task:
    """A new task of a user, or subtask of a container, with a run for each organization.

    Parameters
    ----------
    session : Session
    identity : Identity
        Who orders it: a user or a container.
    order : mapping
        What `TaskInput` lets through.

    Returns
    -------
    Task
        Stored, and announced once the transaction is committed.
    """
    asked = {part["id"] for part in order["organizations"]} | {identity.organization_id}
    members = _members(session, order["collaboration_id"], asked)
    if identity.run is None:
        collaboration = _collaboration_for_user(
            session, identity, order["collaboration_id"], members
        )
        origin: dict[str, Any] = {"run": Run(), "init_user_id": identity.id}
    else:
        collaboration = _collaboration_for_container(session, identity, identity.run, order)
        origin = _origin_of_subtask(session, identity.run)
    assignments = _assignments(identity, order)
    nodes = _nodes_for(members, [part["id"] for part in assignments])
    ids = {part["input_upload"] for part in assignments} - {None}
    uploaded = upload.use(session, identity, ids, collaboration.id)
    inputs = {part["id"]: payload.chosen(part, "input", uploaded) for part in assignments}
    check_encryption(collaboration, inputs.values())
    limits = _limits(order, len(assignments))
    task = Task(
        **{name: order[name] for name in ("name", "description", "image", "database")},
        **origin,
        **limits,
        collaboration=collaboration,
        initiator_id=identity.organization_id,
        results=[
            Result(organization_id=id_, **payload.columns(session, "input", given))
            for id_, given in inputs.items()
        ],
    )
    session.add(task)
    session.flush()
    _announce(session, task, nodes)
    return task


def delete(session: Session, task: Task) -> None:
    """Delete a task with its runs and all its subtasks."""
    whole_run = session.scalars(
        select(Task).where(Task.run_id == task.run_id).order_by(Task.id)
    ).all()
    # Whoever waits for a task of this run looks whether it is still there.
    for related in whole_run:
        event.record(session, event.task_deleted(related))
    going = kill.open_runs(session, Result.task_id.in_(with_subtasks(task, whole_run)))
    if going:
        kill.tell_nodes(session, task.collaboration_id, going)
    session.delete(task)


def with_subtasks(task: Task, whole_run: Iterable[Task]) -> set[int]:
    """The ids of a task and all below it; those of a run come in the order of their making."""
    found = {task.id}
    for related in whole_run:
        if related.parent_id in found:
            found.add(related.id)
    return found


def is_over(session: Session, task_id: int) -> bool:
    """Whether a task is settled, or none of its runs is open; also true when it is gone."""
    is_open = exists().where(Result.task_id == task_id, Result.finished_at.is_(None))
    is_settled = exists().where(Task.id == task_id, Task.settled_at.is_not(None))
    return not session.scalar(select(is_open & ~is_settled))


def deadline_of(session: Session, task_id: int) -> datetime | None:
    """By when a task is settled, if it is still to be."""
    waits = (Task.id == task_id, Task.settled_at.is_(None))
    return session.scalar(select(Task.deadline).where(*waits))


def has_status(status: TaskStatus) -> ColumnElement[bool]:
    """The condition that a task is in this state, as `Task.state` tells it from the runs."""

    def some_run(condition: ColumnElement[bool]) -> ColumnElement[bool]:
        return exists().where(Result.task_id == Task.id, condition)

    is_limited = or_(Task.quorum.is_not(None), Task.deadline.is_not(None))
    is_settled = or_(Task.settled_at.is_not(None), func.coalesce(Task.deadline <= now(), False))
    unfinished = some_run(Result.status.not_in(FINAL)) & ~is_settled
    untouched = ~some_run(Result.status != TaskStatus.PENDING)
    waiting = ~some_run(Result.status.not_in([TaskStatus.PENDING, TaskStatus.INITIALIZING]))
    match status:
        case TaskStatus.PENDING:
            return unfinished & untouched
        case TaskStatus.INITIALIZING:
            return unfinished & waiting & ~untouched
        case TaskStatus.ACTIVE:
            return unfinished & ~waiting
        case TaskStatus.COMPLETED:
            all_went_well = ~some_run(Result.status != TaskStatus.COMPLETED)
            return or_(~is_limited & all_went_well, is_limited & ~unfinished & _has_enough())
    failures = FINAL - {TaskStatus.COMPLETED}
    first_failure = (
        select(Result.status)
        .where(Result.task_id == Task.id, Result.status.in_(failures), ~Result.late)
        .order_by(Result.id)
        .limit(1)
        .scalar_subquery()
    )
    is_it = first_failure == status
    if status is TaskStatus.FAILED:
        # What is missing has no state of its own.
        is_it = or_(is_it, is_limited & first_failure.is_(None) & ~_has_enough())
    return ~unfinished & is_it & ~(is_limited & _has_enough())


def _has_enough() -> ColumnElement[bool]:
    """The condition that as many runs of a task were completed in time as have to be."""
    runs = select(func.count()).where(Result.task_id == Task.id)
    in_time = runs.where(Result.status == TaskStatus.COMPLETED, ~Result.late)
    needed = func.coalesce(Task.quorum, runs.scalar_subquery())
    return in_time.scalar_subquery() >= needed


def check_encryption(collaboration: Collaboration, payloads: Iterable[Given]) -> None:
    """Raise BadRequest for what is not encrypted but has to be, or the other way round."""
    for given in payloads:
        if payload.is_encrypted(given) == collaboration.encrypted:
            continue
        if collaboration.encrypted:
            raise BadRequest(f"Collaboration {collaboration.name!r} takes encrypted payloads only")
        raise BadRequest(f"Collaboration {collaboration.name!r} takes no encrypted payloads")


def _members(session: Session, collaboration_id: int, organizations: Iterable[int]) -> Members:
    """Those of some organizations that are in a collaboration."""
    rows = session.execute(
        _MEMBERS, {"collaboration": collaboration_id, "organizations": list(organizations)}
    )
    return {row.organization_id: row.Node for row in rows}


def _collaboration_for_user(
    session: Session, identity: Identity, collaboration_id: int, members: Members
) -> Collaboration:
    """The collaboration, in which the user's organization takes part: nobody else may ask."""
    check.require(identity, Operation.CREATE, Task)
    collaboration = session.get(Collaboration, collaboration_id)
    if collaboration is None and Scope.GLOBAL in identity.scopes("task", Operation.CREATE):
        raise NotFound(f"There is no collaboration {collaboration_id}")
    if collaboration is None or identity.organization_id not in members:
        raise Forbidden("Your organization is not in this collaboration")
    return collaboration


def _collaboration_for_container(
    session: Session, identity: Identity, run: ContainerRun, order: Mapping[str, Any]
) -> Collaboration:
    """The container's own collaboration: it may ask nowhere else, and with its own image only."""
    collaboration = session.get(Collaboration, identity.collaboration_id)
    if collaboration is None or order["collaboration_id"] != collaboration.id:
        raise Forbidden("A container may create tasks in its own collaboration only")
    if not order["image"] or canonical(order["image"]) != canonical(run.image):
        raise Forbidden("A container may create tasks with its own image only")
    return collaboration


def _origin_of_subtask(session: Session, run: ContainerRun) -> dict[str, Any]:
    # Locked, so that no subtask comes into the world after its creator has ended.
    finished_at = session.scalar(
        select(Result.finished_at).where(Result.id == run.result_id).with_for_update()
    )
    if finished_at:
        raise Forbidden("The run of this container has ended")
    parent = session.get_one(Task, run.task_id)
    return {"parent": parent, "run_id": parent.run_id, "init_user_id": parent.init_user_id}


def _assignments(identity: Identity, order: Mapping[str, Any]) -> Sequence[Assignment]:
    """The parts to hand out: all of them, or with `master` that of the own organization."""
    parts: Sequence[Assignment] = order["organizations"]
    if not order["master"] or identity.run is not None:
        return parts
    own = [part for part in parts if part["id"] == identity.organization_id]
    if not own:
        raise _fault("With `master` your own organization must be among the organizations")
    return own


def _limits(order: Mapping[str, Any], runs: int) -> dict[str, Any]:
    """How many organizations have to answer, and by when."""
    quorum, deadline = order.get("quorum"), order.get("deadline")
    if quorum is not None and quorum > runs:
        message = f"{quorum} answers cannot come from {runs} organization(s)"
        raise BadRequest(f"`quorum`: {message}", {"quorum": [message]})
    if deadline is not None and deadline <= now():
        message = "This moment has passed, by the clock of the server"
        raise BadRequest(f"`deadline`: {message}", {"deadline": [message]})
    return {"quorum": quorum, "deadline": deadline}


def _nodes_for(members: Members, organization_ids: Sequence[int]) -> Mapping[int, Node]:
    """The node of each organization; BadRequest for those that cannot be asked."""
    twice = [id_ for id_, count in Counter(organization_ids).items() if count > 1]
    if twice:
        raise _fault(f"Named twice: organization {_listed(twice)}")
    strangers = set(organization_ids).difference(members)
    if strangers:
        raise _fault(f"Not in this collaboration: organization {_listed(strangers)}")
    nodes = {id_: node for id_ in organization_ids if (node := members[id_])}
    without = set(organization_ids) - nodes.keys()
    if without:
        raise _fault(f"Without a node in this collaboration: organization {_listed(without)}")
    return nodes


def _announce(session: Session, task: Task, nodes: Mapping[int, Node]) -> None:
    for result in task.results:
        set_committed_value(result, "node", nodes[result.organization_id])
        event.record(session, event.result_status(result))
    event.record(session, event.new_task(task))


def _fault(message: str) -> BadRequest:
    return BadRequest(message, {"organizations": [message]})


def _listed(ids: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(ids)))
