"""Why runs of a task failed, in words."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from vantage6.common.client.purged import deletion
from vantage6.common.task_status import status_of

Run = dict[str, Any]

# What the wrapper of an algorithm puts in front of an error; the whole line stays in the log.
_IN_FRONT = re.compile(r"(?:(?:info|warn|error) > )?(?:Error encountered while calling \S+: )?")
# A subtask that failed is told by its own sentence; the kind of error adds nothing to that.
_OF_SUBTASK = re.compile(r"TaskFailed: (?=Task \d+ failed at )")


def sentence(task_id: int, runs: Iterable[Run], name_of: Callable[[Run], str]) -> str:
    """Where the runs of a task failed, how they ended, and why; the same is said once.

    Parameters
    ----------
    task_id : int
    runs : iterable of dict
        Those that failed.
    name_of : callable
        Gives the words for the organization of a run.
    """
    names: dict[str, list[str]] = {}
    for run in runs:
        names.setdefault(f"({status_of(run)}): {reason(run)}", []).append(name_of(run))
    told = "; ".join(f"at {', '.join(who)} {why}" for why, who in names.items())
    return f"Task {task_id} failed {told}"


def reason(run: Run) -> str:
    """The last line of a run's log, without what only says that it is an error."""
    last = (log_lines(run) or [deletion(run) or "no reason was given"])[-1]
    return _OF_SUBTASK.sub("", _IN_FRONT.sub("", last, count=1), count=1) or last


def log_lines(run: Run) -> list[str]:
    """The lines of a run's log."""
    return (run.get("log") or "").strip().splitlines()
