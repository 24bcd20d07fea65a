"""The main job: the mean of a real column over three hospitals, and the same work done bare."""

import math
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from development.cohorts import breast_cancer
from development.console import SetupError, last_line
from development.demonstrations.average import COLUMN, DEMONSTRATION
from development.federation import Hospital
from development.hospitals import pooled, with_parts_of
from vantage6.client import Client
from vantage6.common.serialization import deserialize, serialize


def hospitals(folder: Path) -> list[Hospital]:
    """Cut the breast cancer set into disjoint parts, one CSV file per hospital."""
    return with_parts_of(breast_cancer(), folder)


def pooled_mean(members: Sequence[Hospital]) -> float:
    """The mean of the column over all rows of all hospitals, summed without rounding errors."""
    values = pooled(members)[COLUMN]
    return math.fsum(values) / len(values)


def central_input() -> dict[str, Any]:
    """The input of the central task."""
    return deepcopy(DEMONSTRATION.input)


def partial_input() -> dict[str, Any]:
    """The input of one partial."""
    return deepcopy(dict(DEMONSTRATION.partial))


def question(
    client: Client, image: str, input_: dict[str, Any], database: str = "default"
) -> Callable[[], Any]:
    """What a researcher does, ready to be timed.

    The call creates a task at the researcher's own organization, waits for its end and
    returns the decrypted answer.
    """
    assert client.whoami is not None
    organizations = [client.whoami.organization_id]
    collaboration = client.collaboration.list(scope="organization")[0]["id"]

    def ask() -> Any:
        task = client.task.create(
            collaboration, organizations, "question", image, "", input_, database=database
        )
        return client.task.wait(task["id"])[0]

    return ask


@dataclass
class BareRun:
    """The partial in a container of the same image on the same file, with no node or server.

    Attributes
    ----------
    image : str
    database : Path
        The CSV file.
    folder : Path
        An empty folder for its input and output.
    input_ : mapping, optional
        What the container is asked.
    """

    image: str
    database: Path
    folder: Path
    input_: Mapping[str, Any] = field(default_factory=partial_input)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        payload = {**self.input_, "output_format": "json"}
        (self.folder / "input").write_bytes(serialize(payload))
        (self.folder / "token").touch()
        (self.folder / "output").touch()

    def start(self) -> subprocess.Popen[str]:
        """Start the container with the engine's own command."""
        variables = {
            "INPUT_FILE": "/mnt/data/input",
            "OUTPUT_FILE": "/mnt/data/output",
            "TOKEN_FILE": "/mnt/data/token",
            "DATABASE_URI": "/mnt/database.csv",
        }
        command = ["docker", "run", "--rm", "--network", "none"]
        command += ["-v", f"{self.folder}:/mnt/data", "-v", f"{self.database}:/mnt/database.csv:ro"]
        command += [part for item in variables.items() for part in ("-e", "=".join(item))]
        return subprocess.Popen(
            [*command, self.image], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def finish(self, process: subprocess.Popen[str]) -> Any:
        """Wait for the end of the container and return its answer."""
        output, _ = process.communicate()
        if process.returncode:
            raise SetupError(f"docker run {self.image} failed: {last_line(output)}")
        return deserialize((self.folder / "output").read_bytes())

    def run(self) -> Any:
        """Run once from start to end and return the answer."""
        return self.finish(self.start())


class Stopwatch:
    """Seconds per named step, in their order."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Take the time of a step."""
        started = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - started
