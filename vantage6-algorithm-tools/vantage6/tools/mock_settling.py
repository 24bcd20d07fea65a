"""Tasks of a mock that need not wait for all, settled as the server settles them.

Runs are done one after the other, so those that are asked first are in time. A deadline is never
waited for: what is not there once all have been asked is missing.
"""

from datetime import UTC, datetime
from typing import Any

from vantage6.common.task_status import TaskStatus, combined, is_final, settled

Row = dict[str, Any]


class Refused(Exception):
    """What a server would not do."""


def limits(body: Row) -> Row:
    """What a new task says of how many have to answer, and by when.

    Raises
    ------
    Refused
        When the server would refuse it.
    """
    quorum, deadline = body.get("quorum"), body.get("deadline")
    asked = len(body["organizations"])
    if quorum is not None and not 1 <= quorum <= asked:
        raise Refused(f"`quorum`: {quorum} answers cannot come from {asked} organization(s)")
    if deadline is not None and datetime.fromisoformat(deadline) <= datetime.now(UTC):
        raise Refused("`deadline`: This moment has passed, by the clock of the server")
    return {"quorum": quorum, "deadline": deadline, "settled_at": None}


def note_end(task: Row, runs: list[Row], run: Row) -> None:
    """Take note that a run has ended: it is late, or the task may be settled by it."""
    if task["settled_at"] is not None:
        run["late"] = True
    elif _is_limited(task) and _is_decided(task, [run["status"] for run in runs]):
        task["settled_at"] = datetime.now(UTC).isoformat()


def finish(task: Row, runs: list[Row]) -> None:
    """Say how a task is once all who are there have answered.

    Raises
    ------
    Refused
        When it would wait for an organization that is offline for ever.
    """
    states = [run["status"] for run in runs]
    if task["settled_at"] is None and not all(map(is_final, states)):
        if task["deadline"] is None:
            raise Refused(
                f"Task {task['id']} would wait for an organization that is offline for ever: "
                "give it a deadline, or a smaller quorum"
            )
        task["settled_at"] = task["deadline"]
    status = combined(states)
    if _is_limited(task):
        in_time = [run["status"] for run in runs if is_final(run["status"]) and not run["late"]]
        status = settled(in_time, task["quorum"] or len(runs))
    task |= {"complete": True, "status": status.value}


def _is_limited(task: Row) -> bool:
    return task["quorum"] is not None or task["deadline"] is not None


def _is_decided(task: Row, states: list[str]) -> bool:
    still_open = sum(not is_final(state) for state in states)
    if task["quorum"] is None or not still_open:
        return not still_open
    missing = task["quorum"] - states.count(TaskStatus.COMPLETED.value)
    return missing <= 0 or missing > still_open
