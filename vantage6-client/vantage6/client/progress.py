"""Shows how far a task and its subtasks are, and does what keys ask for meanwhile."""

import queue
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.text import Text

from vantage6.client.keyboard import Keyboard
from vantage6.client.runs import Run, Runs
from vantage6.client.screen import Kind, kind_of, standard_error
from vantage6.client.view import view_of
from vantage6.common.client.failure import log_lines
from vantage6.common.client.settled import is_settled
from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.common.task_status import is_failure, is_final, status_of
from vantage6.common.text import printable

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

KEYS = "l: logs · k: kill · Ctrl-C: leave, the task goes on"
# Neither is shown here, and each may be as large as a data set.
PAYLOADS = {"input": "", "result": ""}

Task = dict[str, Any]


class Silence:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing was opened."""

    def look(self) -> None:
        """Nothing is shown."""

    def end(self, task: Task) -> None:
        """Nothing is shown."""

    def event(self, payload: dict[str, Any]) -> None:
        """Nothing is shown."""

    @property
    def is_settled(self) -> bool:
        """Nothing is missing from what is shown."""
        return True


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
        self._client, self._task = client, task
        self._runs = Runs(task["id"], names)
        console = console or standard_error()
        self._keyboard = Keyboard(self.press, enabled=kind_of(console) is Kind.TERMINAL)
        self._errands = _Errands()
        self._follows = self._asks = False
        self._told: set[int] = set()
        self._view = view_of(console, self._runs, self._foot)

    def __enter__(self) -> Self:
        self._view.start()
        try:
            self._keyboard.__enter__()
        except BaseException:
            self._view.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self._keyboard.__exit__(kind, error, traceback)
            self._errands.finish()
        finally:
            self._view.stop()
        self._say_farewell(error)

    @property
    def is_settled(self) -> bool:
        """Whether every run that is known of has ended."""
        return all(is_final(run.status) for run in self._runs.all())

    def look(self) -> None:
        """Ask the server for the runs of the task and its subtasks."""
        try:
            tasks = self._tasks()
            self._runs.take_tasks(tasks)
            for task in sorted(tasks, key=lambda task: int(task["id"])):
                if self._runs.knows(task["id"]):
                    for run in self._runs_of(task):
                        self._show(self._runs.take_run(task["id"], run))
        except (ServerError, ServerUnreachable) as error:
            # Waiting goes on: this only decorates it.
            self._client.log.debug("The runs are not shown: %s", error)

    def end(self, task: Task) -> None:
        """Learn how the task is that was waited for."""
        self._task = task

    def event(self, payload: dict[str, Any]) -> None:
        """Take in a `status_update` of the server."""
        if "task_id" in payload:
            self._show(self._runs.take_event(payload))

    def press(self, key: str) -> None:
        """Do what a key asks for."""
        was_asked, self._asks = self._asks, False
        if key in "lLfF":
            self._follows = not self._follows
            self._say("The logs of runs are shown when they end" if self._follows else "No logs")
            for run in self._runs.all() if self._follows else []:
                self._tell(run)
        elif key in "kK" and was_asked:
            self._errands.add(self._kill)
        elif key in "kK":
            self._asks = True

    def _tasks(self) -> list[Task]:
        """The task and all that may be subtasks of it."""
        id_, run_id = self._task["id"], self._task.get("run_id")
        own = {"run_id": run_id} if run_id is not None else {"parent_id": id_}
        listed = self._client.send("get", "task", params={**own, "include": "results"})
        if any(task["id"] == id_ for task in listed):
            return list(listed)
        return [*listed, self._client.send("get", f"task/{id_}")]

    def _runs_of(self, task: Task) -> list[dict[str, Any]]:
        """The runs of a task; servers of the classic line list links to them only."""
        runs: list[dict[str, Any]] = task.get("results") or []
        if all("organization" in run for run in runs):
            return runs
        # Whether there is a result is what tells that such a run went well.
        endpoint = f"task/{task['id']}/result"
        return list(self._client.send("get", endpoint, omit={"input": ""}))

    def _show(self, run: Run | None) -> None:
        if run is not None:
            self._view.changed(run)
            if self._follows:
                self._tell(run)

    def _tell(self, run: Run) -> None:
        """Show the log of a run that has ended, once."""
        if is_final(run.status) and run.id not in self._told:
            self._told.add(run.id)
            self._errands.add(lambda: self._tell_log(run))

    def _tell_log(self, run: Run) -> None:
        try:
            shown = self._client.send("get", f"result/{run.id}", omit=PAYLOADS)
        except (ServerError, ServerUnreachable) as error:
            self._say(f"The log of {run.organization} cannot be had: {error}", "red")
            return
        style = "red" if is_failure(run.status) else ""
        for line in log_lines(shown) or ["no log"]:
            said = Text.assemble((f"{run.organization} │ ", "dim"), (printable(line), style))
            self._view.say(said)

    def _kill(self) -> None:
        id_ = self._task["id"]
        try:
            self._client.send("post", "kill/task", json={"id": id_})
        except (ServerError, ServerUnreachable) as error:
            self._say(f"Task {id_} was not killed: {error}", "red")
        else:
            self._say(f"Task {id_} is killed")

    def _foot(self) -> str:
        if self._asks:
            id_ = self._task["id"]
            return f"Kill task {id_} with all its subtasks? k: yes · any other key: no"
        return KEYS if self._keyboard.is_read else ""

    def _say(self, text: str, style: str = "") -> None:
        self._view.say(Text(printable(text), style))

    def _say_farewell(self, error: BaseException | None) -> None:
        id_, status = self._task["id"], self._runs.status
        if is_settled(self._task):
            status = status_of(self._task)
        if isinstance(error, KeyboardInterrupt | TimeoutError):
            self._say(
                f"Task {id_} goes on without you: client.task.wait({id_}) comes back to it, "
                f"client.task.kill({id_}) ends it",
                "yellow",
            )
        elif error is None and is_final(status) and self._runs.all():
            own = [run.seconds for run in self._runs.all() if run.task_id == id_]
            self._say(
                f"Task {id_}: {status} after {max(own):.1f} s",
                "bold red" if is_failure(status) else "bold green",
            )


class _Errands:
    """Does one thing after the other on a thread of its own, which is there once it is needed."""

    def __init__(self) -> None:
        self._waiting: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def add(self, errand: Callable[[], None]) -> None:
        """Have something done soon."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="task-errands", daemon=True)
                self._thread.start()
        self._waiting.put(errand)

    def finish(self) -> None:
        """Wait until all of it is done."""
        if self._thread:
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        while errand := self._waiting.get():
            errand()


def progress_of(client: "UserClient", task: Task) -> Progress:
    """The progress of a task, with the names of the organizations that take part."""
    try:
        members = client.send("get", f"collaboration/{task['collaboration']['id']}/organization")
    except ServerError as error:
        # Whoever may not see the members still sees their numbers.
        client.log.debug("The names of the organizations are not shown: %s", error)
        members = []
    return Progress(client, task, {member["id"]: member["name"] for member in members})
