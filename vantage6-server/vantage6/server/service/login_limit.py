"""Limits to guessing: wrong secrets are counted per account and address, and per address.

An account is never locked as such: who guesses locks out the own address, for that account or
for all, and nobody else. What is guessed from many addresses at once only becomes slower, and
the owner is told.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from vantage6.server import configuration
from vantage6.server.database import delete_unheld, insert_or_hold
from vantage6.server.exceptions import TooManyRequests
from vantage6.server.model import LoginAttempt
from vantage6.server.model.base import now
from vantage6.server.service import commit
from vantage6.server.service.limit_key import key_of, origin
from vantage6.server.service.turns import Lines

# Seconds; the longest is short enough for an owner who has to wait because of a stranger.
FIRST_PAUSE, LONGEST_PAUSE = 0.25, 4.0


@dataclass(frozen=True)
class LoginLimit:
    """How many wrong guesses are let through, and how long they are remembered.

    Attributes
    ----------
    per_account : int
        For one account from one address.
    per_address : int
        For all accounts from one address.
    minutes : float
        How long they are remembered.
    sleep : callable
        Waits for some seconds.
    """

    per_account: int = configuration.MAX_FAILED_ATTEMPTS
    per_address: int = configuration.MAX_FAILED_ATTEMPTS_PER_ADDRESS
    minutes: float = configuration.INACTIVATION_MINUTES
    sleep: Callable[[float], object] = time.sleep
    # How many right attempts are still counted as wrong, by address and account.
    _owed: Counter[tuple[str, str]] = field(default_factory=Counter, repr=False, compare=False)
    _lines: Lines = field(default_factory=Lines, repr=False, compare=False)

    @property
    def unhindered(self) -> int:
        """How many wrong guesses for one account, from anywhere, are answered at once."""
        return 2 * self.per_account

    def pause_after(self, attempts: int) -> float:
        """Seconds to wait before one more guess, after so many from anywhere."""
        beyond = attempts - self.unhindered
        return 0.0 if beyond <= 0 else min(FIRST_PAUSE * 2 ** (beyond - 1), LONGEST_PAUSE)

    def turn(self, address: str, account: str) -> AbstractContextManager[None]:
        """Wait until nobody else is at an account from an address, and be the one meanwhile.

        What is under way counts as wrong: with several right ones at once, as of somebody who
        starts ten programs, the last would be locked out.
        """
        return self._lines.turn((address, account))

    def reserve(
        self,
        session: Session,
        address: str,
        account: str | None = None,
        *,
        at: datetime | None = None,
    ) -> int:
        """Count an attempt before its secret is compared.

        Counted first, so that many guesses at the same time are not let through together. A
        right one is taken off again with `take_back` or `forgive`.

        Returns
        -------
        int
            How many there were for the account from anywhere, with this one.

        Raises
        ------
        TooManyRequests
            When there were too many; this attempt is then not counted.
        """
        at = at or now()
        keys = _keys(address, account)
        if account is not None:
            self._pay(session, address, account)
        for key in keys:
            # Always in the same order: nobody waits in a circle.
            insert_or_hold(session, LoginAttempt, key=key, count=0, last_at=at)
        for key, maximum in self._limited(address, account):
            self._check(session, key, maximum, at)
        counts = {key: self._add_one(session, key, at) for key in keys}
        self._forget(session, at)
        return 0 if account is None else counts[_account_anywhere(account)]

    def take_back(self, session: Session, address: str, account: str) -> None:
        """Do not count a reserved attempt: the secret was right."""
        for key in _keys(address, account):
            session.execute(
                update(LoginAttempt)
                .where(LoginAttempt.key == key, LoginAttempt.count > 0)
                .values(count=LoginAttempt.count - 1)
            )

    def owe(self, address: str, account: str) -> None:
        """Take an attempt back with the next one: the database went away over a right one.

        Else who is right would be locked out by a database that comes and goes.
        """
        self._owed[address, account] += 1

    def forgive(self, session: Session, address: str, account: str) -> None:
        """Take a reserved attempt back, and forget the wrong ones of this address before it."""
        self.take_back(session, address, account)
        key = _account_here(address, account)
        session.execute(delete(LoginAttempt).where(LoginAttempt.key == key))

    def forget_account(self, session: Session, address: str, account: str) -> None:
        """Begin anew for an account of which the password was replaced.

        But not with its codes: else whoever reads the mail of an account could guess them for as
        long as it takes.
        """
        keys = [_account_here(address, account), _account_anywhere(account)]
        session.execute(delete(LoginAttempt).where(LoginAttempt.key.in_(keys)))

    def reserve_code(self, session: Session, account: str, *, at: datetime | None = None) -> int:
        """Count an attempt at a code of an account, wherever it comes from; how many there were.

        Only who knows the password gets as far as this, so a stranger cannot lock anybody out;
        and codes are short, so many addresses must not guess them together.

        Raises
        ------
        TooManyRequests
            When there were too many; this attempt is then not counted.
        """
        at = at or now()
        insert_or_hold(session, LoginAttempt, key=_codes(account), count=0, last_at=at)
        self._check(session, _codes(account), self.unhindered, at)
        return self._add_one(session, _codes(account), at)

    def forgive_codes(self, session: Session, account: str) -> None:
        """Forget the wrong codes of an account: now there was a right one."""
        session.execute(delete(LoginAttempt).where(LoginAttempt.key == _codes(account)))

    def _pay(self, session: Session, address: str, account: str) -> None:
        owed = self._owed.get((address, account), 0)
        if not owed:
            return
        for _ in range(owed):
            self.take_back(session, address, account)
        commit.after(session, lambda: self._forget_debt(address, account, owed))

    def _forget_debt(self, address: str, account: str, paid: int) -> None:
        self._owed[address, account] -= paid
        if self._owed[address, account] <= 0:
            del self._owed[address, account]

    def _limited(self, address: str, account: str | None) -> Iterator[tuple[str, int]]:
        if account is not None:
            yield _account_here(address, account), self.per_account
        yield _address(address), self.per_address

    def _check(self, session: Session, key: str, maximum: int, at: datetime) -> None:
        since = at - timedelta(minutes=self.minutes)
        attempt = session.get(LoginAttempt, key, with_for_update=True)
        if attempt and attempt.count >= maximum and attempt.last_at > since:
            raise self._refusal(attempt.last_at - since)

    def _add_one(self, session: Session, key: str, at: datetime) -> int:
        """Count one more, or the first one after those that are long past."""
        attempt = session.get_one(LoginAttempt, key, with_for_update=True)
        is_past = attempt.last_at <= at - timedelta(minutes=self.minutes)
        attempt.count = 1 if is_past else attempt.count + 1
        attempt.last_at = at
        session.flush()
        return attempt.count

    def _forget(self, session: Session, at: datetime) -> None:
        """Delete what is long past; what others work with is for them to begin anew."""
        since = at - timedelta(minutes=self.minutes)
        delete_unheld(session, LoginAttempt, LoginAttempt.last_at <= since)

    @staticmethod
    def _refusal(remaining: timedelta) -> TooManyRequests:
        seconds = max(1, round(remaining.total_seconds()))
        minutes = -(-seconds // 60)
        return TooManyRequests(
            f"Too many wrong attempts; try again in {minutes} minute(s)",
            headers={"Retry-After": str(seconds)},
        )


def _keys(address: str, account: str | None) -> list[str]:
    """Under what an attempt is counted, in the order in which it is taken hold of."""
    if account is None:
        return [_address(address)]
    return [_account_here(address, account), _account_anywhere(account), _address(address)]


# To the letter: else the owner of "ROOT" would, by logging in, have guesses at "root" forgotten.
def _account_here(address: str, account: str) -> str:
    return key_of("account", origin(address), account)


def _account_anywhere(account: str) -> str:
    return key_of("anywhere", account)


def _codes(account: str) -> str:
    return key_of("codes", account)


def _address(address: str) -> str:
    return key_of("address", origin(address))
