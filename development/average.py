"""The main job: the mean of a real column over three hospitals, and the same work done bare."""

import math
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
import pandas
from sklearn.datasets import load_breast_cancer

from development.console import SetupError, last_line
from development.federation import Hospital
from vantage6.client import Client
from vantage6.common.serialization import deserialize, serialize

COLUMN = "mean radius"
# Uneven on purpose: a mean of means would be wrong.
SHARES = {"north": 0.57, "south": 0.29, "harbour": 0.14}
SEED = 569


def hospitals(folder: Path) -> list[Hospital]:
    """Cut the breast cancer set into disjoint parts, one CSV file per hospital.

    Source: the Wisconsin diagnostic breast cancer data, 569 rows, as scikit-learn ships it.
    """
    frame = load_breast_cancer(as_frame=True).frame
    shuffled = frame.sample(frac=1, random_state=SEED)
    ends = numpy.cumsum([round(share * len(frame)) for share in SHARES.values()])[:-1]
    parts = numpy.split(numpy.arange(len(frame)), ends)
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Hospital(name, _write(shuffled.iloc[rows], folder / f"{name}.csv"))
        for name, rows in zip(SHARES, parts, strict=True)
    ]


def pooled_mean(members: Sequence[Hospital]) -> float:
    """The mean of the column over all rows of all hospitals, summed without rounding errors."""
    values = [value for member in members for value in pandas.read_csv(member.database)[COLUMN]]
    return math.fsum(values) / len(values)


def central_input() -> dict[str, Any]:
    """The input of the central task."""
    return {"master": True, "method": "master", "kwargs": {"column_name": COLUMN}}


def partial_input() -> dict[str, Any]:
    """The input of one partial."""
    return {"method": "average_partial", "kwargs": {"column_name": COLUMN}}


def question(client: Client, image: str, input_: dict[str, Any]) -> Callable[[], Any]:
    """What a researcher does, ready to be timed.

    The call creates a task at the researcher's own organization, waits for its end and
    returns the decrypted answer.
    """
    assert client.whoami is not None
    organizations = [client.whoami.organization_id]
    collaboration = client.collaboration.list(scope="organization")[0]["id"]

    def ask() -> Any:
        task = client.task.create(collaboration, organizations, "mean", image, "", input_)
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
    """

    image: str
    database: Path
    folder: Path

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True)
        payload = {**partial_input(), "output_format": "json"}
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


def rows_of(members: Sequence[Hospital]) -> dict[str, int]:
    """How many rows each hospital has."""
    return {member.name: len(pandas.read_csv(member.database)) for member in members}


def _write(frame: pandas.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path
