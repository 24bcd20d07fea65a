"""What the daemon asks of whatever runs containers."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vantage6.common.exceptions import Vantage6Error
from vantage6.node.runner.settings import ContainerSettings
from vantage6.node.state import Trace


class RunnerError(Vantage6Error):
    """The engine would not do it; the text says why."""


class EngineUnreachable(RunnerError):
    """The engine gave no answer."""


class ImageMissing(RunnerError):
    """The image is not on this machine and could not be fetched."""


class ContainerMissing(RunnerError):
    """The container is not there any more."""


class MayHaveRun(RunnerError):
    """The engine went away when it was told to start a container, and cannot say whether it did."""

    def __init__(self) -> None:
        super().__init__(
            "The container engine of this node went away while it started the container, which may "
            "have run: it is not started a second time"
        )


class ServiceMissing(RunnerError):
    """There is no container to be reached under the name of a service."""


@dataclass(frozen=True)
class Service:
    """A container of this machine that belongs to somebody else, as it is now.

    Attributes
    ----------
    address : str
        At which we can reach it.
    ports : tuple of int
        What it exposes.
    """

    address: str
    ports: tuple[int, ...]


@dataclass(frozen=True)
class FoundImage:
    """An image as it was found for a run; what is checked of it is what will run.

    Attributes
    ----------
    name : str
        As the task names it, written out in full.
    id : str
        The engine's id of it, which names its content; empty while only its registry has it.
    digest : str, optional
        Of its manifest; None for an image that never was in a registry.
    user : str
        Whom it asks to run as; empty for nobody, and as long as it is not here.
    remark : str
        What whoever asked should know, such as why a newer one was not looked for.
    """

    name: str
    id: str = ""
    digest: str | None = None
    user: str = ""
    remark: str = ""

    @property
    def is_here(self) -> bool:
        """Whether it can run without being fetched."""
        return bool(self.id)

    @property
    def digests(self) -> tuple[str, ...]:
        """What identifies its content, as far as it is known."""
        return tuple(known for known in (self.digest, self.id) if known)


@dataclass(frozen=True)
class ContainerEnded:
    """The container of a run has ended."""

    result_id: int


@dataclass(frozen=True)
class EngineBack:
    """Events reach us (again); what happened before must be looked up."""


Notice = ContainerEnded | EngineBack


@dataclass(frozen=True)
class Ending:
    """How a container ended, in the engine's words; times are ISO 8601 in UTC, without offset."""

    exit_code: int
    out_of_memory: bool
    started_at: str
    finished_at: str
    log: str


class Runner(Protocol):
    """Runs containers, each under the id of a result.

    One contract suite (`tests/runner/test_contract.py`) holds for every implementation.
    """

    def connect(self) -> None:
        """Find the engine, and see that containers can be run with it.

        Raises
        ------
        EngineUnreachable
            When there is no engine.
        ImageMissing
            When an image of ours is not there.
        """
        ...

    def open(self, tell: Callable[[Notice], None]) -> dict[int, Trace]:
        """Take over what an earlier process of this node left; returns it by result id.

        From now on `tell` hears what happens, on other threads.
        """
        ...

    def look(self) -> dict[int, Trace]:
        """What there is of every run now."""
        ...

    def find_image(self, image: str) -> FoundImage:
        """What a name stands for now, here or in its registry; nothing is fetched.

        Raises
        ------
        ImageMissing
            When it is in neither, with the reason.
        """
        ...

    def fetch_image(self, found: FoundImage) -> FoundImage:
        """Have exactly what was found here; ImageMissing with the reason when it cannot be had."""
        ...

    def create(self, settings: ContainerSettings) -> Path:
        """Make a container, not yet running, in a sandbox of its own.

        Its image is the id of one that was found here, so that none takes its place meanwhile.

        Returns the folder in which the proxy of this run has to open its socket.
        """
        ...

    def has_started(self, result_id: int) -> bool:
        """Whether the container was started already, though nobody was told that it was.

        Raises
        ------
        MayHaveRun
            When it was told to start, and the engine cannot say whether it did.
        """
        ...

    def start(self, result_id: int) -> None:
        """Start the container; RunnerError with the reason when that is impossible."""
        ...

    def sandbox(self, result_id: int) -> Path:
        """The folder that `create` returned, also for a container of an earlier process."""
        ...

    def stop(self, result_id: int) -> None:
        """Kill the container, and come back when it has ended.

        Raises
        ------
        ContainerMissing
            When it is not there any more.
        """
        ...

    def age(self, result_id: int) -> float:
        """For how many seconds the container has been running.

        Raises
        ------
        ContainerMissing
            When it is not there any more.
        """
        ...

    def layer_size(self, result_id: int) -> int:
        """How many bytes the container wrote to the file system of its image.

        Raises
        ------
        ContainerMissing
            When it is not there any more.
        """
        ...

    def call_relay(self, result_id: int) -> None:
        """Make the relay of a run ask for `control.sock` in the folder of its sandbox."""
        ...

    def service(self, name: str) -> Service:
        """The container of exactly this name, whoever made it; ServiceMissing with the reason."""
        ...

    def ending(self, result_id: int, log_lines: int | None) -> Ending:
        """How the container ended, with the last lines of its log or (None) all of them.

        Raises
        ------
        ContainerMissing
            When it is not there any more.
        """
        ...

    def remove(self, result_id: int) -> None:
        """Kill and remove the container, if it is there."""
        ...

    def empty(self, folder: Path) -> None:
        """Delete what is in a folder, also what belongs to users we are not."""
        ...

    def close(self, kill: bool) -> None:
        """Let go of the engine; remove all that no running container needs.

        Parameters
        ----------
        kill : bool
            Whether to kill the running containers too.
        """
        ...
