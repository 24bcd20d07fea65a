"""Codes of authenticator apps, and recovery codes."""

import logging
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from factories import Factory
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from vantage6.server.model import RecoveryCode, User
from vantage6.server.service import second_factor
from vantage6.server.service.second_factor import Proof, SecondFactors

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=30)
SECRET = "a secret of the tests, long enough to sign with"


@pytest.fixture
def factors() -> SecondFactors:
    return SecondFactors(True, SECRET)


@pytest.fixture
def totp(session: Session, factors: SecondFactors, user: User) -> pyotp.TOTP:
    """A confirmed app."""
    totp = pyotp.TOTP(factors.enrol(session, user).otp_secret)
    assert factors.confirm(session, user.id, totp.at(NOON), at=NOON)
    return totp


@pytest.mark.parametrize(("steps", "right"), [(-2, False), (-1, True), (1, True), (2, False)])
def test_the_step_before_and_the_one_after_are_taken(
    session: Session, factors: SecondFactors, user: User, totp: pyotp.TOTP, steps: int, right: bool
) -> None:
    later = NOON + 10 * STEP
    proof = factors.prove(session, user.id, totp.at(later + steps * STEP), at=later)
    assert proof is (Proof.APP if right else None)


def test_a_step_and_all_before_it_are_used_up(
    session: Session, factors: SecondFactors, user: User, totp: pyotp.TOTP
) -> None:
    later = NOON + 10 * STEP
    assert factors.prove(session, user.id, totp.at(later), at=later)
    for step in (later, later - STEP):
        assert factors.prove(session, user.id, totp.at(step), at=later) is None
    assert factors.prove(session, user.id, totp.at(later + STEP), at=later)


def test_the_code_that_confirmed_is_used_up(
    session: Session, factors: SecondFactors, user: User, totp: pyotp.TOTP
) -> None:
    assert factors.prove(session, user.id, totp.at(NOON), at=NOON) is None


def test_what_is_not_confirmed_proves_nothing(
    session: Session, factors: SecondFactors, user: User
) -> None:
    totp = pyotp.TOTP(factors.enrol(session, user).otp_secret)
    assert factors.prove(session, user.id, totp.at(NOON), at=NOON) is None
    assert factors.confirm(session, user.id, "000000", at=NOON) is None
    assert not factors.is_confirmed(session, user.id)


@pytest.mark.usefixtures("totp")
def test_what_is_confirmed_is_never_shown(
    session: Session, factors: SecondFactors, user: User
) -> None:
    with pytest.raises(LookupError):
        factors.enrol(session, user)


@pytest.mark.usefixtures("totp")
def test_recovery_codes_are_kept_as_digests(session: Session, user: User) -> None:
    codes = second_factor.new_recovery_codes(session, user.id)
    stored = set(session.scalars(select(RecoveryCode.digest)))
    assert len(stored) == 10
    assert not stored & set(codes)
    assert second_factor.use_recovery_code(session, user.id, codes[0])
    assert not second_factor.use_recovery_code(session, user.id, codes[0])
    assert second_factor.recovery_codes_left(session, user.id) == 9


@pytest.mark.usefixtures("totp")
def test_the_codes_of_one_user_are_worth_nothing_for_another(
    session: Session, make: Factory, user: User
) -> None:
    codes = second_factor.new_recovery_codes(session, user.id)
    assert not second_factor.use_recovery_code(session, make.user().id, codes[0])


def test_with_another_secret_the_app_is_not_known_but_recovery_codes_are(
    session: Session, user: User, totp: pyotp.TOTP, caplog: pytest.LogCaptureFixture
) -> None:
    other = SecondFactors(True, SECRET[::-1])
    codes = second_factor.new_recovery_codes(session, user.id)
    later = NOON + STEP
    assert other.prove(session, user.id, totp.at(later), at=later) is None
    assert "was jwt_secret_key replaced?" in caplog.text
    assert caplog.records[-1].levelno == logging.ERROR
    assert other.prove(session, user.id, codes[0], at=later) is Proof.RECOVERY


@pytest.mark.usefixtures("totp")
def test_all_of_it_goes_with_the_user(session: Session, user: User) -> None:
    session.commit()
    session.delete(user)
    session.flush()
    assert session.scalar(select(func.count()).select_from(RecoveryCode)) == 0
