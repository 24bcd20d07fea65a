"""Federations whose parts are killed: a gate between node and server, and what may be left over.

The tests of crashes share it.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import yaml

from development import federation, gate
from development.engine import ensure_engine
from development.federation import Federation, Hospital, Service
from development.gate import Gate, Passage
from development.images import BASE, Image, ensure
from development.install import ROOT

ANSWER = Image("vantage6/test-answer:latest", ROOT / "tests" / "end_to_end" / "answer", parent=BASE)
NAME = "hospital"


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
    def server(self) -> Service:
        """The process of the server."""
        return self.members.services["server"]

    def start(self) -> Service:
        """Start the node, without waiting for it."""
        return self.members.start_node(self.hospital)

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

    def answers(self, task_id: int) -> list[Any]:
        """The results of a task, once they are there."""
        return list(self.members.client().task.wait(task_id, timeout=gate.PATIENCE))

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

    def reports(self, task_id: int) -> list[int]:
        """How the server answered to reports on how the run of a task ended."""
        (run,) = self.runs(task_id)
        path = f"/api/result/{run['id']}"
        return [one.status for one in self.gate.passed if one.path == path and is_report(one)]


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


def left_behind(data: Path, engine: docker.DockerClient | None = None) -> list[str]:
    """What there still is of the runs of a node that has been stopped.

    Parameters
    ----------
    data : Path
        The data folder of the node.
    engine : docker.DockerClient, optional
        The one it used, if not the usual one.
    """
    return [*_in_engine(data, engine or ensure_engine()), *_on_disk(data), *_in_journal(data)]


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
    folders = ("runs", "outbox", "tmp")
    return [str(path.relative_to(data)) for name in folders for path in data.glob(f"**/{name}/*")]


def _in_journal(data: Path) -> list[str]:
    with closing(sqlite3.connect(data / "journal.sqlite")) as connection:
        rows = connection.execute("SELECT result_id, status FROM run").fetchall()
    return [f"run {result_id} in the journal: {status}" for result_id, status in rows]


def audited(data: Path, event: str) -> list[int]:
    """The results of which the audit log of a node tells something, one for each time."""
    lines = map(json.loads, (data / "audit.jsonl").read_text().splitlines())
    return [line["result_id"] for line in lines if line["event"] == event]
