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
from typing import TYPE_CHECKING

from development import debian
from development.console import SetupError, last_line
from development.ports import LOOPBACK

if TYPE_CHECKING:
    import psutil

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


class Server:
    """A server that can be killed and started again.

    Parameters
    ----------
    command : sequence of str
        In the foreground, ended by SIGTERM.
    port : int
        One that it listens on; it is waited for.
    log : Path
        Gets what it prints; its last line is told when it does not come up.
    """

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        self._command, self._port, self._log = command, port, log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it listens; SetupError when it does not."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        if not _comes_to_listen(self._process, self._port):
            reason = last_line(self._log.read_text(encoding="utf-8", errors="replace"))
            raise SetupError(f"{Path(self._command[0]).name} does not listen: {reason}")

    def kill(self) -> None:
        """Kill it with all its workers, which leaves no time for anything."""
        assert self._process is not None, "started first"
        # imported here: this file is also read where nothing is installed yet
        import psutil

        main = psutil.Process(self._process.pid)
        # so that it starts no worker anew while they are counted
        main.suspend()
        workers = main.children(recursive=True)
        for process in (main, *workers):
            process.kill()
        self._process.wait()
        wait_for_ends(workers)

    def stop(self) -> None:
        """End it in good order, if it runs."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(SECONDS)


def wait_for_ends(processes: Sequence["psutil.Process"], seconds: float = SECONDS) -> None:
    """Wait until processes that are not our children have ended.

    The waiting of psutil fails where one goes in the moment that the kernel is asked for it.

    Raises
    ------
    SetupError
        When that takes too long.
    """
    end = time.monotonic() + seconds
    while any(_lives(process) for process in processes):
        if time.monotonic() > end:
            raise SetupError(f"processes that were killed still run after {seconds} s")
        time.sleep(POLL_SECONDS)


def _lives(process: "psutil.Process") -> bool:
    import psutil

    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[Server]:
    """Run a server for a while.

    Parameters
    ----------
    command, port, log : object
        As for `Server`.
    """
    server = Server(command, port, log)
    try:
        server.start()
        yield server
    finally:
        server.stop()


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
