"""Mails to users: who gets one, and how often. All of it happens outside the requests."""

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.model import User
from vantage6.server.service import letter
from vantage6.server.service.mail import Errand, Letter, Mailer, MailSettings
from vantage6.server.service.mail_limit import MailLimit
from vantage6.server.service.reset_token import Purpose, ResetTokens

log = logging.getLogger(__name__)

PASSWORD_RESET, SECOND_FACTOR_RESET = "password reset", "second factor reset"
_WARNING_EVERY = timedelta(days=1)

Write = Callable[[User], Letter]


class Notices:
    """Tells users what concerns their accounts.

    Nothing here says, or takes longer to say, whether there is such a user: all that a request
    does is to hand over a name.

    Parameters
    ----------
    database : Database
    tokens : ResetTokens
    limit : MailLimit
    settings : MailSettings, optional
        None where no mail can be sent; the log then tells what was asked for.
    mailer : Mailer, optional
        Needed together with `settings`.
    """

    def __init__(
        self,
        database: Database,
        tokens: ResetTokens,
        limit: MailLimit,
        settings: MailSettings | None,
        mailer: Mailer | None,
    ) -> None:
        self.tokens, self.limit = tokens, limit
        self._database, self._settings, self._mailer = database, settings, mailer

    def password_lost(self, whose: ColumnElement[bool], address: str) -> None:
        """Mail a token for a new password to a user, if there is such a one."""
        if not self._admits(address):
            return
        self._post(PASSWORD_RESET, whose, self._password_reset)

    def second_factor_lost(self, whose: ColumnElement[bool], address: str) -> None:
        """Mail a token that is one half of what a new second factor takes."""
        if not self._admits(address):
            return
        self._post(SECOND_FACTOR_RESET, whose, self._second_factor_reset)

    def many_guesses(self, whose: ColumnElement[bool]) -> None:
        """Warn the owner of an account, at most once a day."""
        self._post(
            "warning of wrong log-ins",
            whose,
            lambda user: letter.many_guesses(user, self._support),
            within=_WARNING_EVERY,
        )

    def second_factor_removed(self, user_id: int) -> None:
        """Tell a user that there is no second factor any more."""
        self._post(
            "second factor removed",
            User.id == user_id,
            lambda user: letter.second_factor_removed(user, self._support),
        )

    def was_of_use(self, session: Session, kind: str, user_id: int) -> None:
        """Let a user who used the token of a mail ask for another one."""
        self.limit.forgive(session, kind, user_id)

    def wait(self) -> None:
        """Wait until all letters are sent."""
        if self._mailer:
            self._mailer.wait()

    def close(self) -> None:
        """Send no more: the server stops."""
        if self._mailer:
            self._mailer.close()

    @property
    def _support(self) -> str:
        return self._settings.support if self._settings else ""

    @property
    def _minutes(self) -> int:
        return round(self.tokens.life.total_seconds() / 60)

    def _password_reset(self, user: User) -> Letter:
        token = self.tokens.make(Purpose.PASSWORD, user)
        return letter.password_reset(user, token, self._minutes, self._support)

    def _second_factor_reset(self, user: User) -> Letter:
        token = self.tokens.make(Purpose.SECOND_FACTOR, user)
        return letter.second_factor_reset(user, token, self._minutes, self._support)

    def _admits(self, address: str) -> bool:
        with self._database.transaction() as session:
            admitted = self.limit.admit_address(session, address)
        if not admitted:
            log.warning("Mail was not sent: %s asks for too many", address)
        return admitted

    def _post(
        self, kind: str, whose: ColumnElement[bool], write: Write, within: timedelta | None = None
    ) -> None:
        if self._mailer is None:
            log.warning("Mail was not sent (%s): the configuration has no `smtp` block", kind)
            return
        admitted: list[int] = []

        def write_if_admitted() -> Letter | None:
            with self._database.transaction() as session:
                user = session.scalar(select(User).where(whose))
                if user is None or not user.email:
                    return None
                if not self.limit.admit(session, kind, user.id, within=within):
                    log.info("Mail was not sent (%s): user %s had one lately", kind, user.id)
                    return None
                admitted.append(user.id)
                return write(user)

        def forgive() -> None:
            with self._database.transaction() as session:
                for user_id in admitted:
                    self.limit.forgive(session, kind, user_id)

        self._mailer.post(Errand(kind, write_if_admitted, forgive))
