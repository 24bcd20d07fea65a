"""From a token back to who holds it, with all that identity may do now."""

from collections.abc import Collection
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Connection,
    Integer,
    Select,
    String,
    and_,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
    update,
)
from sqlalchemy.orm import Session

from vantage6.common.task_status import is_final
from vantage6.server.exceptions import Unauthorized
from vantage6.server.model import (
    Authenticatable,
    Node,
    Permission,
    Result,
    Rule,
    Task,
    User,
    UserPermission,
    role_rule_association,
)
from vantage6.server.model.base import now
from vantage6.server.permission import role
from vantage6.server.permission.catalogue import RULES, Kind, RuleKey
from vantage6.server.permission.identity import ContainerRun, Identity

LAST_SEEN_PRECISION = timedelta(minutes=1)

_NODE_RULES = frozenset(record.key for record in role.NODE.rules)
_CONTAINER_RULES = frozenset(record.key for record in role.CONTAINER.rules)


def identify(connection: Connection, claims: dict[str, Any]) -> Identity:
    """Who holds a token, with all that identity may do now.

    Raises
    ------
    Unauthorized
        When the identity is gone, its credentials were changed, or its run has ended.
    """
    subject = claims.get("sub")
    find = _FINDERS.get(claims.get("client_type"))
    identity = find(connection, subject, claims) if find else None
    if identity is None:
        raise Unauthorized("The token is no longer valid")
    return identity


def find_void(session: Session, identities: Collection[Identity]) -> set[int]:
    """The ids of those users and nodes whose tokens or place are no longer what they were."""
    account, node = (model.__table__.c for model in (Authenticatable, Node))
    known = {
        row.id: row
        for row in session.execute(
            select(
                account.id,
                account.credential_version,
                node.organization_id,
                node.collaboration_id,
            )
            .join_from(Authenticatable.__table__, Node.__table__, isouter=True)
            .where(account.id.in_({identity.id for identity in identities}))
        )
    }
    return {
        identity.id
        for identity in identities
        if (row := known.get(identity.id)) is None
        or row.credential_version != identity.credential_version
        or (identity.kind is Kind.NODE and _place(row) != _place(identity))
    }


def is_seen_long_ago(identity: Identity) -> bool:
    """Whether it is time to note again that a user or node was here."""
    if identity.kind is Kind.CONTAINER:
        return False
    return identity.last_seen is None or now() - identity.last_seen > LAST_SEEN_PRECISION


def note_last_seen(session: Session, identity: Identity) -> None:
    """Write down that a user or node was here."""
    session.execute(
        update(Authenticatable).where(Authenticatable.id == identity.id).values(last_seen=now())
    )


def _place(node: Any) -> tuple[int, int | None]:
    return node.organization_id, node.collaboration_id


def _find_user(connection: Connection, subject: object, claims: dict[str, Any]) -> Identity | None:
    if not isinstance(subject, int):
        return None
    asked = {"id": subject, "version": claims.get("credential_version")}
    user = connection.execute(_USER, asked).first()
    if user is None:
        return None
    return Identity(
        kind=Kind.USER,
        id=subject,
        organization_id=user.organization_id,
        rules=_rules(user.rules or ""),
        last_seen=user.last_seen,
        credential_version=claims["credential_version"],
        name=user.username,
    )


def _find_node(connection: Connection, subject: object, claims: dict[str, Any]) -> Identity | None:
    if not isinstance(subject, int):
        return None
    asked = {"id": subject, "version": claims.get("credential_version")}
    node = connection.execute(_NODE, asked).first()
    if node is None:
        return None
    return Identity(
        kind=Kind.NODE,
        id=subject,
        organization_id=node.organization_id,
        collaboration_id=node.collaboration_id,
        rules=_NODE_RULES,
        last_seen=node.last_seen,
        credential_version=claims["credential_version"],
        name=node.name,
    )


# The run that a container works on, and the node that it works for.
_RUN_OF_CONTAINER = (
    select(
        Result.status,
        Result.finished_at,
        Result.organization_id,
        Task.id,
        Task.run_id,
        Task.collaboration_id,
        Task.image,
        Node.name,
    )
    .join(Task, Result.task_id == Task.id)
    .join(
        Node,
        and_(
            Node.organization_id == Result.organization_id,
            Node.collaboration_id == Task.collaboration_id,
        ),
    )
)


def _find_container(
    connection: Connection, subject: object, claims: dict[str, Any]
) -> Identity | None:
    if not isinstance(subject, dict):
        return None
    row = connection.execute(
        _RUN_OF_CONTAINER.where(
            Result.id == subject.get("result_id"),
            Node.id == subject.get("node_id"),
            Node.credential_version == claims.get("credential_version"),
        )
    ).first()
    if row is None or row.finished_at or is_final(row.status):
        return None
    return Identity(
        kind=Kind.CONTAINER,
        id=subject["node_id"],
        organization_id=row.organization_id,
        collaboration_id=row.collaboration_id,
        rules=_CONTAINER_RULES,
        run=ContainerRun(subject["result_id"], row.id, row.run_id, row.image or ""),
        name=row.name,
    )


_FINDERS: dict[Any, Any] = {
    Kind.USER.value: _find_user,
    Kind.NODE.value: _find_node,
    Kind.CONTAINER.value: _find_container,
}


def _node_query() -> Select[Any]:
    """A node of this `id` and credential `version`."""
    account, node = (model.__table__.c for model in (Authenticatable, Node))
    return (
        select(node.organization_id, node.collaboration_id, node.name, account.last_seen)
        .join_from(Node.__table__, Authenticatable.__table__, node.id == account.id)
        .where(
            node.id == bindparam("id", type_=Integer()),
            account.credential_version == bindparam("version", type_=Integer()),
        )
    )


def _user_query() -> Select[Any]:
    """A user of this `id` and credential `version`, with the words of all rules it holds."""
    account, user, rule = (model.__table__.c for model in (Authenticatable, User, Rule))
    by_role = (
        select(role_rule_association.c.rule_id)
        .join(Permission, Permission.c.role_id == role_rule_association.c.role_id)
        .where(Permission.c.user_id == user.id)
        .correlate(User.__table__)
    )
    direct = (
        select(UserPermission.c.rule_id)
        .where(UserPermission.c.user_id == user.id)
        .correlate(User.__table__)
    )
    scope, operation = (type_coerce(rule[name], String) for name in ("scope", "operation"))
    words = rule["name"] + _WITHIN + scope + _WITHIN + operation
    rules = (
        select(func.aggregate_strings(words, _BETWEEN))
        .where(or_(rule.id.in_(by_role), rule.id.in_(direct)))
        .scalar_subquery()
    )
    return (
        select(user.organization_id, account.last_seen, user.username, rules.label("rules"))
        .join_from(User.__table__, Authenticatable.__table__, user.id == account.id)
        .where(
            user.id == bindparam("id", type_=Integer()),
            account.credential_version == bindparam("version", type_=Integer()),
        )
    )


# What separates the words of a rule, and one rule from the next.
_WITHIN, _BETWEEN = " ", ","
# This is asked at every request, so it is put together once.
_NODE, _USER = _node_query(), _user_query()
_RULES = {
    _WITHIN.join((rule.name, rule.scope.name, rule.operation.name)): rule.key for rule in RULES
}


@lru_cache(maxsize=1000)
def _rules(words: str) -> frozenset[RuleKey]:
    """The rules that these are the words of; one of a later version means nothing here."""
    return frozenset(_RULES[one] for one in words.split(_BETWEEN) if one in _RULES)
