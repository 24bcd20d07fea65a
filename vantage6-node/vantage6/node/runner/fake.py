"""A runner without an engine: containers are Python functions. For tests, of ours and others."""

import hashlib
import json
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vantage6.node.globals import RELAY_CONTROL
from vantage6.node.layout import DATA_FOLDER
from vantage6.node.runner.interface import (
    ContainerEnded,
    ContainerMissing,
    Ending,
    EngineUnreachable,
    FoundImage,
    ImageMissing,
    MayHaveRun,
    Notice,
    RunnerError,
    Service,
    ServiceMissing,
)
from vantage6.node.runner.settings import ContainerSettings
from vantage6.node.state import Trace

#: What a program gives back when it goes on until `FakeRunner.finish` ends it.
RUNS_ON = None

_KILLED = 137
_BEGINNING = "2026-01-01T00:00:00.000000"
_END = "2026-01-01T00:00:01.000000"


@dataclass
class FakeContainer:
    """What a program finds around it, and leaves behind."""

    settings: ContainerSettings
    trace: Trace = Trace.CREATED
    exit_code: int = 0
    log: str = ""
    age: float = 0.0
    layer_size: int = 0

    def path(self, path: str) -> Path:
        """Where a path of the container is on our disk."""
        for mount in sorted(self.settings.mounts, key=lambda m: -len(str(m.target))):
            if Path(path).is_relative_to(mount.target):
                return mount.source / Path(path).relative_to(mount.target)
        raise FileNotFoundError(path)

    def write_output(self, content: bytes) -> None:
        """Write the output of the algorithm."""
        self.path(self.settings.environment["OUTPUT_FILE"]).write_bytes(content)

    def data_folder(self) -> Path:
        """What the container sees as /mnt/data."""
        return self.path(str(DATA_FOLDER))


Program = Callable[[FakeContainer], int | None]


class FakeRunner:
    """Runs programs at once, on the thread that starts them; see `interface.Runner`.

    Parameters
    ----------
    folder : Path
        Where the folders of sandboxes are made.
    programs : mapping
        From images to what they do: a function of the container that returns its exit
        code, or `RUNS_ON`.
    remote : mapping, optional
        Images that are here only after they were fetched.
    containers : dict, optional
        Those of an earlier runner, to be taken over.
    """

    def __init__(
        self,
        folder: Path,
        programs: Mapping[str, Program],
        remote: Mapping[str, Program] | None = None,
        containers: dict[int, FakeContainer] | None = None,
    ) -> None:
        self._folder = folder
        self.programs, self._remote = dict(programs), dict(remote or {})
        self.containers = {} if containers is None else containers
        self.is_up = True
        self.emptied: list[Path] = []
        # What was told to start when the engine went away.
        self.forgotten: set[int] = set()
        self.services: dict[str, Service] = {}
        self.listening: dict[int, list[Any]] = {}

    def connect(self) -> None:
        """Find the engine, which is there unless a test says otherwise."""
        self._require_engine()

    def open(self, tell: Callable[[Notice], None]) -> dict[int, Trace]:
        """Take over what an earlier runner left."""
        self._tell = tell
        return self.look()

    def look(self) -> dict[int, Trace]:
        """What there is of every run now."""
        self._require_engine()
        return {result_id: container.trace for result_id, container in self.containers.items()}

    def find_image(self, image: str) -> FoundImage:
        """An image, here or elsewhere."""
        if image in self.programs:
            return FoundImage(image, id=image_id(image))
        if image not in self._remote:
            raise ImageMissing(f"The image {image} does not exist")
        return FoundImage(image)

    def fetch_image(self, found: FoundImage) -> FoundImage:
        """Fetch an image from among those that are elsewhere."""
        if not found.is_here:
            self.programs[found.name] = self._remote[found.name]
        return replace(found, id=image_id(found.name))

    def create(self, settings: ContainerSettings) -> Path:
        """Make a container."""
        self._require_engine()
        self.containers[settings.result_id] = FakeContainer(settings)
        folder = self.sandbox(settings.result_id)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def has_started(self, result_id: int) -> bool:
        """Whether a program runs or has ended; of what the engine forgot it cannot tell."""
        self._require_engine()
        if result_id in self.forgotten:
            raise MayHaveRun
        container = self.containers.get(result_id)
        return container is not None and container.trace in (Trace.RUNNING, Trace.EXITED)

    def start(self, result_id: int) -> None:
        """Run the program; RunnerError when it raises one."""
        self._require_engine()
        container = self.containers[result_id]
        container.trace = Trace.RUNNING
        programs = {image_id(name): program for name, program in self.programs.items()}
        exit_code = programs[container.settings.image](container)
        if exit_code is not RUNS_ON:
            self.finish(result_id, exit_code)

    def finish(self, result_id: int, exit_code: int) -> None:
        """End a program."""
        container = self.containers[result_id]
        container.trace, container.exit_code = Trace.EXITED, exit_code
        self._tell(ContainerEnded(result_id))

    def sandbox(self, result_id: int) -> Path:
        """The folder in which the proxy of a run has to listen."""
        return self._folder / str(result_id)

    def stop(self, result_id: int) -> None:
        """End a program that runs on."""
        self._require_engine()
        if self._container(result_id).trace is Trace.RUNNING:
            self.finish(result_id, _KILLED)

    def age(self, result_id: int) -> float:
        """For how long a program has been running."""
        return self._container(result_id).age

    def layer_size(self, result_id: int) -> int:
        """What a program wrote beside its folders."""
        return self._container(result_id).layer_size

    def call_relay(self, result_id: int) -> None:
        """Note what the node asks the relay to listen on, and say that it does."""
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(self.sandbox(result_id) / RELAY_CONTROL))
            relay = threading.Thread(target=self._listen, args=(result_id, control.dup()))
        relay.start()

    def _listen(self, result_id: int, control: socket.socket) -> None:
        with control, control.makefile("rb") as lines:
            self.listening[result_id] = json.loads(lines.readline())
            control.sendall(b"\n")

    def service(self, name: str) -> Service:
        """A container that a test says is there."""
        try:
            return self.services[name]
        except KeyError as error:
            raise ServiceMissing("there is no container of that name") from error

    def ending(self, result_id: int, log_lines: int | None) -> Ending:
        """How a program ended."""
        self._require_engine()
        container = self._container(result_id)
        lines = container.log.splitlines(keepends=True)
        shown = "".join(lines if log_lines is None else lines[-log_lines:])
        return Ending(container.exit_code, container.exit_code == 137, _BEGINNING, _END, shown)

    def remove(self, result_id: int) -> None:
        """Remove a container, if it is there."""
        self._require_engine()
        self.containers.pop(result_id, None)

    def empty(self, folder: Path) -> None:
        """Note down that a folder had to be emptied."""
        self.emptied.append(folder)

    def close(self, kill: bool) -> None:
        """Leave containers to the next runner, or not."""
        if kill:
            self.containers.clear()

    def _container(self, result_id: int) -> FakeContainer:
        if result_id not in self.containers:
            raise ContainerMissing("The container vanished")
        return self.containers[result_id]

    def _require_engine(self) -> None:
        if not self.is_up:
            raise EngineUnreachable("There is no engine")


def image_id(name: str) -> str:
    """The id of an image; the content of a program is its name."""
    return f"sha256:{hashlib.sha256(name.encode()).hexdigest()}"


def cannot_start(container: FakeContainer) -> int:
    """Stand in for a container that the engine cannot start."""
    raise RunnerError("The container could not be started: no such command")
