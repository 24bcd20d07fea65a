"""The tokens that are mailed to those who lost a password or a second factor.

Each kind is signed with a key of its own, so none can be used in the place of another, or as
the token of somebody who is logged in.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

import jwt

from vantage6.server.exceptions import BadRequest, Unauthorized
from vantage6.server.model import User
from vantage6.server.model.base import now
from vantage6.server.service.derived_key import derive

_ALGORITHM = "HS256"


class Purpose(Enum):
    """What a token is good for."""

    PASSWORD = "password"
    SECOND_FACTOR = "second factor"


@dataclass(frozen=True)
class Reset:
    """What a token says: whose it is, and which password and address that user had then."""

    user_id: int
    credential_version: int
    address: str

    def is_for(self, user: User | None) -> bool:
        """Whether the token is still good: it is not once it was used, or the address changed."""
        return user is not None and self == Reset(
            user.id, user.credential_version, _digest(user.email)
        )


class ResetTokens:
    """Makes and reads tokens.

    Parameters
    ----------
    secret : str
        That of the server.
    life : timedelta
    """

    def __init__(self, secret: str, life: timedelta) -> None:
        self._keys = {purpose: derive(secret, f"reset {purpose.value}") for purpose in Purpose}
        self.life = life

    def make(self, purpose: Purpose, user: User, *, at: datetime | None = None) -> str:
        """A token for a user."""
        at = at or now()
        claims = {
            # The shape that clients of the classic server know.
            "sub": {"id": str(user.id)},
            "type": "reset",
            "credential_version": user.credential_version,
            "address": _digest(user.email),
            "iat": at,
            "nbf": at,
            "exp": at + self.life,
        }
        return jwt.encode(claims, self._keys[purpose], _ALGORITHM)

    def read(self, purpose: Purpose, token: str) -> Reset:
        """What a token says.

        Raises
        ------
        Unauthorized
            When its time is over.
        BadRequest
            When it is no token, or one for something else.
        """
        try:
            claims = jwt.decode(
                token,
                self._keys[purpose],
                [_ALGORITHM],
                options={"verify_sub": False, "require": ["exp"]},
            )
            return Reset(int(claims["sub"]["id"]), claims["credential_version"], claims["address"])
        except jwt.ExpiredSignatureError as error:
            raise Unauthorized("The token has expired; ask for another mail") from error
        except (jwt.PyJWTError, UnicodeError) as error:
            raise BadRequest("The token is not valid") from error


def _digest(email: str | None) -> str:
    return hashlib.sha256((email or "").encode()).hexdigest()[:16]
