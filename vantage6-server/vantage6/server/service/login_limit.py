"""Limits to guessing: wrong passwords are counted per account and address, and per address.

An account is never locked as such: who guesses locks out the own address, for that account or
for all, and nobody else.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Network, ip_address

from sqlalchemy import delete, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from vantage6.server import configuration
from vantage6.server.exceptions import TooManyRequests
from vantage6.server.model import LoginAttempt
from vantage6.server.model.base import now


@dataclass(frozen=True)
class LoginLimit:
    """How many wrong guesses are let through, and how long they are remembered."""

    per_account: int = configuration.MAX_FAILED_ATTEMPTS
    per_address: int = configuration.MAX_FAILED_ATTEMPTS_PER_ADDRESS
    minutes: float = configuration.INACTIVATION_MINUTES

    def reserve(
        self,
        session: Session,
        address: str,
        account: str | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Count an attempt before its secret is compared.

        Counted first, so that many guesses at the same time are not let through together. A
        right one is taken off again with `forgive`.

        Raises
        ------
        TooManyRequests
            When there were too many; this attempt is then not counted.
        """
        self.check(session, address, account, at=at)
        self.count(session, address, account, at=at)

    def check(
        self,
        session: Session,
        address: str,
        account: str | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Raise TooManyRequests when there were too many wrong guesses lately."""
        at = at or now()
        since = at - timedelta(minutes=self.minutes)
        for key, maximum in self._keys(address, account):
            attempt = session.get(LoginAttempt, key, with_for_update=True)
            if attempt and attempt.count >= maximum and attempt.last_at > since:
                raise self._refusal(attempt.last_at - since)

    def count(
        self,
        session: Session,
        address: str,
        account: str | None = None,
        *,
        at: datetime | None = None,
    ) -> None:
        """Count one wrong guess, and forget those that are long past."""
        at = at or now()
        since = at - timedelta(minutes=self.minutes)
        session.execute(delete(LoginAttempt).where(LoginAttempt.last_at <= since))
        for key, _ in self._keys(address, account):
            _insert_if_missing(session, key, at)
            session.execute(
                update(LoginAttempt)
                .where(LoginAttempt.key == key)
                .values(count=LoginAttempt.count + 1, last_at=at)
            )

    def forgive(self, session: Session, address: str, account: str) -> None:
        """Take a reserved attempt back: the secret was right."""
        (account_key, _), (address_key, _) = self._keys(address, account)
        session.execute(delete(LoginAttempt).where(LoginAttempt.key == account_key))
        session.execute(
            update(LoginAttempt)
            .where(LoginAttempt.key == address_key, LoginAttempt.count > 0)
            .values(count=LoginAttempt.count - 1)
        )

    def _keys(self, address: str, account: str | None) -> Sequence[tuple[str, int]]:
        address = _origin(address)
        by_address = (_digest("address", address), self.per_address)
        if account is None:
            return (by_address,)
        return (_digest("account", address, account.lower()), self.per_account), by_address

    @staticmethod
    def _refusal(remaining: timedelta) -> TooManyRequests:
        seconds = max(1, round(remaining.total_seconds()))
        minutes = -(-seconds // 60)
        return TooManyRequests(
            f"Too many wrong attempts; try again in {minutes} minute(s)",
            headers={"Retry-After": str(seconds)},
        )


def _origin(address: str) -> str:
    """An address; of those of version 6 the network, since everybody has all of one to himself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        # What a proxy tells need not be an address.
        return address
    if parsed.version == 4 or parsed.ipv4_mapped:
        return address
    return str(IPv6Network((parsed, 64), strict=False))


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _insert_if_missing(session: Session, key: str, at: datetime) -> None:
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    session.execute(
        insert(LoginAttempt).values(key=key, count=0, last_at=at).on_conflict_do_nothing()
    )
