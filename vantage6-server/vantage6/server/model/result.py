from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import Enum, ForeignKey, Index, String, Text, and_, false
from sqlalchemy.orm import Mapped, mapped_column, relationship, validates

from vantage6.common.task_status import TaskStatus
from vantage6.server.model.base import Model, now

if TYPE_CHECKING:
    from vantage6.server.model.algorithm_port import AlgorithmPort
    from vantage6.server.model.blob import Blob
    from vantage6.server.model.node import Node
    from vantage6.server.model.organization import Organization
    from vantage6.server.model.task import Task


class Result(Model):
    """One organization's part of a task: its input, its state and what came out."""

    __tablename__ = "result"

    input: Mapped[str | None] = mapped_column(Text)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[int] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    result: Mapped[str | None] = mapped_column(Text)
    assigned_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    log: Mapped[str | None] = mapped_column(Text)
    status: Mapped[TaskStatus] = mapped_column(
        Enum(
            TaskStatus,
            native_enum=False,
            length=32,
            values_callable=lambda kind: [member.value for member in kind],
        ),
        default=TaskStatus.PENDING,
        server_default=TaskStatus.PENDING.value,
    )
    # What a classic node tells by socket event before it reports the end of the run.
    exit_code: Mapped[int | None]
    # The process of the node that has it; see `service/claim.py`.
    claim: Mapped[str | None] = mapped_column(String(64))
    claimed_at: Mapped[datetime | None]
    # When the node said that nothing is left of it there, after it was killed.
    stopped_at: Mapped[datetime | None]
    # Where input and result are instead, when they are large.
    input_blob_id: Mapped[int | None] = mapped_column(ForeignKey("blob.id"))
    result_blob_id: Mapped[int | None] = mapped_column(ForeignKey("blob.id"))
    # Whether the task was settled without this one.
    late: Mapped[bool] = mapped_column(default=False, server_default=false())
    # When the server learned that it had ended: `finished_at` is what the clock of a node says.
    ended_at: Mapped[datetime | None]
    # When input, result and log were deleted, of which the rest is kept.
    purged_at: Mapped[datetime | None]

    input_blob: Mapped["Blob | None"] = relationship(foreign_keys=[input_blob_id])
    result_blob: Mapped["Blob | None"] = relationship(foreign_keys=[result_blob_id])
    task: Mapped["Task"] = relationship(back_populates="results")
    organization: Mapped["Organization"] = relationship(back_populates="results")
    ports: Mapped[list["AlgorithmPort"]] = relationship(
        back_populates="result", cascade="all", passive_deletes=True, order_by="AlgorithmPort.id"
    )
    # The node of the organization in the collaboration of the task, if it has one.
    node: Mapped["Node | None"] = relationship(
        secondary="task",
        primaryjoin="and_(Result.task_id == Task.id,"
        " Result.organization_id == remote(foreign(Node.organization_id)))",
        secondaryjoin="Task.collaboration_id == foreign(Node.collaboration_id)",
        viewonly=True,
    )

    @validates("finished_at")
    def _note_end(self, _name: str, moment: datetime | None) -> datetime | None:
        if moment is not None and self.ended_at is None:
            self.ended_at = now()
        return moment

    @property
    def complete(self) -> bool:
        """Whether the run has ended, in whatever way."""
        return self.finished_at is not None


# What nodes ask for at every start of a task: their open runs, of few among many.
Index(
    "ix_result_open",
    Result.organization_id,
    sqlite_where=Result.finished_at.is_(None),
    postgresql_where=Result.finished_at.is_(None),
)
# What is deleted once it has been kept for long enough, the oldest first.
_kept = and_(Result.ended_at.is_not(None), Result.purged_at.is_(None))
Index("ix_result_kept", Result.ended_at, sqlite_where=_kept, postgresql_where=_kept)
# Whether a blob is still needed.
for _column in (Result.input_blob_id, Result.result_blob_id):
    Index(
        f"ix_result_{_column.key}",
        _column,
        sqlite_where=_column.is_not(None),
        postgresql_where=_column.is_not(None),
    )
