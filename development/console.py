"""Progress and errors on the terminal; standard library only, as nothing is installed yet."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

#: A step says nothing when it takes less than this, then names itself and its seconds.
QUIET_SECONDS = 1.0
#: Between two signs of life where the output is not a terminal, and on one.
REPORT_SECONDS = 10.0
REDRAW_SECONDS = 1.0


class SetupError(Exception):
    """Something outside this project is missing; the message is one sentence for the user."""


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show that ``title`` is under way, and at its end how long it took."""
    started = time.monotonic()
    over = threading.Event()
    reporter = threading.Thread(target=_report, args=(title, started, over), daemon=True)
    reporter.start()
    succeeded = False
    try:
        yield
        succeeded = True
    finally:
        over.set()
        reporter.join()
        seconds = time.monotonic() - started
        if succeeded and seconds >= QUIET_SECONDS:
            _write(f"{title}: {seconds:.1f} s", end="\n")
        elif sys.stderr.isatty():
            _write("")


def _report(title: str, started: float, over: threading.Event) -> None:
    on_terminal = sys.stderr.isatty()
    pause = QUIET_SECONDS
    while not over.wait(pause):
        pause = REDRAW_SECONDS if on_terminal else REPORT_SECONDS
        seconds = time.monotonic() - started
        _write(f"{title} … {seconds:.0f} s", end="" if on_terminal else "\n")


def _write(line: str, end: str = "") -> None:
    """Write over the line that is being redrawn, where there is one."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{start}{line}{end}")
    sys.stderr.flush()


def run(
    command: Sequence[str | Path],
    failure: str,
    *,
    environment: Mapping[str, str] | None = None,
    hold: int | None = None,
) -> str:
    """Run a program without showing its output, and return it.

    Parameters
    ----------
    command : sequence
        The program and its arguments.
    failure : str
        What to say when it fails.
    environment : mapping, optional
        Variables besides our own.
    hold : int, optional
        A lock that the program holds too, in case we are killed and it goes on.

    Raises
    ------
    SetupError
        With ``failure`` and the last line the program wrote, when it does not end with 0.
    """
    # a process group of its own: mmdebstrap hangs up its whole group when it fails
    with subprocess.Popen(
        [str(part) for part in command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, **(environment or {})},
        pass_fds=() if hold is None else (hold,),
        process_group=0,
    ) as process:
        try:
            output, _ = process.communicate()
        except BaseException:
            os.killpg(process.pid, signal.SIGTERM)
            raise
    if process.returncode != 0:
        raise SetupError(f"{failure}: {last_line(output)}")
    return output


def last_line(text: str) -> str:
    """Return the last line that says something, preferring those that name an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith(("error", "e:", "fatal"))]
    return (errors or lines or ["it gave no reason"])[-1]


def main(function: Callable[[], object]) -> None:
    """Run a command of this folder: a foreseeable error is one sentence and exit status 1."""
    try:
        function()
    except SetupError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("error: interrupted")


def wait_for_signal() -> None:
    """Come back when we are told to stop; for what runs as long as somebody needs it by hand."""
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    signal.sigwait(ending)
