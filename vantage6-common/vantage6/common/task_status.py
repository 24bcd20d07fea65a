"""The states of a run and the one table of legal moves, used by server and node."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from vantage6.common.exceptions import IllegalTransition


class TaskStatus(StrEnum):
    """State of a run (one organization's part of a task), in the words of the wire."""

    PENDING = "pending"
    INITIALIZING = "initializing"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"
    START_FAILED = "start failed"
    NO_DOCKER_IMAGE = "non-existing Docker image"
    CRASHED = "crashed"
    KILLED = "killed by user"
    NOT_ALLOWED = "not allowed"
    UNKNOWN_ERROR = "unknown error"


_S = TaskStatus

FINAL = frozenset(TaskStatus) - {_S.PENDING, _S.INITIALIZING, _S.ACTIVE}

# Before a container runs, it can fail to start; once it runs, it can end in its own ways.
# A run may skip states: classic nodes report only the last one.
_REFUSALS = {_S.NOT_ALLOWED, _S.NO_DOCKER_IMAGE, _S.START_FAILED}
_ENDINGS = {_S.COMPLETED, _S.CRASHED, _S.FAILED, _S.KILLED, _S.UNKNOWN_ERROR}

LEGAL_MOVES: frozenset[tuple[TaskStatus, TaskStatus]] = frozenset(
    (old, new)
    for old, news in {
        _S.PENDING: {_S.INITIALIZING, _S.ACTIVE} | _REFUSALS | _ENDINGS,
        _S.INITIALIZING: {_S.ACTIVE} | _REFUSALS | _ENDINGS,
        # A container can be refused after its first report: the engine says so late.
        _S.ACTIVE: {_S.START_FAILED} | _ENDINGS,
    }.items()
    for new in news
)


def is_final(status: TaskStatus | str) -> bool:
    """Whether a run in this state will never change again."""
    return TaskStatus(status) in FINAL


def is_failure(status: TaskStatus | str) -> bool:
    """Whether a run in this state ended without a result."""
    return is_final(status) and TaskStatus(status) is not _S.COMPLETED


def status_of(run: Mapping[str, Any]) -> TaskStatus:
    """State of a run as a server shows it, one of the classic line too.

    Those tell times only. A run that ended there without a result did not end well.
    """
    if "status" in run:
        return TaskStatus(run["status"])
    if run.get("finished_at"):
        return _S.COMPLETED if run.get("result") else _S.UNKNOWN_ERROR
    return _S.ACTIVE if run.get("started_at") else _S.PENDING


def check_move(old: TaskStatus | str, new: TaskStatus | str) -> None:
    """Raise IllegalTransition unless a run in state `old` may become `new`.

    Staying in an unfinished state is legal: a report may be sent twice.
    """
    move = (TaskStatus(old), TaskStatus(new))
    if move in LEGAL_MOVES or (move[0] is move[1] and not is_final(old)):
        return
    raise IllegalTransition(f"A run that is {move[0].value!r} cannot become {move[1].value!r}")


def combined(statuses: Iterable[TaskStatus | str]) -> TaskStatus:
    """State of a task from those of its runs.

    Unfinished as long as one run is; then the first failure, else completed. A task
    without runs has nothing left to do and counts as completed.
    """
    states = [TaskStatus(status) for status in statuses]
    if any(not is_final(state) for state in states):
        started = any(state is not _S.PENDING for state in states)
        waiting = all(state in (_S.PENDING, _S.INITIALIZING) for state in states)
        return _S.PENDING if not started else _S.INITIALIZING if waiting else _S.ACTIVE
    return next((state for state in states if is_failure(state)), _S.COMPLETED)


def settled(in_time: Iterable[TaskStatus | str], needed: int) -> TaskStatus:
    """State of a task that is settled: one that waits no longer, though runs may be open.

    Completed when enough runs were in time; else the first failure, and plainly failed where
    answers are only missing.

    Parameters
    ----------
    in_time : iterable of TaskStatus
        How the runs ended that had ended by then.
    needed : int
        How many of them had to be completed.
    """
    states = [TaskStatus(status) for status in in_time]
    if states.count(_S.COMPLETED) >= needed:
        return _S.COMPLETED
    return next((state for state in states if is_failure(state)), _S.FAILED)
