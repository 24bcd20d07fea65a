"""Our commands as processes: started, waited for, ended."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from vantage6.common.exceptions import Vantage6Error

#: Where the commands of this environment are.
COMMANDS = Path(sys.executable).parent
START_SECONDS = 60.0
STOP_SECONDS = 15.0
_LOOK_SECONDS = 0.05
_NEEDED = ("vserver-local", "vnode-local")


class FederationError(Vantage6Error):
    """A part of the federation did not do what it should; the text is one sentence."""


class Service:
    """One of our commands, running as a process of its own with its output in a file."""

    def __init__(self, name: str, command: Sequence[str], output: Path) -> None:
        self.name, self.output = name, output
        with output.open("ab") as file:
            self._before = file.tell()
            self.process = subprocess.Popen(
                [path_of(command[0]), *command[1:]],
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.created = psutil.Process(self.process.pid).create_time()

    def record(self) -> dict[str, Any]:
        """What identifies this process, also when its id has been given to another."""
        return {"name": self.name, "pid": self.process.pid, "created": self.created}

    def wait_until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for a condition.

        Raises
        ------
        FederationError
            When the process ends or takes too long.
        """
        end = time.monotonic() + START_SECONDS
        while not condition():
            if self.process.poll() is not None:
                raise FederationError(f"{self.name} ended instead of starting: {self.last_words()}")
            if time.monotonic() > end:
                raise FederationError(
                    f"{self.name} did not {what} within {START_SECONDS:.0f} s: {self.last_words()}"
                )
            time.sleep(_LOOK_SECONDS)

    def last_words(self) -> str:
        """The last line of its output."""
        return last_line(self.output.read_text(errors="replace"))

    def said(self) -> str:
        """What it has written so far; not what an earlier process wrote before it."""
        return self.output.read_bytes()[self._before :].decode(errors="replace")

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.process.poll() is None:
            self.process.terminate()

    def wait_for_end(self) -> int:
        """Wait until it has ended and return its exit status; kill it when that takes long."""
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def path_of(command: str) -> str:
    """The path of one of our commands: beside the Python that runs this, else on the PATH."""
    own = COMMANDS / command
    return str(own) if own.exists() else shutil.which(command) or str(own)


def missing_commands() -> list[str]:
    """Which commands of server and node are not installed."""
    return [command for command in _NEEDED if not Path(path_of(command)).exists()]


def run_command(*command: str) -> str:
    """Run one of our commands to its end and return its output.

    Raises
    ------
    FederationError
        When it fails.
    """
    result = subprocess.run(
        [path_of(command[0]), *command[1:]],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        said = last_line(result.stdout + result.stderr)
        raise FederationError(f"{' '.join(command[:2])}: {said}")
    return result.stdout


def last_line(text: str) -> str:
    """The last line that says something, preferring those that name an error."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.lower().startswith("error")]
    return (errors or lines or ["it gave no reason"])[-1]
