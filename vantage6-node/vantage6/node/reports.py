"""Reports on runs that did not go well, and the time in them."""

from dataclasses import replace
from datetime import UTC, datetime

from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Report

# Answers of the server that will be the same however often we ask
DEFINITE = frozenset({400, 403, 404, 409, 413, 422})


def failure(status: TaskStatus, reason: str) -> Report:
    """A report without an output, of now."""
    return Report(status=status, log=reason, finished_at=now())


def as_failure(report: Report, reason: str) -> Report:
    """The report without its output, for a reason that comes before what was said already."""
    text = "\n".join(part for part in (reason, report.log) if part)
    return replace(report, status=TaskStatus.FAILED, log=text, has_output=False)


def now() -> str:
    """Now, as the classic line writes times: UTC, microseconds, no offset."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
