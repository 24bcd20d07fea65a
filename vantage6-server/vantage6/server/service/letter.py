"""What the mails to users say."""

from collections.abc import Sequence
from html import escape

from vantage6.server.model import User
from vantage6.server.service.mail import Letter

PASSWORD_SUBJECT = "Password reset vantage6"
SECOND_FACTOR_SUBJECT = "Two-factor authentication reset vantage6"
GUESSES_SUBJECT = "Wrong log-ins to your vantage6 account"
REMOVED_SUBJECT = "Two-factor authentication removed vantage6"

_LONGEST_NAME = 100


def password_reset(user: User, token: str, minutes: int, support: str) -> Letter:
    """To somebody who forgot a password."""
    return _letter(
        user,
        PASSWORD_SUBJECT,
        [
            "somebody, probably you, asked for a new password for your vantage6 account "
            f"{user.username}. With this token you can choose one:",
            token,
            _life(minutes),
            "If you did not ask for this, ignore this mail: your password stays as it is.",
        ],
        support,
    )


def second_factor_reset(user: User, token: str, minutes: int, support: str) -> Letter:
    """To somebody who lost an authenticator app."""
    return _letter(
        user,
        SECOND_FACTOR_SUBJECT,
        [
            "somebody, probably you, asked for another second factor for your vantage6 account "
            f"{user.username}. This token, together with one of your recovery codes, gives it:",
            token,
            _life(minutes),
            "Without a recovery code, ask an administrator of your organization.",
            "If you did not ask for this, somebody knows your password: change it now.",
        ],
        support,
    )


def many_guesses(user: User, support: str) -> Letter:
    """To somebody whose password, or second factor, is being guessed."""
    return _letter(
        user,
        GUESSES_SUBJECT,
        [
            f"there were many wrong attempts to log in to your vantage6 account {user.username}. "
            "It is not locked, but logging in takes some seconds longer for a while.",
            "If this was not you, somebody may be guessing: make sure that your password is used "
            "nowhere else.",
        ],
        support,
    )


def second_factor_removed(user: User, support: str) -> Letter:
    """To somebody whose authenticator app is no longer known."""
    return _letter(
        user,
        REMOVED_SUBJECT,
        [
            f"the second factor of your vantage6 account {user.username} was removed. At the next "
            "log-in you are shown how to set up another one.",
            "If neither you nor an administrator of your organization did this, change your "
            "password now and tell them.",
        ],
        support,
    )


def _life(minutes: int) -> str:
    return f"It is good for {minutes} minutes, and once."


def _letter(user: User, subject: str, paragraphs: Sequence[str], support: str) -> Letter:
    # On one line, and short: in whatever a user is called, nobody writes a letter of his own.
    name = " ".join((user.firstname or user.username).split())[:_LONGEST_NAME]
    text = "\n\n".join([f"Dear {name},", *paragraphs, "vantage6"])
    shown = [f"Dear {name},", *paragraphs, f"Questions? Write to {support}."]
    html = "".join(f"<p>{escape(paragraph)}</p>" for paragraph in shown)
    return Letter(
        to=user.email or "", subject=subject, text=f"{text}\n", html=f"<html>{html}</html>"
    )
