"""How many wrong guesses are let through."""

from datetime import UTC, datetime, timedelta
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.exceptions import TooManyRequests
from vantage6.server.model import LoginAttempt
from vantage6.server.service import commit
from vantage6.server.service.guard import Guard
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.notice import Notices

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HERE, THERE = "10.0.0.1", "10.0.0.2"


@pytest.fixture
def limit() -> LoginLimit:
    return LoginLimit(per_account=2, per_address=4, minutes=15)


def test_an_account_is_blocked_for_one_address_until_the_time_is_over(
    session: Session, limit: LoginLimit
) -> None:
    for _ in range(2):
        limit.reserve(session, HERE, "alice", at=NOON)
    with pytest.raises(TooManyRequests):
        limit.reserve(session, HERE, "alice", at=NOON + timedelta(minutes=14))
    limit.reserve(session, THERE, "alice", at=NOON)
    limit.reserve(session, HERE, "bob", at=NOON)
    limit.reserve(session, HERE, "alice", at=NOON + timedelta(minutes=15))


def test_a_blocked_attempt_does_not_prolong_the_block(session: Session, limit: LoginLimit) -> None:
    for _ in range(2):
        limit.reserve(session, HERE, "alice", at=NOON)
    for minutes in range(1, 15):
        with pytest.raises(TooManyRequests):
            limit.reserve(session, HERE, "alice", at=NOON + timedelta(minutes=minutes))
    limit.reserve(session, HERE, "alice", at=NOON + timedelta(minutes=15))


def test_an_address_is_blocked_when_it_tries_many_accounts(
    session: Session, limit: LoginLimit
) -> None:
    for number in range(4):
        limit.reserve(session, HERE, f"user{number}", at=NOON)
    with pytest.raises(TooManyRequests):
        limit.reserve(session, HERE, "alice", at=NOON)


def test_what_was_right_is_not_counted(session: Session, limit: LoginLimit) -> None:
    for _ in range(9):
        limit.reserve(session, HERE, "alice", at=NOON)
        limit.forgive(session, HERE, "alice")


def test_who_was_right_when_the_database_went_away_is_not_locked_out(
    session: Session, limit: LoginLimit
) -> None:
    commit.attach(session)
    for _ in range(9):
        limit.reserve(session, HERE, "alice", at=NOON)
        limit.owe(HERE, "alice")
        session.commit()
    limit.reserve(session, HERE, "alice", at=NOON)
    session.commit()
    # The debt is paid once.
    limit.reserve(session, HERE, "alice", at=NOON)
    with pytest.raises(TooManyRequests):
        limit.reserve(session, HERE, "alice", at=NOON)


@pytest.mark.parametrize("way", ["forgive", "take_back"])
def test_a_right_attempt_over_which_the_database_goes_away_is_owed(
    way: str, session: Session, limit: LoginLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise OperationalError("UPDATE", {}, Exception("the server closed the connection"))

    owed = []
    monkeypatch.setattr(LoginLimit, way, fail)
    monkeypatch.setattr(LoginLimit, "owe", lambda _self, *whose: owed.append(whose))
    guard = Guard(Mock(spec=Database), limit, Mock(spec=Notices), HERE)
    with pytest.raises(OperationalError):
        getattr(guard, way)(session, "alice")
    assert owed == [(HERE, "alice")]


def test_a_debt_that_could_not_be_paid_remains(session: Session, limit: LoginLimit) -> None:
    commit.attach(session)
    limit.reserve(session, HERE, "alice", at=NOON)
    limit.reserve(session, HERE, "alice", at=NOON)
    limit.owe(HERE, "alice")
    session.commit()
    limit.reserve(session, HERE, "alice", at=NOON)
    session.rollback()
    limit.reserve(session, HERE, "alice", at=NOON)
    session.commit()
    with pytest.raises(TooManyRequests):
        limit.reserve(session, HERE, "alice", at=NOON)


def test_a_right_password_does_not_wash_an_address_clean(
    session: Session, limit: LoginLimit
) -> None:
    for number in range(3):
        limit.reserve(session, HERE, f"user{number}", at=NOON)
        limit.reserve(session, HERE, "mine", at=NOON)
        limit.forgive(session, HERE, "mine")
    limit.reserve(session, HERE, "user4", at=NOON)
    with pytest.raises(TooManyRequests):
        limit.reserve(session, HERE, "user5", at=NOON)


def test_what_is_long_past_is_forgotten_and_names_are_not_kept(
    session: Session, limit: LoginLimit
) -> None:
    limit.reserve(session, HERE, "alice", at=NOON)
    assert all("alice" not in key for key in session.scalars(select(LoginAttempt.key)))
    limit.reserve(session, THERE, "bob", at=NOON + timedelta(days=1))
    # Bob's: there, anywhere, and all of that address.
    assert session.scalar(select(func.count()).select_from(LoginAttempt)) == 3


def test_many_addresses_together_only_become_slower(session: Session, limit: LoginLimit) -> None:
    attempts = [
        limit.reserve(session, f"10.0.1.{number}", "alice", at=NOON) for number in range(20)
    ]
    pauses = [limit.pause_after(count) for count in attempts]
    assert pauses[:4] == [0.0] * 4
    assert pauses[4:9] == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert max(pauses) == 4.0


def test_a_right_password_is_not_slowed_down_by_right_ones(
    session: Session, limit: LoginLimit
) -> None:
    for _ in range(9):
        attempts = limit.reserve(session, HERE, "alice", at=NOON)
        assert limit.pause_after(attempts) == 0.0
        limit.forgive(session, HERE, "alice")


def test_half_a_login_does_not_make_wrong_codes_forgotten(
    session: Session, limit: LoginLimit
) -> None:
    limit.reserve(session, HERE, "alice", at=NOON)
    for _ in range(9):
        limit.reserve(session, HERE, "alice", at=NOON)
        limit.take_back(session, HERE, "alice")
    limit.reserve(session, HERE, "alice", at=NOON)
    with pytest.raises(TooManyRequests):
        limit.reserve(session, HERE, "alice", at=NOON)
