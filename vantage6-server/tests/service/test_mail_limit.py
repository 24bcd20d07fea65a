"""How many mails go out."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.model import MailCount
from vantage6.server.service.mail_limit import MailLimit

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def limit() -> MailLimit:
    return MailLimit(per_account=timedelta(minutes=10), per_address=3, overall=4)


def test_an_account_gets_one_of_each_kind_in_its_time(session: Session, limit: MailLimit) -> None:
    assert limit.admit(session, "reset", 1, at=NOON)
    assert not limit.admit(session, "reset", 1, at=NOON + timedelta(minutes=9))
    assert limit.admit(session, "warning", 1, at=NOON)
    assert limit.admit(session, "reset", 2, at=NOON)
    assert limit.admit(session, "reset", 1, at=NOON + timedelta(minutes=10))


def test_a_kind_may_be_rarer(session: Session, limit: MailLimit) -> None:
    day = timedelta(days=1)
    assert limit.admit(session, "warning", 1, within=day, at=NOON)
    assert not limit.admit(session, "warning", 1, within=day, at=NOON + 23 * HOUR)
    assert limit.admit(session, "warning", 1, within=day, at=NOON + day)


def test_an_address_may_ask_so_many_times_an_hour(session: Session, limit: MailLimit) -> None:
    admitted = [limit.admit_address(session, "10.0.0.1", at=NOON) for _ in range(4)]
    assert admitted == [True] * 3 + [False]
    assert limit.admit_address(session, "10.0.0.2", at=NOON)
    assert limit.admit_address(session, "10.0.0.1", at=NOON + HOUR)


def test_so_many_go_out_in_all_and_who_is_left_out_may_ask_again(
    session: Session, limit: MailLimit
) -> None:
    admitted = [limit.admit(session, "reset", number, at=NOON) for number in range(5)]
    assert admitted == [True] * 4 + [False]
    assert limit.admit(session, "reset", 4, at=NOON + HOUR)


def test_what_never_went_is_not_counted(session: Session, limit: MailLimit) -> None:
    assert limit.admit(session, "reset", 1, at=NOON)
    limit.forgive(session, "reset", 1)
    assert limit.admit(session, "reset", 1, at=NOON)


def test_names_and_addresses_are_not_kept_nor_what_is_past(
    session: Session, limit: MailLimit
) -> None:
    limit.admit_address(session, "10.0.0.1", at=NOON)
    limit.admit_address(session, "10.0.0.2", at=NOON + timedelta(days=2))
    (count,) = session.scalars(select(MailCount))
    assert "10.0.0" not in count.key
