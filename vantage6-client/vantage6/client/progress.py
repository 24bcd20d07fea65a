"""Shows how far a task and its subtasks are: live in a terminal, line by line elsewhere."""

import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.common.task_status import TaskStatus, is_failure, is_final, status_of

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

FRAMES_PER_SECOND = 8

Task = dict[str, Any]


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def look(self) -> None:
        """Nothing is shown."""

    def event(self, payload: dict[str, Any]) -> None:
        """Nothing is shown."""


@dataclass
class _Run:
    """One organization's part of a task, as far as it is shown."""

    task_id: int
    organization: str
    status: TaskStatus = TaskStatus.PENDING
    since: float = field(default_factory=time.monotonic)
    ended: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or in all."""
        return (self.ended or time.monotonic()) - self.since


class Progress:
    """What is known of the runs of a task and its subtasks, and how it is shown.

    Parameters
    ----------
    client : UserClient
    task : dict
        The task that is waited for.
    names : dict
        Names of organizations by id.
    console : Console, optional
        Standard error where nothing is said, so that the output of a script stays its own.
    """

    def __init__(
        self,
        client: "UserClient",
        task: Task,
        names: dict[int, str],
        console: Console | None = None,
    ) -> None:
        self._client, self._task, self._names = client, task, names
        self._console = console or Console(stderr=True, highlight=False)
        self._lively = self._console.is_terminal or self._console.is_jupyter
        self._runs: dict[int, _Run] = {}
        self._lock = threading.Lock()
        self._live = Live(
            get_renderable=self._table,
            console=self._console,
            refresh_per_second=FRAMES_PER_SECOND,
        )
        self._spinner = Spinner("dots")

    def __enter__(self) -> Self:
        if self._lively:
            self._live.start(refresh=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._lively:
            self._live.stop()

    def look(self) -> None:
        """Ask the server for the runs of the task and its subtasks."""
        task_id = self._task["id"]
        try:
            tasks = [
                self._client.send("get", f"task/{task_id}", params={"include": "results"}),
                *self._client.send(
                    "get", "task", params={"parent_id": task_id, "include": "results"}
                ),
            ]
        except (ServerError, ServerUnreachable) as error:
            # Waiting goes on: this only decorates it.
            self._client.log.debug("The subtasks of task %s are not shown: %s", task_id, error)
            return
        for task in sorted(tasks, key=lambda task: int(task["id"])):
            for run in task.get("results") or []:
                self._learn(run["id"], task["id"], run["organization"], status_of(run))

    def event(self, payload: dict[str, Any]) -> None:
        """Take in a `status_update` of the server."""
        task_id = self._task["id"]
        if "status" in payload and task_id in (payload["task_id"], payload.get("parent_id")):
            self._learn(
                payload["result_id"],
                payload["task_id"],
                payload["organization_id"],
                TaskStatus(payload["status"]),
            )

    def _learn(self, run_id: int, task_id: int, organization: Any, status: TaskStatus) -> None:
        number = organization["id"] if isinstance(organization, dict) else organization
        name = self._names.get(number, f"organization {number}")
        with self._lock:
            known = run_id in self._runs
            run = self._runs.setdefault(run_id, _Run(task_id, name))
            # Events and looks come on different threads; what has ended stays ended.
            if known and (run.status is status or is_final(run.status)):
                return
            run.status = status
            run.ended = time.monotonic() if is_final(status) else None
            if not self._lively:
                self._console.print(_line(run))

    def _table(self) -> Table:
        table = Table.grid(padding=(0, 2))
        with self._lock:
            runs = sorted(self._runs.items(), key=lambda item: (item[1].task_id, item[0]))
        for _, run in runs:
            own = run.task_id == self._task["id"]
            table.add_row(
                self._sign(run),
                f"task {run.task_id}" if own else f"  subtask {run.task_id}",
                run.organization,
                str(run.status),
                f"{run.seconds:.1f} s",
            )
        return table

    def _sign(self, run: _Run) -> Spinner | Text:
        if not is_final(run.status):
            return self._spinner
        return Text("✗", "red") if is_failure(run.status) else Text("✓", "green")


def progress_of(client: "UserClient", task: Task) -> Progress:
    """The progress of a task, with the names of the organizations that take part."""
    try:
        members = client.send("get", f"collaboration/{task['collaboration']['id']}/organization")
    except ServerError as error:
        # Whoever may not see the members still sees their numbers.
        client.log.debug("The names of the organizations are not shown: %s", error)
        members = []
    return Progress(client, task, {member["id"]: member["name"] for member in members})


def _line(run: _Run) -> str:
    return f"task {run.task_id}: {run.organization}: {run.status} ({run.seconds:.1f} s)"
