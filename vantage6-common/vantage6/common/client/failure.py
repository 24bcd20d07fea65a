"""Why runs of a task failed, in words."""

from collections.abc import Callable, Iterable
from typing import Any

from vantage6.common.task_status import status_of

Run = dict[str, Any]


def reasons(runs: Iterable[Run], name_of: Callable[[Run], str]) -> str:
    """What became of failed runs and the last line of their logs; the same is said once."""
    names: dict[str, list[str]] = {}
    for run in runs:
        last = (log_lines(run) or ["no reason was given"])[-1]
        names.setdefault(f"{status_of(run)} - {last}", []).append(name_of(run))
    return "; ".join(f"{', '.join(who)}: {reason}" for reason, who in names.items())


def log_lines(run: Run) -> list[str]:
    """The lines of a run's log."""
    return (run["log"] or "").strip().splitlines()
