"""What a federation left behind, however it ended: found by its files, and removed."""

import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from vantage6.tools.local_federation.service import STOP_SECONDS

PROCESSES = "processes.json"
_ENGINE_SECONDS = 60


def keep_record(folder: Path, records: Iterable[dict[str, Any]]) -> None:
    """Keep on disk which processes are ours, for whoever cleans up after a kill."""
    partial = folder / "processes.part"
    partial.write_text(json.dumps(list(records)))
    partial.replace(folder / PROCESSES)


def living_processes(folder: Path) -> list[psutil.Process]:
    """The processes of the federation in a folder that still run."""
    file = folder / PROCESSES
    records = json.loads(file.read_text()) if file.exists() else []
    return [process for record in records if (process := same_process(record))]


def node_names(folder: Path) -> list[str]:
    """The names of the nodes of the federation in a folder; its containers carry them."""
    return [path.stem for path in folder.glob("*/*.yaml") if path.parent.name != "server"]


def remove(folder: Path) -> None:
    """End what a federation in this folder left running, however it ended, and delete it.

    Raises
    ------
    EngineUnreachable
        When there were nodes, whose containers cannot be looked for.
    """
    processes = living_processes(folder)
    # Nodes come after the server in the list and need it to the end.
    for process in reversed(processes):
        _signal(process.terminate)
    _, stubborn = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in stubborn:
        _signal(process.kill)
    psutil.wait_procs(stubborn)
    names = node_names(folder)
    if names:
        _remove_containers(names)
    shutil.rmtree(folder, ignore_errors=True)


def same_process(record: dict[str, Any]) -> psutil.Process | None:
    """The process of a record, where it still runs."""
    try:
        process = psutil.Process(record["pid"])
        return process if abs(process.create_time() - record["created"]) < 1 else None
    except psutil.NoSuchProcess:
        return None


def _remove_containers(names: list[str]) -> None:
    from docker.errors import NotFound

    from vantage6.common.engine import connect

    api = connect(timeout=_ENGINE_SECONDS, connections=1)
    try:
        for name in names:
            for found in api.containers(all=True, filters={"label": f"node={name}"}):
                try:
                    api.remove_container(found["Id"], v=True, force=True)
                except NotFound:
                    continue  # it has gone in the meantime, which is what we want
    finally:
        api.close()


def _signal(send: Callable[[], None]) -> None:
    try:
        send()
    except psutil.NoSuchProcess:
        return  # it ended in the meantime, which is what we want
