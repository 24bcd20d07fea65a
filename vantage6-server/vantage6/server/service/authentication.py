"""From a secret to tokens, and from a token back to who holds it."""

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
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

from vantage6.common.image import canonical
from vantage6.common.task_status import is_final
from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest, Forbidden, Unauthorized
from vantage6.server.model import (
    Authenticatable,
    Node,
    Permission,
    Result,
    Role,
    Rule,
    Task,
    User,
    UserPermission,
    role_rule_association,
)
from vantage6.server.model.base import now
from vantage6.server.model.node import digest_api_key
from vantage6.server.permission import role
from vantage6.server.permission.catalogue import RULES, Kind, RuleKey
from vantage6.server.permission.identity import ContainerRun, Identity
from vantage6.server.service import audit, password, renewal, second_factor, token
from vantage6.server.service import user as user_service
from vantage6.server.service.guard import Guard
from vantage6.server.service.limit_key import origin
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.second_factor import SecondFactors

LAST_SEEN_PRECISION = timedelta(minutes=1)

_NODE_RULES = frozenset(record.key for record in role.NODE.rules)
_CONTAINER_RULES = frozenset(record.key for record in role.CONTAINER.rules)


def log_in_user(
    guard: Guard, factors: SecondFactors, username: str, secret: str, code: str
) -> dict[str, Any]:
    """What a user gets for a username, a password and, where it takes one, a code.

    An unknown name takes the same steps, and as long, as a wrong password.

    Returns
    -------
    dict
        The tokens, with the id of the user; after the first code of an app also its recovery
        codes. Where a code is missing, what is needed to have one: `qr_uri` and `otp_secret`
        until the app is set up, later `msg` alone.
    """
    audit.attempt("login", kind=Kind.USER.value)
    user = guard.check_password(User.username == username, username, secret)
    if factors.required and not code:
        return _ask_for_code(guard, factors, user)

    def finish(session: Session) -> dict[str, Any] | None:
        # In one transaction: a code that is used up was good for tokens.
        shown = factors.check(session, user.id, code) if factors.required else {}
        if shown is None:
            return None
        guard.forgive(session, user.username)
        roles = _role_names(session, user.id)
        tokens = _first_tokens(session, Kind.USER, user.id, user.credential_version, roles)
        return {"id": user.id, **tokens, **shown}

    if factors.required:
        answer = guard.check_code(user.username, finish)
    else:
        with guard.database.transaction() as session:
            answer = finish(session) or {}
    audit.succeeded()
    return answer


def log_in_node(
    database: Database, limit: LoginLimit, address: str, api_key: str
) -> dict[str, Any]:
    """Tokens for an API key, with the node's id.

    Keys are random, so wrong ones are limited for the sake of load only: the right one is let
    through whatever others tried from the same address.
    """
    with database.reading() as session:
        node = session.scalar(select(Node).where(Node.api_key_digest == digest_api_key(api_key)))
    audit.attempt("login", kind=Kind.NODE.value, **audit.about(node))
    with database.transaction() as session:
        if node is None:
            limit.reserve(session, f"node {origin(address)}")
        else:
            tokens = _first_tokens(session, Kind.NODE, node.id, node.credential_version, [])
    if node is None:
        raise Unauthorized("The API key is not known")
    audit.succeeded()
    return {"id": node.id, **tokens}


def renew(
    session: Session, identity: Identity, token_id: Any, *, at: datetime | None = None
) -> dict[str, str]:
    """A new access token for somebody who showed a refresh token, which is good for longer now.

    The refresh token stays the same: classic clients and nodes keep the first one for good.
    """
    renewal.extend(session, identity.kind, identity.id, token_id, at=at)
    roles = _role_names(session, identity.id) if identity.kind is Kind.USER else []
    return _tokens(identity.kind, identity.id, identity.credential_version, roles, token_id)


def change_password(guard: Guard, identity: Identity, current: str, new: str) -> None:
    """Change the own password; all tokens of before are void, also the one just used.

    Raises
    ------
    BadRequest
        When the new password is the old one, or too weak.
    Unauthorized
        When the current password is wrong.
    """
    if new == current:
        raise BadRequest("The new password is the same as the current one")
    password.check_policy(new)
    audit.attempt("password.change")
    with guard.database.reading() as session:
        user = session.get_one(User, identity.id)
    guard.check(
        user.username,
        lambda: password.matches(current, user.password_hash),
        "The current password is wrong",
        whose=User.id == identity.id,
    )
    password_hash = password.hash_password(new)
    with guard.database.transaction() as session:
        guard.forgive(session, user.username)
        user = session.get_one(User, identity.id, with_for_update=True)
        user_service.set_password(session, user, password_hash)
    audit.succeeded()


def container_token(session: Session, identity: Identity, task_id: int, image: str) -> str:
    """A token for the container that runs the node's part of a task.

    Raises
    ------
    BadRequest
        When that part has ended already.
    Forbidden
        When the node has no part in the task, or the task is to run another image.
    """
    row = session.execute(
        select(Result.id, Result.status, Result.finished_at, Task.image, Task.database)
        .join(Task)
        .where(
            Task.id == task_id,
            Task.collaboration_id == identity.collaboration_id,
            Result.organization_id == identity.organization_id,
        )
    ).first()
    if row is None or not _is_same_image(image, row.image):
        raise Forbidden("The task is not for this node, or not with this image")
    if row.finished_at or is_final(row.status):
        raise BadRequest("The node's part of this task has ended already")
    return token.for_container(
        {
            "node_id": identity.id,
            "organization_id": identity.organization_id,
            "collaboration_id": identity.collaboration_id,
            "task_id": task_id,
            "result_id": row.id,
            "image": row.image,
            "database": row.database,
        },
        identity.credential_version,
    )


def _ask_for_code(guard: Guard, factors: SecondFactors, user: User) -> dict[str, Any]:
    """What somebody gets who knows the password and shows no code."""
    audit.incomplete("mfa_code")
    with guard.database.transaction() as session:
        guard.take_back(session, user.username)
        if factors.is_confirmed(session, user.id):
            return {"msg": "Log in with the code of your authenticator app as well (mfa_code)"}
        enrolment = factors.enrol(session, user)
    return second_factor.shown(enrolment)


def _first_tokens(
    session: Session, kind: Kind, id_: int, version: int, roles: list[str]
) -> dict[str, str]:
    return _tokens(kind, id_, version, roles, renewal.begin(session, kind, id_))


def _tokens(kind: Kind, id_: int, version: int, roles: list[str], token_id: str) -> dict[str, str]:
    return {
        "access_token": token.access(kind, id_, version, roles),
        "refresh_token": token.refresh(kind, id_, version, roles, token_id),
    }


def identify(session: Session, claims: dict[str, Any]) -> Identity:
    """Who holds a token, with all that identity may do now.

    Raises
    ------
    Unauthorized
        When the identity is gone, its credentials were changed, or its run has ended.
    """
    subject = claims.get("sub")
    find = _FINDERS.get(claims.get("client_type"))
    identity = find(session, subject, claims) if find else None
    if identity is None:
        raise Unauthorized("The token is no longer valid")
    return identity


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


def _find_user(session: Session, subject: object, claims: dict[str, Any]) -> Identity | None:
    if not isinstance(subject, int):
        return None
    user = session.execute(
        _USER, {"id": subject, "version": claims.get("credential_version")}
    ).first()
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


def _find_node(session: Session, subject: object, claims: dict[str, Any]) -> Identity | None:
    if not isinstance(subject, int):
        return None
    node = session.execute(
        select(Node.organization_id, Node.collaboration_id, Node.last_seen, Node.name).where(
            Node.id == subject, Node.credential_version == claims.get("credential_version")
        )
    ).first()
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


def _find_container(session: Session, subject: object, claims: dict[str, Any]) -> Identity | None:
    if not isinstance(subject, dict):
        return None
    row = session.execute(
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
_USER = _user_query()
_RULES = {
    _WITHIN.join((rule.name, rule.scope.name, rule.operation.name)): rule.key for rule in RULES
}


@lru_cache(maxsize=1000)
def _rules(words: str) -> frozenset[RuleKey]:
    """The rules that these are the words of; one of a later version means nothing here."""
    return frozenset(_RULES[one] for one in words.split(_BETWEEN) if one in _RULES)


def _role_names(session: Session, user_id: int) -> list[str]:
    return list(
        session.scalars(
            select(Role.name)
            .join(Permission, Permission.c.role_id == Role.id)
            .where(Permission.c.user_id == user_id)
            .order_by(Role.id)
        )
    )


def _is_same_image(asked: str, image: str | None) -> bool:
    try:
        return canonical(asked) == canonical(image or "")
    except ValueError:
        return False
