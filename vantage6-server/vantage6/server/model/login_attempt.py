from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Base


class LoginAttempt(Base):
    """How often a secret was guessed wrong by one address, for one account or in all.

    The key is a digest, so that what people type as their name is not kept.
    """

    __tablename__ = "login_attempt"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    last_at: Mapped[datetime]
