"""Limits to mail: per account, per address that asks, and in all; kept in the database."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete
from sqlalchemy.orm import Session

from vantage6.server import configuration
from vantage6.server.database import delete_unheld, insert_or_hold
from vantage6.server.model import MailCount
from vantage6.server.model.base import now
from vantage6.server.service.limit_key import key_of, origin

_HOUR = timedelta(hours=1)
# No count is kept for longer.
_LONGEST = timedelta(days=1)


@dataclass(frozen=True)
class MailLimit:
    """How many mails go out.

    Attributes
    ----------
    per_account : timedelta
        The time in which an account gets one mail of each kind.
    per_address, overall : int
        How many one address may ask for in an hour, and how many go out in one.
    """

    per_account: timedelta = _HOUR
    per_address: int = 20
    overall: int = configuration.MAILS_PER_HOUR

    def admit_address(self, session: Session, address: str, *, at: datetime | None = None) -> bool:
        """Count that an address asks for a mail; whether it may."""
        key = key_of("address", origin(address))
        return _take(session, key, self.per_address, _HOUR, at or now())

    def admit(
        self,
        session: Session,
        kind: str,
        account: int,
        *,
        within: timedelta | None = None,
        at: datetime | None = None,
    ) -> bool:
        """Count a mail of some kind to an account; whether it may go out."""
        at = at or now()
        if not _take(session, _account(kind, account), 1, within or self.per_account, at):
            return False
        if _take(session, key_of("overall"), self.overall, _HOUR, at):
            return True
        self.forgive(session, kind, account)
        return False

    def forgive(self, session: Session, kind: str, account: int) -> None:
        """Let an account have another mail of a kind: the last one was of use, or never went."""
        session.execute(delete(MailCount).where(MailCount.key == _account(kind, account)))


def _take(session: Session, key: str, maximum: int, window: timedelta, at: datetime) -> bool:
    """Count one more in the window that is open, or in a new one; False when it is full."""
    delete_unheld(session, MailCount, MailCount.since <= at - _LONGEST)
    insert_or_hold(session, MailCount, key=key, count=0, since=at)
    count = session.get_one(MailCount, key, with_for_update=True, populate_existing=True)
    if count.since <= at - window:
        count.count, count.since = 0, at
    if count.count >= maximum:
        return False
    count.count += 1
    session.flush()
    return True


def _account(kind: str, account: int) -> str:
    return key_of("account", kind, str(account))
