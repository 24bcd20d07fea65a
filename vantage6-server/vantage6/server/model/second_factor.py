from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Base


class SecondFactor(Base):
    """The authenticator app of a user: a secret that it shares with the server."""

    __tablename__ = "second_factor"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), primary_key=True
    )
    # Sealed with a key that is not in the database.
    sealed_secret: Mapped[str] = mapped_column(Text)
    # Until a code came that fits, the app may never have got the secret.
    confirmed_at: Mapped[datetime | None]
    # The time step of the last code that was taken: that one and those before it are used up.
    last_step: Mapped[int] = mapped_column(default=0)


class RecoveryCode(Base):
    """A code that replaces the authenticator app of a user, once."""

    __tablename__ = "recovery_code"

    user_id: Mapped[int] = mapped_column(
        ForeignKey("user.id", ondelete="CASCADE"), primary_key=True
    )
    # The codes are random and long, so a plain digest tells nothing.
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
