"""What is known of the runs of a task and of its subtasks."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from vantage6.common.task_status import TaskStatus, combined, is_final, status_of
from vantage6.common.text import printable

Fields = Mapping[str, Any]


@dataclass
class Run:
    """One organization's part of a task.

    Attributes
    ----------
    id, task_id : int
    depth : int
        0 for the task that is waited for, 1 for its subtasks, and so on.
    organization : str
    status : TaskStatus
    late : bool
        Whether it ended after its task was settled.
    """

    id: int
    task_id: int
    depth: int
    organization: str
    status: TaskStatus = TaskStatus.PENDING
    late: bool = False
    _since: float = field(default_factory=time.monotonic)
    _ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or in all."""
        return max(0.0, (self._ended or time.monotonic()) - self._since)

    def end(self) -> None:
        """It takes no longer."""
        self._ended = self._ended or time.monotonic()

    @property
    def state(self) -> str:
        """How it is, in words."""
        return f"{self.status} (late)" if self.late else str(self.status)

    def set_times(self, fields: Fields) -> None:
        """Take over when it began and ended, and whether late, as a server shows it."""
        self.late = self.late or fields.get("late") is True
        began = _moment(fields.get("started_at")) or _moment(fields.get("assigned_at"))
        ended = _moment(fields.get("finished_at"))
        if began:
            age = ((ended or datetime.now(UTC)) - began).total_seconds()
            # A clock that is ahead of ours makes no time negative.
            self._since = (self._ended or time.monotonic()) - max(0.0, age)


class Runs:
    """The runs of a task and its subtasks; events and answers come on different threads.

    Parameters
    ----------
    task_id : int
    names : dict
        Names of organizations by id.
    """

    def __init__(self, task_id: int, names: Mapping[int, str]) -> None:
        self.task_id, self._names = task_id, names
        self._runs: dict[int, Run] = {}
        self._parents: dict[int, int | None] = {task_id: None}
        self._lock = threading.Lock()

    def take_tasks(self, tasks: Sequence[Fields]) -> None:
        """Learn which tasks are subtasks of which; those of others are passed over."""
        links = {task["id"]: _id(task.get("parent")) for task in tasks}
        for id_ in sorted(links):
            if links[id_] in self._parents:
                self._parents.setdefault(id_, links[id_])

    def knows(self, task_id: int) -> bool:
        """Whether it is the task or one of its subtasks."""
        return task_id in self._parents

    def take_run(self, task_id: int, run: Fields) -> Run | None:
        """Learn of a run as a server shows it; the run, if that is news."""
        return self._learn(run["id"], task_id, _id(run["organization"]), status_of(run), run)

    def take_event(self, event: Fields) -> Run | None:
        """Learn from a `status_update`; the run, if that is news."""
        status = event.get("status")
        if not isinstance(status, str) or status not in set(TaskStatus):
            return None  # that of a classic server, or of one that knows more states
        parent = event.get("parent_id")
        if parent in self._parents:
            self._parents.setdefault(event["task_id"], parent)
        if not self.knows(event["task_id"]):
            return None
        ids = (event["result_id"], event["task_id"], event["organization_id"])
        return self._learn(*ids, TaskStatus(status), {})

    def all(self) -> list[Run]:
        """All of them: those of a task, then each subtask with its own."""
        with self._lock:
            runs = sorted(self._runs.values(), key=lambda run: run.id)
        order = {id_: place for place, id_ in enumerate(self._in_order(self.task_id))}
        return sorted(runs, key=lambda run: order.get(run.task_id, len(order)))

    @property
    def status(self) -> TaskStatus:
        """State of the task itself."""
        return combined(run.status for run in self.all() if run.task_id == self.task_id)

    def _in_order(self, task_id: int) -> Iterator[int]:
        yield task_id
        for child in sorted(id_ for id_, parent in self._parents.items() if parent == task_id):
            yield from self._in_order(child)

    def _depth(self, task_id: int) -> int:
        depth, parent = 0, self._parents.get(task_id)
        while parent is not None:
            depth, parent = depth + 1, self._parents.get(parent)
        return depth

    def _learn(
        self, id_: int, task_id: int, organization: Any, status: TaskStatus, times: Fields
    ) -> Run | None:
        name = printable(self._names.get(organization, f"organization {organization}"))
        with self._lock:
            is_known = id_ in self._runs
            run = self._runs.setdefault(id_, Run(id_, task_id, self._depth(task_id), name))
            # What has ended stays ended, whatever is told late.
            if is_known and (run.status is status or is_final(run.status)):
                run.set_times(times)
                return None
            run.status = status
            if is_final(status):
                run.end()
            run.set_times(times)
            return run


def _id(link: Any) -> Any:
    """The id in a link, or as it is."""
    return link["id"] if isinstance(link, Mapping) else link


def _moment(text: Any) -> datetime | None:
    """A moment as servers write it; those of the classic line leave out that it is UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
