from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Base


class Replica(Base):
    """A process that serves, and when it was last heard of; it has a new id at every start."""

    __tablename__ = "replica"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    seen_at: Mapped[datetime]


class Presence(Base):
    """A user or node that is connected to a replica."""

    __tablename__ = "presence"

    replica_id: Mapped[str] = mapped_column(
        ForeignKey("replica.id", ondelete="CASCADE"), primary_key=True
    )
    identity_id: Mapped[int] = mapped_column(
        ForeignKey("authenticatable.id", ondelete="CASCADE"), primary_key=True, index=True
    )
