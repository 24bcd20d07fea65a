"""Shows how far large inputs and results are on their way."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from vantage6.client.screen import Kind, kind_of, standard_error
from vantage6.common.client.meter import Meter, Step

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

#: Bytes from which something is shown; below, it is over before one looks.
SHOWN = 5_000_000


class Transfers(Meter):
    """Shows large bodies and answers: a bar in a terminal, elsewhere a line before and after.

    Parameters
    ----------
    console : Console, optional
        Standard error where nothing is said.
    """

    def __init__(self, console: Console | None = None) -> None:
        self._console = console

    @contextmanager
    def sending(self, size: int) -> Iterator[Step]:
        """While a body is sent."""
        with self._shown("Sending", "Sent", size) as step:
            yield step

    @contextmanager
    def receiving(self, size: int | None) -> Iterator[Step]:
        """While an answer comes in."""
        with self._shown("Receiving", "Received", size) as step:
            yield step

    @contextmanager
    def _shown(self, doing: str, done: str, size: int | None) -> Iterator[Step]:
        console = self._console or standard_error()
        transfer = _Transfer(console, doing, done, size)
        try:
            yield transfer.step
        except BaseException:
            transfer.stop()
            raise
        transfer.finish()


class _Transfer:
    """One body or answer; shown once it turns out to be large."""

    def __init__(self, console: Console, doing: str, done: str, size: int | None) -> None:
        self._console, self._doing, self._done, self._size = console, doing, done, size
        self._started, self._bytes = time.monotonic(), 0
        self._is_shown = False
        self._bar: Progress | None = None
        if size is not None and size >= SHOWN:
            self._show()

    def step(self, count: int) -> None:
        """Take in that so many more bytes are through."""
        self._bytes += count
        if not self._is_shown and self._bytes >= SHOWN:
            self._show()
        if self._bar:
            self._bar.update(self._bar.task_ids[0], completed=self._bytes)

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar:
            self._bar.stop()

    def finish(self) -> None:
        """Say how it went."""
        self.stop()
        if self._is_shown:
            seconds = max(time.monotonic() - self._started, 1e-3)
            rate = decimal(int(self._bytes / seconds))
            self._say(f"{self._done} {decimal(self._bytes)} in {seconds:.1f} s ({rate}/s)")

    def _show(self) -> None:
        self._is_shown = True
        if kind_of(self._console) is Kind.TERMINAL:
            self._bar = _bar(self._console)
            self._bar.add_task(self._doing, total=self._size)
            self._bar.start()
        else:
            size = "" if self._size is None else f" {decimal(self._size)}"
            self._say(f"{self._doing}{size} ...")

    def _say(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False, soft_wrap=True)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
    )


@contextmanager
def transfers_shown(client: "UserClient", show: bool) -> Iterator[None]:
    """Show how far calls of a client are, or show nothing, for a while."""
    before = client.transport.meter
    if not show:
        client.transport.meter = Meter()
    try:
        yield
    finally:
        client.transport.meter = before
