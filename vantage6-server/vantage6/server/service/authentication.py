"""From a secret to tokens."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.common.image import canonical
from vantage6.common.task_status import is_final
from vantage6.server.database import Database
from vantage6.server.exceptions import BadRequest, Forbidden, Unauthorized
from vantage6.server.model import Node, Permission, Result, Role, Task, User
from vantage6.server.model.node import digest_api_key
from vantage6.server.permission.catalogue import Kind
from vantage6.server.permission.identity import Identity
from vantage6.server.service import audit, password, renewal, second_factor, token
from vantage6.server.service import user as user_service
from vantage6.server.service.guard import Guard
from vantage6.server.service.limit_key import origin
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.own_run import OwnRun
from vantage6.server.service.second_factor import SecondFactors


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
        select(Result.id, Result.status, Result.finished_at, Task)
        .join(Result.task)
        .where(
            Task.id == task_id,
            Task.collaboration_id == identity.collaboration_id,
            Result.organization_id == identity.organization_id,
        )
    ).first()
    if row is None or not _is_same_image(image, row.Task.image):
        raise Forbidden("The task is not for this node, or not with this image")
    if row.finished_at or is_final(row.status):
        raise BadRequest("The node's part of this task has ended already")
    return _for_container(identity, row.id, row.Task)


def token_of_run(identity: Identity, run: OwnRun) -> str | None:
    """A token for the container of an open run of the node; none where its image has no name."""
    image = run.task.image or ""
    return _for_container(identity, run.id, run.task) if _is_same_image(image, image) else None


def _for_container(identity: Identity, result_id: int, task: Task) -> str:
    return token.for_container(
        {
            "node_id": identity.id,
            "organization_id": identity.organization_id,
            "collaboration_id": identity.collaboration_id,
            "task_id": task.id,
            "result_id": result_id,
            "image": task.image,
            "database": task.database,
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
