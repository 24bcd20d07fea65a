"""Accounts: making them, changing them, and their passwords."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.exceptions import BadRequest, Forbidden
from vantage6.server.model import User
from vantage6.server.permission.identity import Identity
from vantage6.server.service import event, granting

# Whoever controls these controls the account.
_KEYS_TO_THE_ACCOUNT = ("username", "email")


def create(session: Session, identity: Identity, values: Mapping[str, Any]) -> User:
    """A new user, from what `UserInput` lets through and with the hash of the password."""
    check_unique(session, values)
    user = User(**{name: value for name, value in values.items() if name not in ("roles", "rules")})
    session.add(user)
    granting.set_roles(session, identity, user, values["roles"])
    granting.set_rules(session, identity, user, values["rules"])
    session.flush()
    return user


def change(session: Session, identity: Identity, user: User, values: dict[str, Any]) -> None:
    """Change a user."""
    _check_power(identity, user, values)
    check_unique(session, values, besides=user.id)
    if "roles" in values:
        granting.set_roles(session, identity, user, values.pop("roles"))
    if "rules" in values:
        granting.set_rules(session, identity, user, values.pop("rules"))
    user.update(values)
    session.flush()


def set_password(session: Session, user: User, password_hash: str) -> None:
    """Give a user another password; all tokens of before are void."""
    user.password_hash = password_hash
    user.revoke_tokens()
    event.record(session, event.credentials_changed(user.id))


def delete(session: Session, identity: Identity, user: User) -> None:
    """Delete a user; the tasks of that user stay."""
    if user.id != identity.id and identity.lacks(granting.power_of(user)):
        raise Forbidden("You cannot delete a user who may do more than you")
    event.record(session, event.credentials_changed(user.id))
    session.delete(user)


def check_unique(session: Session, values: Mapping[str, Any], besides: int | None = None) -> None:
    """Raise BadRequest when another user has this username or e-mail address."""
    for name in _KEYS_TO_THE_ACCOUNT:
        if name not in values:
            continue
        taken = session.scalar(select(User.id).where(getattr(User, name) == values[name]))
        if taken not in (None, besides):
            raise BadRequest(f"Another user has this {name}", {name: ["Taken already."]})


def _check_power(identity: Identity, user: User, values: Mapping[str, Any]) -> None:
    if user.id == identity.id:
        if "roles" in values or "rules" in values:
            raise Forbidden("You cannot change your own roles and rules")
        return
    takes_over = any(
        name in values and values[name] != getattr(user, name) for name in _KEYS_TO_THE_ACCOUNT
    )
    if takes_over and identity.lacks(granting.power_of(user)):
        raise Forbidden("You cannot change how a user logs in who may do more than you")
