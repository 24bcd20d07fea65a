"""Servers of other makers that run for a while: Debian's, on loopback, ended by their own id."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from development import debian
from development.console import SetupError, last_line
from development.ports import LOOPBACK

SECONDS = 15
#: Between two looks whether it answers already.
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Program:
    """A program, and the package of Debian that brings it."""

    name: str
    package: str

    def obstacle(self) -> str:
        """Say why it cannot be had here, or nothing when it can."""
        if self._path() is None and not debian.is_ours():
            return f"{self.name} is not installed, and only root on Debian can have that done"
        return ""

    def install(self) -> str:
        """Install it where it is missing and we may; its path."""
        if self._path() is None and debian.is_ours():
            debian.install(self.package)
        path = self._path()
        if path is None:
            raise SetupError(self.obstacle() or f"Debian's {self.package} brought no {self.name}")
        return path

    def _path(self) -> str | None:
        return shutil.which(self.name, path=debian.SEARCH_PATH)


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a server for a while.

    Parameters
    ----------
    command : sequence of str
        In the foreground, ended by SIGTERM.
    port : int
        One that it listens on; it is waited for.
    log : Path
        Gets what it prints; its last line is told when it does not come up.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        if not _comes_to_listen(process, port):
            reason = last_line(log.read_text(encoding="utf-8", errors="replace"))
            raise SetupError(f"{Path(command[0]).name} does not listen: {reason}")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(SECONDS)


def answers(port: int) -> bool:
    """Tell whether somebody listens on a port of loopback."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=SECONDS).close()
    except ConnectionRefusedError:
        return False
    return True


def _comes_to_listen(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        if answers(port):
            return True
        time.sleep(POLL_SECONDS)
    return False
