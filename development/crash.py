"""Federations whose parts are killed: a gate between node and server, and what may be left over.

The tests of crashes share it.
"""

import io
import json
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import docker
import yaml
from docker.errors import ImageNotFound

from development import federation, gate
from development.bridge import LOOPBACK
from development.console import SetupError, run
from development.engine import ensure_engine
from development.federation import Federation, Hospital, Service
from development.gate import Gate, Passage
from development.images import BASE, Image, ensure
from development.install import ROOT
from development.registry import Registry
from vantage6.common.exceptions import TaskFailed

ANSWER = Image("vantage6/test-answer:latest", ROOT / "tests" / "end_to_end" / "answer", parent=BASE)
NAME = "hospital"


@dataclass(frozen=True)
class Ended:
    """How a run ended.

    Attributes
    ----------
    status : str
    answer : object
        None where it has failed.
    reports : int
        How many reports on its end the server has accepted.
    """

    status: str
    answer: Any
    reports: int = 1


class House:
    """One hospital behind a gate, and its researcher.

    Parameters
    ----------
    members : Federation
        Of this hospital alone; its server runs.
    gate : Gate
        Over which the node reaches the server.
    signals : Path
        The hospital's database: files in it tell algorithms to end.
    """

    def __init__(self, members: Federation, gate: Gate, signals: Path) -> None:
        self.members, self.gate, self.signals = members, gate, signals
        self.hospital = members.hospitals[0]

    @property
    def data(self) -> Path:
        """The data folder of the node."""
        config = yaml.safe_load(self.members.write_node_config(self.hospital).read_text())
        return Path(config["application"]["task_dir"])

    @property
    def twin_data(self) -> Path:
        """The data folder of its twin."""
        return self.members.home(self.hospital) / "twin" / "data"

    @property
    def server(self) -> Service:
        """The process of the server."""
        return self.members.services["server"]

    def start(self) -> Service:
        """Start the node, without waiting for it."""
        return self.members.start_node(self.hospital)

    def start_twin(self) -> Service:
        """Start another node with the same API key."""
        return self.members.start_twin(self.hospital)

    def stop(self) -> None:
        """Stop the nodes as their owner would; SetupError when one complains."""
        for name in [name for name in self.members.services if name != "server"]:
            service = self.members.services.pop(name)
            service.ask_to_stop()
            if service.wait_for_end():
                raise SetupError(f"{name} did not stop well: {service.last_words()}")

    def restart_server_with_new_secret(self) -> None:
        """Kill the server, and start it with another secret for its tokens."""
        kill(self.server)
        next(self.members.folder.glob("server/**/jwt_secret")).unlink()
        self.members.start_server()

    def create(self, answer: int, waits_for: str = "", image: str = ANSWER.tag) -> int:
        """A task that is answered once there is a signal, or at once; its id."""
        client: Any = self.members.client()
        task = client.task.create(
            collaboration=client.collaboration.list(scope="organization")[0]["id"],
            organizations=[client.whoami.organization_id],
            name="crash",
            image=image,
            description="",
            input={"method": "answer", "kwargs": {"waits_for": waits_for, "answer": answer}},
        )
        return int(task["id"])

    def signal(self, name: str) -> None:
        """Let the algorithms end that wait for this."""
        (self.signals / name).touch()

    def ended(self, task_id: int) -> "Ended":
        """How a task of one run ended, once it has."""
        client = self.members.client()
        try:
            (answer,) = client.task.wait(task_id, timeout=gate.PATIENCE)
        except TaskFailed:
            answer = None
        (run,) = self.runs(task_id)
        return Ended(run["status"], answer, self.reports(task_id).count(HTTPStatus.OK))

    def runs(self, task_id: int) -> list[Any]:
        """The runs of a task as the server has them now."""
        return list(self.members.client().result.from_task(task_id))

    def containers(self, status: str | None = None) -> list[str]:
        """The names of the containers of runs, all of them or those of a status."""
        return [
            str(one.name)
            for one in federation.containers(self.members.folder)
            if "-result-" in str(one.name) and status in (None, one.status)
        ]

    def log(self, task_id: int) -> str:
        """What the researcher reads of the run of a task."""
        (run,) = self.runs(task_id)
        return str(run["log"])

    def reports(self, task_id: int) -> list[int]:
        """How the server answered to reports on how the run of a task ended."""
        (run,) = self.runs(task_id)
        path = f"/api/result/{run['id']}"
        return [one.status for one in self.gate.passed if one.path == path and is_report(one)]


@dataclass(frozen=True)
class FarImage:
    """An image that only a registry has, and the log-in to it."""

    name: str
    log_in: dict[str, str]


@contextmanager
def far_image(registry: Registry, entrance: Gate) -> Iterator[FarImage]:
    """The image that answers, in a registry, with content that no engine has before or after.

    Parameters
    ----------
    registry : Registry
    entrance : Gate
        Over which the image has to be fetched.
    """
    tag = secrets.token_hex(4)
    pushed = f"{registry.address}/crash/answer"
    recipe = f"FROM {ANSWER.tag}\nLABEL variant={tag}\n".encode()
    with closing(ensure_engine()) as engine:
        engine.images.build(fileobj=io.BytesIO(recipe), tag=f"{pushed}:{tag}", rm=True)
        said = engine.images.push(
            pushed, tag, auth_config=registry.log_in, stream=True, decode=True
        )
        if errors := [line["error"] for line in said if "error" in line]:
            raise SetupError(f"the image was not pushed: {errors[0]}")
        engine.images.remove(f"{pushed}:{tag}")
    address = f"{LOOPBACK}:{entrance.port}"
    image = FarImage(f"{address}/crash/answer:{tag}", {**registry.log_in, "registry": address})
    try:
        yield image
    finally:
        with closing(ensure_engine()) as engine, suppress(ImageNotFound):
            engine.images.remove(image.name, force=True)


def kill(service: Service) -> None:
    """End a process as `kill -9` does."""
    service.process.kill()
    service.process.wait()


def is_report(passage: Passage) -> bool:
    """Whether a request, or its answer, tells how a run ended."""
    return passage.method == "PATCH" and b'"finished_at"' in passage.body


@contextmanager
def house(folder: Path, **config: Any) -> Iterator[House]:
    """A house with its server, and no node yet; all is gone in the end.

    Parameters
    ----------
    folder : Path
    **config : object
        Keys of the node configuration that differ from the usual.
    """
    signals = folder / "signals"
    signals.mkdir(parents=True)
    with gate.on_the_way_to(lambda: members.port) as entrance:
        images = config.pop("allowed_images", [f"^{ensure(ANSWER)}$"])
        hospital = Hospital(NAME, signals, {"port": entrance.port, **config})
        members = Federation(folder / "f", [hospital], images)
        members.prepare()
        try:
            members.start_server()
            yield House(members, entrance, signals)
        finally:
            members.stop()
            federation.remove(members.folder)


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of this size, in memory; only root can have one."""
    folder.mkdir(parents=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], "no small disk")
    try:
        yield folder
    finally:
        run(["umount", "--lazy", str(folder)], "the small disk stays")


def fill(disk: Path) -> Path:
    """Take all the room that there is; the file to delete for it to come back."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (2**16, 1):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
    return filler


def left_behind(data: Path, engine: docker.DockerClient | None = None) -> list[str]:
    """What there still is of the runs of a node that has been stopped.

    Parameters
    ----------
    data : Path
        The data folder of the node.
    engine : docker.DockerClient, optional
        The one it used, if not the usual one.
    """
    return [*_in_engine(data, engine or ensure_engine()), *_on_disk(data), *in_journal(data)]


def _in_engine(data: Path, engine: docker.DockerClient) -> list[str]:
    label: dict[str, Any] = {
        "label": f"vantage6-instance={(data / 'instance').read_text().strip()}"
    }
    found: list[Any] = [
        *engine.containers.list(all=True, filters=label, ignore_removed=True),
        *engine.networks.list(filters=label),
        *engine.volumes.list(filters=label),
    ]
    return [str(one.name) for one in found]


def _on_disk(data: Path) -> list[str]:
    sandboxes = [str(path.relative_to(data)) for path in data.glob("**/sandboxes/*/")]
    return [*sandboxes, *files_of_runs(data)]


def files_of_runs(data: Path) -> list[str]:
    """What the data folder of a node holds of runs, from that folder on."""
    kinds = ("runs", "inbox", "outbox", "tmp")
    found = [path for name in kinds for path in data.glob(f"**/{name}/*")]
    return [str(path.relative_to(data)) for path in found]


def in_journal(data: Path) -> list[str]:
    """The runs that the journal of a node holds, in words."""
    with closing(sqlite3.connect(data / "journal.sqlite")) as connection:
        rows = connection.execute("SELECT result_id, status FROM run").fetchall()
    return [f"run {result_id} in the journal: {status}" for result_id, status in rows]


def audited(data: Path, event: str) -> list[int]:
    """The results of which the audit log of a node tells something, one for each time."""
    lines = map(json.loads, next(data.glob("**/audit.jsonl")).read_text().splitlines())
    return [line["facts"]["result_id"] for line in lines if line["event"] == event]


def completed(answer: int) -> Ended:
    """How a run should have ended."""
    return Ended("completed", {"answer": answer})
