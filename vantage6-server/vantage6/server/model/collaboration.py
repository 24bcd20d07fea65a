from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Boolean
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.server.model.association import Member
from vantage6.server.model.base import Model

if TYPE_CHECKING:
    from vantage6.server.model.node import Node
    from vantage6.server.model.organization import Organization
    from vantage6.server.model.task import Task


class Collaboration(Model):
    """Organizations that work on tasks together, all encrypted or all not."""

    __tablename__ = "collaboration"

    name: Mapped[str] = mapped_column(unique=True)
    encrypted: Mapped[bool] = mapped_column(
        Boolean(create_constraint=True, name="encrypted"), default=True
    )
    # How long inputs, results and logs are kept after a run has ended; without it, forever.
    retention_days: Mapped[int | None]
    # All that had ended by then is deleted already; see `service/retention.py`.
    purged_till: Mapped[datetime | None]

    organizations: Mapped[list["Organization"]] = relationship(
        secondary=Member, back_populates="collaborations", passive_deletes=True
    )
    # Deleted one by one: a node also has a row among the identities.
    nodes: Mapped[list["Node"]] = relationship(back_populates="collaboration", cascade="all")
    tasks: Mapped[list["Task"]] = relationship(
        back_populates="collaboration", cascade="all", passive_deletes=True
    )
