from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Base


class RefreshToken(Base):
    """A refresh token that was given out, and until when it is good; each use prolongs that."""

    __tablename__ = "refresh_token"

    # The claim `jti`; without the signature of the server it is worth nothing.
    token_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    identity_id: Mapped[int] = mapped_column(
        ForeignKey("authenticatable.id", ondelete="CASCADE"), index=True
    )
    expires_at: Mapped[datetime] = mapped_column(index=True)
