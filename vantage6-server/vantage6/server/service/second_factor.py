"""The second factor: codes of an authenticator app (TOTP), and recovery codes for its loss."""

import hashlib
import hmac
import logging
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

import pyotp
from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.orm import Session

from vantage6.server.model import RecoveryCode, SecondFactor, User
from vantage6.server.model.base import now
from vantage6.server.service import audit
from vantage6.server.service.derived_key import derive_for_sealing

log = logging.getLogger(__name__)

ISSUER = "vantage6"
STEP_SECONDS = 30
RECOVERY_CODES = 10
# Letters and digits that nobody mistakes for one another; 16 of them are 80 bits.
_ALPHABET = "".join(sorted(set(string.ascii_lowercase + string.digits) - set("ilo1")))
_GROUPS, _GROUP_LENGTH = 4, 4


KEEP_CODES = (
    "Keep these recovery codes: each replaces your authenticator app once, and they are shown "
    "only now"
)


class Proof(Enum):
    """What a code turned out to be."""

    APP = "app"
    RECOVERY = "recovery"


@dataclass(frozen=True)
class Enrolment:
    """What a user needs to set up an authenticator app."""

    qr_uri: str
    otp_secret: str


class SecondFactors:
    """The second factors of all users.

    Parameters
    ----------
    required : bool
        Whether a log-in needs one.
    secret : str
        That of the server: the secrets of the apps are sealed with a key made from it, so that
        a copy of the database alone does not give them away.
    """

    def __init__(self, required: bool, secret: str) -> None:
        self.required = required
        self._sealer = Fernet(derive_for_sealing(secret, "second factor"))

    def is_confirmed(self, session: Session, user_id: int) -> bool:
        """Whether a user has an app that has shown it knows the secret; this does not change."""
        factor = session.get(SecondFactor, user_id, with_for_update=True)
        return factor is not None and factor.confirmed_at is not None

    def enrol(self, session: Session, user: User) -> Enrolment:
        """What to set an app up with: another secret each time, until one is confirmed.

        Were it the same again, somebody who knows the password could look first, and have the
        codes of the owner's app ever after.

        Raises
        ------
        LookupError
            When it is confirmed: from then on nobody sees the secret.
        """
        factor = session.get(SecondFactor, user.id, with_for_update=True)
        if factor and factor.confirmed_at:
            raise LookupError("The secret of a confirmed app is not shown again")
        secret = pyotp.random_base32()
        self._store(session, user.id, secret)
        return Enrolment(
            pyotp.TOTP(secret).provisioning_uri(name=user.username, issuer_name=ISSUER), secret
        )

    def confirm(
        self, session: Session, user_id: int, code: str, *, at: datetime | None = None
    ) -> list[str] | None:
        """The recovery codes, when a first code shows that the app has the secret; else None."""
        factor = session.get(SecondFactor, user_id, with_for_update=True)
        if factor is None or factor.confirmed_at or not self._take_step(factor, code, at):
            return None
        factor.confirmed_at = at or now()
        audit.record("second_factor.confirm", "success", session=session, user_id=user_id)
        return new_recovery_codes(session, user_id)

    def check(
        self, session: Session, user_id: int, code: str, *, at: datetime | None = None
    ) -> dict[str, Any] | None:
        """What a user is told whose code is right, None when it is wrong.

        The first code confirms the app. Every code is used up by this.
        """
        codes = self.confirm(session, user_id, code, at=at)
        if codes is not None:
            return {"recovery_codes": codes, "msg": KEEP_CODES}
        match self.prove(session, user_id, code, at=at):
            case Proof.APP:
                return {}
            case Proof.RECOVERY:
                left = recovery_codes_left(session, user_id)
                return {"msg": f"That was a recovery code; you have {left} left"}
            case _:
                return None

    def prove(
        self, session: Session, user_id: int, code: str, *, at: datetime | None = None
    ) -> Proof | None:
        """What a code of a confirmed user is, or None; either kind is used up by this."""
        factor = session.get(SecondFactor, user_id, with_for_update=True)
        if factor is None or factor.confirmed_at is None:
            return None
        if self._take_step(factor, code, at):
            return Proof.APP
        return Proof.RECOVERY if use_recovery_code(session, user_id, code) else None

    def _store(self, session: Session, user_id: int, secret: str) -> None:
        remove(session, user_id)
        sealed = self._sealer.encrypt(secret.encode()).decode()
        session.add(SecondFactor(user_id=user_id, sealed_secret=sealed))
        session.flush()

    def _open(self, factor: SecondFactor) -> str | None:
        try:
            return self._sealer.decrypt(factor.sealed_secret.encode()).decode()
        except InvalidToken:
            log.error(
                "The second factor of user %s cannot be read: was jwt_secret_key replaced? "
                "A recovery code still works, or have it reset",
                factor.user_id,
            )
            return None

    def _take_step(self, factor: SecondFactor, code: str, at: datetime | None) -> bool:
        secret = self._open(factor)
        step = _matching_step(secret, code, at or now(), factor.last_step) if secret else None
        if step is None:
            return False
        factor.last_step = step
        return True


def shown(enrolment: Enrolment) -> dict[str, str]:
    """How an enrolment stands in an answer."""
    return {
        "qr_uri": enrolment.qr_uri,
        "otp_secret": enrolment.otp_secret,
        "msg": "Set up your authenticator app with this, then log in again with its code "
        "(mfa_code)",
    }


def remove(session: Session, user_id: int) -> bool:
    """Forget the app and the recovery codes of a user; whether there was a confirmed one."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    factor = session.get(SecondFactor, user_id)
    if factor is None:
        return False
    session.delete(factor)
    session.flush()
    return factor.confirmed_at is not None


def use_recovery_code(session: Session, user_id: int, code: str) -> bool:
    """Whether this is one of the recovery codes of a user; it is used up by this."""
    found = session.execute(
        delete(RecoveryCode).where(
            RecoveryCode.user_id == user_id, RecoveryCode.digest == _digest(code)
        )
    )
    assert isinstance(found, CursorResult)
    if found.rowcount == 1:
        audit.record("second_factor.recovery_code", "success", session=session, user_id=user_id)
    return found.rowcount == 1


def recovery_codes_left(session: Session, user_id: int) -> int:
    """How many recovery codes a user has."""
    query = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user_id)
    return session.scalar(query) or 0


def _matching_step(secret: str, code: str, at: datetime, last_step: int) -> int | None:
    """The time step that a code belongs to: this one, the one before or the one after."""
    totp = pyotp.TOTP(secret)
    current = int(at.timestamp()) // STEP_SECONDS
    matching = [
        step
        for step in (current - 1, current, current + 1)
        if hmac.compare_digest(totp.generate_otp(step), _digits(code))
    ]
    # The same digits may stand for two steps by chance: the first unused one counts.
    return next((step for step in matching if step > last_step), None)


def _digits(code: str) -> str:
    """A code as the app shows it: who sends a number loses the zeros in front."""
    plain = "".join(code.split())
    return plain.zfill(6) if plain.isascii() and plain.isdecimal() else ""


def new_recovery_codes(session: Session, user_id: int) -> list[str]:
    """Other recovery codes in the place of those that a user had."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    codes = [_random_code() for _ in range(RECOVERY_CODES)]
    session.add_all(RecoveryCode(user_id=user_id, digest=_digest(code)) for code in codes)
    session.flush()
    return codes


def _random_code() -> str:
    groups: Sequence[str] = [
        "".join(secrets.choice(_ALPHABET) for _ in range(_GROUP_LENGTH)) for _ in range(_GROUPS)
    ]
    return "-".join(groups)


def _digest(code: str) -> str:
    plain = "".join(char for char in code.lower() if char.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()
