"""How progress is shown: drawn anew in a terminal, replaced in a notebook, else line by line."""

import io
import threading
import uuid
from collections.abc import Callable
from importlib import import_module
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from vantage6.client.runs import Run, Runs
from vantage6.client.screen import Kind, kind_of
from vantage6.common.task_status import TaskStatus, is_failure, is_final

FRAMES_PER_SECOND = 8
NOTEBOOK_SECONDS = 1.0
# Lines of a terminal that are not those of runs
MARGIN = 6
COLOURS = {TaskStatus.PENDING: "dim", TaskStatus.ACTIVE: "cyan", TaskStatus.COMPLETED: "green"}

Foot = Callable[[], str]


class View(Protocol):
    """A place where runs are shown."""

    def start(self) -> None:
        """Begin."""

    def changed(self, run: Run) -> None:
        """A run is in another state."""

    def say(self, text: Text) -> None:
        """Show words that stay."""

    def stop(self) -> None:
        """Show all as it is, for the last time."""


def view_of(console: Console, runs: Runs, foot: Foot) -> View:
    """The view that fits a console.

    Parameters
    ----------
    console : Console
    runs : Runs
    foot : callable
        What stands below the runs while one waits.
    """
    kind = kind_of(console)
    if kind is Kind.NOTEBOOK:
        return NotebookView(runs)
    return TerminalView(console, runs, foot) if kind is Kind.TERMINAL else LineView(console)


class LineView:
    """One line for each change, without anything that steers a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def start(self) -> None:
        """Nothing is drawn."""

    def changed(self, run: Run) -> None:
        """A line."""
        kind = "subtask" if run.depth else "task"
        line = f"{kind} {run.task_id}: {run.organization}: {run.state} ({_time(run.seconds)})"
        self.say(Text(line))

    def say(self, text: Text) -> None:
        """A line."""
        self._console.print(text.plain, markup=False, highlight=False, soft_wrap=True)

    def stop(self) -> None:
        """Nothing is drawn."""


class TerminalView:
    """A table of runs that is drawn again and again, with words above it."""

    def __init__(self, console: Console, runs: Runs, foot: Foot) -> None:
        self._console, self._runs, self._foot = console, runs, foot
        self._spinner = Spinner("dots", style="cyan")
        self._is_over = False
        self._live = Live(
            get_renderable=self._drawn,
            console=console,
            refresh_per_second=FRAMES_PER_SECOND,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self) -> None:
        """Begin to draw."""
        self._live.start(refresh=True)

    def changed(self, run: Run) -> None:
        """The next frame shows it."""

    def say(self, text: Text) -> None:
        """Above the table."""
        self._console.print(text)

    def stop(self) -> None:
        """Leave the last table behind."""
        self._is_over = True
        self._live.stop()

    def _drawn(self) -> RenderableType:
        most = None if self._is_over else max(1, self._console.height - MARGIN)
        table = table_of(self._runs, self._spinner, most)
        foot = "" if self._is_over else self._foot()
        return Group(table, Text(foot, "dim")) if foot else table


class NotebookView:
    """An output of a notebook that is replaced while the cell runs; needs no widgets."""

    def __init__(self, runs: Runs) -> None:
        self._runs, self._words = runs, list[Text]()
        self._lock, self._over = threading.Lock(), threading.Event()
        self._id = uuid.uuid4().hex
        self._display = import_module("IPython.display")
        self._thread = threading.Thread(target=self._refresh, name="task-view", daemon=True)

    def start(self) -> None:
        """Make the output."""
        self._display.display(self._bundle(), raw=True, display_id=self._id)
        self._thread.start()

    def changed(self, run: Run) -> None:
        """Show it now."""
        self._show()

    def say(self, text: Text) -> None:
        """Below the table."""
        self._words.append(text)
        self._show()

    def stop(self) -> None:
        """Show it for the last time."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._show()

    def _refresh(self) -> None:
        while not self._over.wait(NOTEBOOK_SECONDS):
            self._show()

    def _show(self) -> None:
        with self._lock:
            self._display.update_display(self._bundle(), raw=True, display_id=self._id)

    def _bundle(self) -> dict[str, str]:
        console = Console(file=io.StringIO(), record=True, width=100, force_jupyter=False)
        console.print(Group(table_of(self._runs, Text("…", "cyan"), None), *self._words))
        page = '<pre style="line-height:normal">{code}</pre>'
        return {
            "text/html": console.export_html(inline_styles=True, code_format=page, clear=False),
            "text/plain": console.export_text(),
        }


def table_of(runs: Runs, running: RenderableType, most: int | None) -> Table:
    """The runs as a table.

    Parameters
    ----------
    runs : Runs
    running : renderable
        The sign of what goes on.
    most : int, optional
        Lines there are; those that went well make room first.
    """
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
    table.add_column(no_wrap=True, overflow="ellipsis")
    table.add_column(no_wrap=True, justify="right")
    everything = runs.all()
    shown = _fitting(everything, most)
    for run in shown:
        table.add_row(
            _sign(run, running),
            _label(run),
            Text(run.organization),
            Text(run.state, "yellow" if run.late else _colour(run.status)),
            Text(_time(run.seconds), "dim"),
        )
    if len(shown) < len(everything):
        table.add_row("", "", Text(f"and {len(everything) - len(shown)} more", "dim"))
    return table


def _fitting(runs: list[Run], most: int | None) -> list[Run]:
    if most is None or len(runs) <= most:
        return runs
    by_interest = sorted(runs, key=lambda run: (not is_failure(run.status), is_final(run.status)))
    chosen = {run.id for run in by_interest[:most]}
    return [run for run in runs if run.id in chosen]


def _label(run: Run) -> Text:
    if not run.depth:
        return Text(f"task {run.task_id}", "bold")
    return Text(f"{'  ' * (run.depth - 1)}└ subtask {run.task_id}")


def _sign(run: Run, running: RenderableType) -> RenderableType:
    if not is_final(run.status):
        return running if run.status is not TaskStatus.PENDING else Text("·", "dim")
    return Text("✗", "red") if is_failure(run.status) else Text("✓", "green")


def _colour(status: TaskStatus) -> str:
    return "red" if is_failure(status) else COLOURS.get(status, "yellow")


def _time(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
