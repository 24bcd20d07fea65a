"""One part that is a process of ours: started, stopped, killed, with a clock of its own."""

from collections.abc import Callable
from pathlib import Path

from development.crash import kill
from development.federation import Service
from development.soak import clocks
from development.soak.clocks import Clock


class Part:
    """A process that can be started again, each time by the same command.

    Parameters
    ----------
    name : str
    command : callable
        Gives the command of the next start.
    folder : Path
        For what it prints, and for its clock.

    Attributes
    ----------
    clock : Clock
    service : Service, optional
        Its last process.
    """

    def __init__(self, name: str, command: Callable[[], list[str]], folder: Path) -> None:
        self.name, self._command = name, command
        self._output = folder / f"{name}.out"
        self.clock = Clock(folder / f"{name}.clock")
        self.service: Service | None = None

    @property
    def runs(self) -> bool:
        """Whether it does."""
        return self.service is not None and self.service.process.poll() is None

    @property
    def pid(self) -> int:
        """Of its last process."""
        assert self.service is not None, "started first"
        return self.service.process.pid

    def last_words(self) -> str:
        """The last line of what it has printed."""
        return self.service.last_words() if self.service is not None else "never started"

    def start(self) -> Service:
        """Start it, without waiting for it."""
        self.service = Service(self.name, self.clock.wrap(self._command()), self._output)
        return self.service

    def kill(self) -> None:
        """End it as `kill -9` does."""
        if self.service is not None:
            kill(self.service)
            clocks.clear_up(self.service.process.pid)

    def ask_to_stop(self) -> None:
        """Send SIGTERM."""
        if self.service is not None:
            self.service.ask_to_stop()

    def wait_for_end(self) -> int:
        """Its exit status, once it has ended; it is killed when that takes too long."""
        assert self.service is not None, "started first"
        status = self.service.wait_for_end()
        clocks.clear_up(self.service.process.pid)
        return status
