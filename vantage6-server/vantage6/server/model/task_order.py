from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from vantage6.server.model.base import Base


class TaskOrder(Base):
    """A task that a user may order once more without getting a second one, for a while.

    The key is a digest of who ordered it and of the word that came with the order.
    """

    __tablename__ = "task_order"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    # Of what was ordered, so that nobody takes the answer for that to another question.
    body: Mapped[str] = mapped_column(String(64))
    # Not a foreign key: an order outlives its task, so that what was deleted is not made again.
    task_id: Mapped[int | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
