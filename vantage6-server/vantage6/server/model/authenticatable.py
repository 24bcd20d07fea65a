from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Model


class Authenticatable(Model):
    """What users and nodes have in common: one id space, the `sub` of their tokens."""

    __tablename__ = "authenticatable"

    type: Mapped[str | None] = mapped_column(String(50))
    ip: Mapped[str | None]
    last_seen: Mapped[datetime | None]
    status: Mapped[str | None]
    # Tokens carry this number; raising it makes all tokens given out before void.
    credential_version: Mapped[int] = mapped_column(default=0, server_default="0")

    __mapper_args__ = {"polymorphic_on": type, "polymorphic_identity": "authenticatable"}

    def revoke_tokens(self) -> None:
        """Make every token void that this identity holds."""
        self.credential_version = (self.credential_version or 0) + 1
