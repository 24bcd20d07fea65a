from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.base import Model, now

if TYPE_CHECKING:
    from vantage6.server.model.blob import Blob


class Upload(Model):
    """A large payload on its way to the payload store; forgotten when nobody goes on with it."""

    __tablename__ = "upload"

    collaboration_id: Mapped[int] = mapped_column(
        ForeignKey("collaboration.id", ondelete="CASCADE"), index=True
    )
    # The user or node that sends it, and nobody else.
    identity_id: Mapped[int] = mapped_column(
        ForeignKey("authenticatable.id", ondelete="CASCADE"), index=True
    )
    # Of a container only the run that began it may use it; its node has others.
    result_id: Mapped[int | None] = mapped_column(
        ForeignKey("result.id", ondelete="CASCADE"), index=True
    )
    size: Mapped[int] = mapped_column(BigInteger)
    # As that of a blob.
    form: Mapped[str] = mapped_column(String(16))
    # Bytes that are kept for certain; who was cut off goes on from there.
    received: Mapped[int] = mapped_column(BigInteger, default=0)
    # What the store knows it by.
    name: Mapped[str] = mapped_column(String(255), unique=True)
    # What the store has to remember until all is there.
    state: Mapped[str | None] = mapped_column(Text)
    # The request that writes to it, or did so last; what others write does not count.
    writer: Mapped[str | None] = mapped_column(String(32))
    # Where it is once all is there.
    blob_id: Mapped[int | None] = mapped_column(ForeignKey("blob.id"), index=True)
    touched_at: Mapped[datetime] = mapped_column(default=now, index=True)

    blob: Mapped["Blob | None"] = relationship()
