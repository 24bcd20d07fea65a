"""The checks: one description of how far each rule reaches, used for lists and single objects.

Whoever may see everything learns that something does not exist (404). Everybody else gets the
same refusal (403) for what does not exist and for what is not theirs.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, false, literal, or_, select, true
from sqlalchemy.orm import Session

from vantage6.server.exceptions import Forbidden, NotFound
from vantage6.server.model import (
    AlgorithmPort,
    Collaboration,
    Member,
    Model,
    Node,
    Organization,
    Permission,
    Result,
    Role,
    Task,
    User,
)
from vantage6.server.permission.catalogue import Kind, Operation, Scope
from vantage6.server.permission.identity import Identity

M = TypeVar("M", bound=Model)
Reach = Callable[[Identity], ColumnElement[bool]]


def require(
    identity: Identity,
    operation: Operation,
    model: type[Model],
    organization_id: int | None = None,
) -> None:
    """Raise Forbidden unless the caller may do this to something, or in this organization."""
    scopes = identity.scopes(model.resource(), operation)
    if Scope.GLOBAL in scopes:
        return
    in_own = organization_id in (None, identity.organization_id)
    if not (scopes and in_own):
        raise _forbidden(operation, model)


def visible(identity: Identity, operation: Operation, query: Select[M]) -> Select[M]:
    """Narrow a query to the objects for which the caller may do something.

    Raises
    ------
    Forbidden
        When there can be none.
    """
    condition = reach(identity, operation, entity(query))
    return query if condition is true() else query.where(condition)


def load(
    session: Session,
    identity: Identity,
    operation: Operation,
    query: Select[M],
    by: type[Model] | None = None,
) -> M:
    """The one object of a query, which the caller may do this to.

    What is to be changed or deleted is locked: whoever wants the same waits until we are done,
    and then sees what we left. New objects may refer to one that is changed meanwhile, but not to
    one that is deleted.

    Parameters
    ----------
    session : Session
    identity : Identity
    operation : Operation
    query : Select
        Finds the object, whoever asks.
    by : type of Model, optional
        The kind of resource whose rules decide; by default that of the object itself.

    Raises
    ------
    NotFound, Forbidden
    """
    model = entity(query)
    wanted = query.where(reach(identity, operation, model, by))
    if operation in (Operation.EDIT, Operation.DELETE):
        wanted = wanted.with_for_update(of=model, key_share=operation is Operation.EDIT)
    found = session.scalar(wanted)
    if found is not None:
        return found
    if Scope.GLOBAL in identity.scopes((by or model).resource(), operation):
        raise NotFound(f"There is no such {model.resource()}")
    raise _forbidden(operation, model)


def reach(
    identity: Identity, operation: Operation, model: type[Model], by: type[Model] | None = None
) -> ColumnElement[bool]:
    """The condition that an object must fulfil for the caller to do something to it."""
    scopes = identity.scopes((by or model).resource(), operation)
    if Scope.GLOBAL in scopes:
        return true()
    reaches = [REACH[model][scope] for scope in scopes]
    if (model, operation) in ALWAYS:
        reaches.append(ALWAYS[model, operation])
    if not reaches:
        raise _forbidden(operation, model)
    return or_(*(condition(identity) for condition in reaches))


def may_be_named(identity: Identity, model: type[Model]) -> ColumnElement[bool]:
    """The condition that an object must fulfil for the caller to learn of it by a link."""
    try:
        condition = reach(identity, Operation.VIEW, model)
    except Forbidden:
        condition = false()
    if model is Node:
        # Who sees a collaboration sees the nodes in it.
        collaborations = select(Collaboration.id).where(may_be_named(identity, Collaboration))
        condition = condition | Node.collaboration_id.in_(collaborations)
    return condition


def _collaborations(identity: Identity) -> Select[int]:
    """The collaborations of the caller's organization; of a container, its own only."""
    if identity.kind is Kind.CONTAINER:
        return select(literal(identity.collaboration_id))
    return select(Member.c.collaboration_id).where(
        Member.c.organization_id == identity.organization_id
    )


def _organization_itself(identity: Identity) -> ColumnElement[bool]:
    return Organization.id == identity.organization_id


def _collaborating_organizations(identity: Identity) -> ColumnElement[bool]:
    members = select(Member.c.organization_id).where(
        Member.c.collaboration_id.in_(_collaborations(identity))
    )
    return _organization_itself(identity) | Organization.id.in_(members)


def _tasks(identity: Identity) -> ColumnElement[bool]:
    if identity.run is not None:
        return Task.run_id == identity.run.run_id
    return Task.collaboration_id.in_(_collaborations(identity))


def _own_and_default_roles(identity: Identity) -> ColumnElement[bool]:
    own = select(Permission.c.role_id).where(Permission.c.user_id == identity.id)
    return Role.organization_id.is_(None) | Role.id.in_(own)


REACH: Mapping[type[Model], Mapping[Scope, Reach]] = {
    Organization: {
        Scope.ORGANIZATION: _organization_itself,
        Scope.COLLABORATION: _collaborating_organizations,
    },
    Collaboration: {
        Scope.ORGANIZATION: lambda identity: Collaboration.id.in_(_collaborations(identity)),
    },
    Node: {
        Scope.ORGANIZATION: lambda identity: Node.organization_id == identity.organization_id,
    },
    Task: {Scope.ORGANIZATION: _tasks},
    Result: {Scope.ORGANIZATION: lambda identity: Result.task.has(_tasks(identity))},
    AlgorithmPort: {
        Scope.ORGANIZATION: lambda identity: AlgorithmPort.result.has(
            Result.task.has(_tasks(identity))
        ),
    },
    User: {
        Scope.OWN: lambda identity: User.id == identity.id,
        Scope.ORGANIZATION: lambda identity: User.organization_id == identity.organization_id,
    },
    Role: {
        Scope.ORGANIZATION: lambda identity: Role.organization_id == identity.organization_id,
    },
}

# What needs no rule at all.
ALWAYS: Mapping[tuple[type[Model], Operation], Reach] = {
    (User, Operation.VIEW): REACH[User][Scope.OWN],
    (Role, Operation.VIEW): _own_and_default_roles,
}


@lru_cache(maxsize=100)
def entity(query: Select[Any]) -> type[Model]:
    """What a query finds; the same ones are asked about at every request."""
    found: type[Model] = query.column_descriptions[0]["entity"]
    return found


def _forbidden(operation: Operation, model: type[Model]) -> Forbidden:
    return Forbidden(f"You are not allowed to {operation.name.lower()} this {model.resource()}")
