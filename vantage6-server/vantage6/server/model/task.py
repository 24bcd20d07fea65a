from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import ForeignKey, Index, and_
from sqlalchemy.orm import Mapped, mapped_column, relationship

from vantage6.common.task_status import TaskStatus, combined, is_final, settled
from vantage6.server.model.base import Model, now

if TYPE_CHECKING:
    from vantage6.server.model.collaboration import Collaboration
    from vantage6.server.model.organization import Organization
    from vantage6.server.model.result import Result
    from vantage6.server.model.run import Run
    from vantage6.server.model.user import User


class Task(Model):
    """A question to one or more organizations of a collaboration.

    The subtasks that its containers create are its children and share its run id.
    """

    __tablename__ = "task"

    name: Mapped[str | None]
    description: Mapped[str | None]
    image: Mapped[str | None]
    # The label of the data source that the nodes give to the algorithm.
    database: Mapped[str | None]
    collaboration_id: Mapped[int] = mapped_column(
        ForeignKey("collaboration.id", ondelete="CASCADE"), index=True
    )
    run_id: Mapped[int] = mapped_column(ForeignKey("run.id"), index=True)
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("task.id", ondelete="CASCADE"), index=True
    )
    # The organization that the results are encrypted for.
    initiator_id: Mapped[int] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), index=True
    )
    init_user_id: Mapped[int | None] = mapped_column(
        ForeignKey("user.id", ondelete="SET NULL"), index=True
    )
    # How many organizations must answer, and by when; where there is neither, all, whenever.
    quorum: Mapped[int | None]
    deadline: Mapped[datetime | None]
    # When it was known to have its answers, or to get no more in time; what comes later is late.
    settled_at: Mapped[datetime | None]

    collaboration: Mapped["Collaboration"] = relationship(back_populates="tasks")
    run: Mapped["Run"] = relationship()
    parent: Mapped["Task | None"] = relationship(back_populates="children", remote_side="Task.id")
    children: Mapped[list["Task"]] = relationship(
        back_populates="parent", cascade="all", passive_deletes=True
    )
    initiator: Mapped["Organization"] = relationship(back_populates="created_tasks")
    init_user: Mapped["User | None"] = relationship(back_populates="created_tasks")
    results: Mapped[list["Result"]] = relationship(
        back_populates="task", cascade="all", passive_deletes=True, order_by="Result.id"
    )

    @property
    def is_limited(self) -> bool:
        """Whether it may be over before all of its runs are."""
        return self.quorum is not None or self.deadline is not None

    @property
    def over_at(self) -> datetime | None:
        """When it was settled: also where its deadline has just passed, and nobody noted it yet."""
        is_due = self.deadline is not None and self.deadline <= now()
        return self.settled_at or (self.deadline if is_due else None)

    @property
    def complete(self) -> bool:
        """Whether the task is over."""
        return self.is_over(self.results)

    @property
    def status(self) -> TaskStatus:
        """The state of the task, from the states of its runs."""
        return self.state(self.results)

    def is_over(self, runs: Iterable[Any]) -> bool:
        """Whether it is settled, or all runs have ended; without runs nothing is left to do.

        Parameters
        ----------
        runs : iterable
            All of its runs, with `finished_at`.
        """
        return self.over_at is not None or all(run.finished_at for run in runs)

    def state(self, runs: Iterable[Any]) -> TaskStatus:
        """The state of the task.

        Parameters
        ----------
        runs : iterable
            All of its runs, in the order of their ids, with `status` and `late`.
        """
        known = list(runs)
        is_over = self.over_at is not None or all(is_final(run.status) for run in known)
        if not self.is_limited or not is_over:
            return combined(run.status for run in known)
        in_time = [run.status for run in known if is_final(run.status) and not run.late]
        return settled(in_time, len(known) if self.quorum is None else self.quorum)


# Those whose deadline is still to come, or has just passed: few among many.
_unsettled = and_(Task.deadline.is_not(None), Task.settled_at.is_(None))
Index("ix_task_unsettled", Task.deadline, sqlite_where=_unsettled, postgresql_where=_unsettled)
