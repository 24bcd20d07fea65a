"""The comparison of secrets: counted before it is made, and the same whoever it is about."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.exceptions import Unauthorized
from vantage6.server.model import User
from vantage6.server.service import audit, password
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.notice import Notices

T = TypeVar("T")


@dataclass(frozen=True)
class Guard:
    """Compares secrets that somebody at one address shows.

    No transaction is open, and no connection is held, while a password is hashed or a guess is
    made to wait.
    """

    database: Database
    limit: LoginLimit
    notices: Notices
    address: str

    def check_password(self, whose: ColumnElement[bool], name: str, secret: str) -> User:
        """The user with this password; the attempt is counted until it is taken back.

        Parameters
        ----------
        whose : condition
        name : str
            What the attempts are counted under: the account as it was named, since the name of
            who is found by something else would tell that he was found.
        secret : str

        Raises
        ------
        Unauthorized
            When it is wrong, or there is no such user: nobody can tell which.
        TooManyRequests
        """
        with self.database.reading() as session:
            user = session.scalar(select(User).where(whose))
        audit.know(user)
        self.check(
            name,
            lambda: password.matches(secret, user.password_hash if user else None),
            whose=whose,
        )
        # Nothing matches the password of nobody.
        assert user is not None
        return user

    def check(
        self,
        account: str,
        compare: Callable[[], bool],
        refusal: str = "The username or the password is wrong",
        *,
        whose: ColumnElement[bool],
    ) -> None:
        """Count an attempt at an account, and make it; see `check_password`."""
        with self.limit.turn(self.address, account):
            with self.database.transaction() as session:
                attempts = self.limit.reserve(session, self.address, account)
            self.limit.sleep(self.limit.pause_after(attempts))
            if compare():
                return
        if attempts == self.limit.unhindered:
            self.notices.many_guesses(whose)
        raise Unauthorized(refusal)

    def take_back(self, session: Session, account: str) -> None:
        """Do not count an attempt that was right, but not the last step."""
        with self._owing(account):
            self.limit.take_back(session, self.address, account)

    def forgive(self, session: Session, account: str) -> None:
        """Forget the attempts before one that was right."""
        with self._owing(account):
            self.limit.forgive(session, self.address, account)

    @contextmanager
    def _owing(self, account: str) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError:
            self.limit.owe(self.address, account)
            raise

    def check_code(self, account: str, compare: Callable[[Session], T | None]) -> T:
        """What a code of somebody who knows the password turns out to be.

        Raises
        ------
        Unauthorized
            When it is wrong.
        TooManyRequests
            When there were too many wrong ones, from wherever.
        """
        with self.database.transaction() as session:
            attempts = self.limit.reserve_code(session, account)
        with self.database.transaction() as session:
            found = compare(session)
            if found is None:
                # Not even a recovery code that was tried where only the app will do is lost.
                session.rollback()
            else:
                self.limit.forgive_codes(session, account)
                return found
        if attempts == self.limit.unhindered:
            self.notices.many_guesses(User.username == account)
        raise Unauthorized("The code is wrong, or was used already")
