"""Getting back into an account: a lost password, a lost second factor."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy.orm import Session

from vantage6.server.exceptions import BadRequest, Forbidden, Refusal
from vantage6.server.model import User
from vantage6.server.permission.identity import Identity
from vantage6.server.service import audit, commit, event, granting, password, second_factor
from vantage6.server.service import user as user_service
from vantage6.server.service.guard import Guard
from vantage6.server.service.limit_key import origin
from vantage6.server.service.notice import PASSWORD_RESET, SECOND_FACTOR_RESET
from vantage6.server.service.reset_token import Purpose, Reset
from vantage6.server.service.second_factor import Proof, SecondFactors

_MAIL_ALONE = (
    "The mailed token alone does not replace a second factor: send one of your recovery codes "
    "with it (recovery_code), or ask an administrator to remove the second factor"
)


@dataclass(frozen=True)
class Account:
    """An account by the name that somebody gave: that of a user, or an e-mail address."""

    username: str | None
    email: str | None

    @property
    def name(self) -> str:
        """What it is called here; no user can have a name with a space."""
        return self.username or f"mail {self.email}"

    @property
    def condition(self) -> ColumnElement[bool]:
        """Finds the user, if there is one; the username wins."""
        return User.username == self.username if self.username else User.email == self.email


def password_lost(guard: Guard, account: Account) -> None:
    """Have a token mailed; nobody can tell whether there is such an account."""
    audit.attempt("password.lost")
    guard.notices.password_lost(account.condition, guard.address)
    audit.succeeded()


def reset_password(guard: Guard, token: str, new: str) -> None:
    """Set a new password for whoever has a mailed token; the second factor stays as it is.

    Raises
    ------
    BadRequest
        When the token is not valid, or was used already, or the password is too weak.
    Unauthorized
        When the time of the token is over.
    """
    audit.attempt("password.reset")
    reset = _read(guard, Purpose.PASSWORD, token)
    password.check_policy(new)
    password_hash = password.hash_password(new)
    with guard.database.transaction() as session:
        user = _user_of(session, reset)
        user_service.set_password(session, user, password_hash)
        guard.limit.forget_account(session, guard.address, user.username)
        guard.notices.was_of_use(session, PASSWORD_RESET, user.id)
    audit.succeeded()


def second_factor_lost(guard: Guard, account: Account, secret: str) -> None:
    """Have a token mailed to somebody who knows the password.

    Raises
    ------
    Unauthorized
        When it is wrong, or there is no such account: nobody can tell which.
    """
    audit.attempt("second_factor.lost")
    user = guard.check_password(account.condition, account.name, secret)
    with guard.database.transaction() as session:
        guard.take_back(session, account.name)
    guard.notices.second_factor_lost(User.id == user.id, guard.address)
    audit.succeeded()


def reset_second_factor(
    guard: Guard, factors: SecondFactors, token: str, recovery_code: str
) -> dict[str, Any]:
    """What to set another app up with, for a mailed token and a recovery code.

    Without a recovery code only an app is replaced that was never confirmed: mail alone must
    not do away with a second factor.

    Raises
    ------
    BadRequest
        When the token is not valid, or was used already, or the recovery code is missing.
    Unauthorized
        When the time of the token is over, or the recovery code is wrong.
    """
    audit.attempt("second_factor.reset")
    reset = _read(guard, Purpose.SECOND_FACTOR, token)
    with guard.database.reading() as session:
        user = _user_of(session, reset)
        if factors.is_confirmed(session, user.id) and not recovery_code:
            raise BadRequest(_MAIL_ALONE)

    def replace(session: Session) -> dict[str, Any] | None:
        user = _user_of(session, reset)
        # Asked again: the owner may have confirmed the app a moment ago.
        is_confirmed = factors.is_confirmed(session, user.id)
        if is_confirmed and not second_factor.use_recovery_code(session, user.id, recovery_code):
            return None
        _remove_second_factor(session, guard, user)
        guard.notices.was_of_use(session, SECOND_FACTOR_RESET, user.id)
        return second_factor.shown(factors.enrol(session, user))

    answer = guard.check_code(user.username, replace)
    audit.succeeded()
    return answer


def new_recovery_codes(
    guard: Guard, factors: SecondFactors, identity: Identity, secret: str, code: str
) -> dict[str, Any]:
    """Other recovery codes, for somebody who has the password and the app.

    Raises
    ------
    Unauthorized
        When either is wrong.
    """
    audit.attempt("recovery_codes.change")
    user = guard.check_password(User.id == identity.id, identity.name or "", secret)

    def replace(session: Session) -> list[str] | None:
        # A recovery code must not make more of itself.
        if factors.prove(session, user.id, code) is not Proof.APP:
            return None
        return second_factor.new_recovery_codes(session, user.id)

    codes = guard.check_code(user.username, replace)
    with guard.database.transaction() as session:
        guard.forgive(session, user.username)
    audit.succeeded()
    return {"recovery_codes": codes, "msg": second_factor.KEEP_CODES}


def remove_second_factor(session: Session, guard: Guard, identity: Identity, user: User) -> None:
    """Forget the second factor of somebody else, who sets up another at the next log-in.

    Raises
    ------
    Forbidden
        For the own account, and for that of somebody who may do more.
    """
    if user.id == identity.id:
        raise Forbidden(
            "You cannot remove your own second factor; use a recovery code, or ask somebody else"
        )
    if identity.lacks(granting.power_of(user)):
        raise Forbidden("You cannot change how a user logs in who may do more than you")
    _remove_second_factor(session, guard, user)


def _remove_second_factor(session: Session, guard: Guard, user: User) -> None:
    second_factor.remove(session, user.id)
    user.revoke_tokens()
    event.record(session, event.credentials_changed(user.id))
    commit.after(session, lambda: guard.notices.second_factor_removed(user.id))
    audit.record("second_factor.remove", "success", session=session, **audit.about(user))
    session.flush()


def _read(guard: Guard, purpose: Purpose, token: str) -> Reset:
    """What a token says; those that are wrong are counted for the address."""
    try:
        return guard.notices.tokens.read(purpose, token)
    except Refusal:
        with guard.database.transaction() as session:
            guard.limit.reserve(session, f"reset {origin(guard.address)}")
        raise


def _user_of(session: Session, reset: Reset) -> User:
    user = session.get(User, reset.user_id, with_for_update=True)
    if user is None or not reset.is_for(user):
        raise BadRequest("The token was used already, or is no longer valid")
    audit.know(user)
    return user
