from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Base


class MailCount(Base):
    """How many mails were asked for since a moment: for one account, by one address, or in all.

    The key is a digest, so that what people type as their name is not kept.
    """

    __tablename__ = "mail_count"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    count: Mapped[int]
    since: Mapped[datetime]
