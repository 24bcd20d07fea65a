"""Tasks that need not wait for all: how one asks for that, and which answers count."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from vantage6.common.task_status import TaskStatus, is_final, status_of

Run = dict[str, Any]
Task = Mapping[str, Any]
Deadline = datetime | timedelta | str

# In the place of a log, where an organization is not among those that count.
MISSING = "there was no answer by the time the task was settled"
LATE = "the answer came late, after the task was settled"


def limits(quorum: int | None, deadline: Deadline | None) -> dict[str, Any]:
    """The fields of a new task that say how many have to answer, and by when.

    Parameters
    ----------
    quorum : int, optional
    deadline : datetime, timedelta or str, optional
        A moment, that of the local clock where it has no zone; how long from now; or a moment in
        ISO form.

    Raises
    ------
    ValueError
        When the quorum is not a number of organizations, or the deadline no moment.
    """
    if quorum is not None and (isinstance(quorum, bool) or not isinstance(quorum, int)):
        raise ValueError(f"A quorum is a number of organizations, not {quorum!r}")
    moment = None if deadline is None else _moment(deadline).astimezone(UTC).isoformat()
    return {
        name: value
        for name, value in {"quorum": quorum, "deadline": moment}.items()
        if value is not None
    }


def is_settled(task: Task) -> bool:
    """Whether a task waits for no more answers, though some of its runs may be open."""
    return task.get("settled_at") is not None


def is_in_time(run: Run) -> bool:
    """Whether a run of a settled task counts."""
    return is_final(status_of(run)) and not run.get("late")


def counts(run: Run) -> bool:
    """Whether a run of a settled task brought an answer that counts."""
    return is_in_time(run) and status_of(run) is TaskStatus.COMPLETED


def has_enough(task: Task) -> bool:
    """Whether a settled task got as many answers as it needs."""
    return TaskStatus(task["status"]) is TaskStatus.COMPLETED


def explained(run: Run) -> Run:
    """A run of a settled task that does not count, with the reason as its log."""
    if is_in_time(run):
        return run
    return {**run, "log": LATE if is_final(status_of(run)) else MISSING}


def shortfall(task: Task, runs: list[Run]) -> str:
    """How many answers a settled task has, of how many it needs."""
    needed = task.get("quorum") or len(runs)
    return f"{sum(map(counts, runs))} of the {needed} answers it needs came in time"


def _moment(deadline: Deadline) -> datetime:
    if isinstance(deadline, timedelta):
        return datetime.now(UTC) + deadline
    if isinstance(deadline, datetime):
        return deadline
    try:
        return datetime.fromisoformat(deadline)
    except (TypeError, ValueError):
        raise ValueError(
            f"A deadline is a datetime, a timedelta or a moment in ISO form, not {deadline!r}"
        ) from None
