"""What belongs to a node on this machine, and to no other: for the commands that remove it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from vantage6.common.config import list_environments
from vantage6.common.container.containers import explained
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError, Vantage6Error
from vantage6.node import instance
from vantage6.node.configuration import NodeSchema
from vantage6.node.container.files import log_folder
from vantage6.node.journal import Journal
from vantage6.node.runner.settings import INSTANCE_LABEL

TEMPORARY = "tmp"
# What a node makes in its data folder. Its audit trail is not among them, nor are keys, with
# which all nodes and users of an organization read what was meant for it.
_IN_DATA = (
    ".pins.json.lock", "capabilities.json", "images", "instance", "node.lock", "pins.json",
    "once", "ready", "sandboxes",
    *(f"{name}.sqlite{part}" for name in ("journal", "sent") for part in ("", "-shm", "-wal")),
)  # fmt: skip
AUDIT_FILES = "audit."
_IN_TASKS = ("inbox", "outbox", "runs", TEMPORARY)


class NotDeleted(Vantage6Error):
    """A file or folder is still there."""


@dataclass(frozen=True)
class Leftover:
    """What a node left in the engine.

    Attributes
    ----------
    containers : list of str
        Of tasks, and of what serves them; ids.
    run_ids : set of str
        Of the tasks among them.
    """

    containers: list[str]
    run_ids: set[str]


class Belongings:
    """What belongs to the node of one environment of a configuration.

    Parameters
    ----------
    context : InstanceContext
    """

    def __init__(self, context: InstanceContext) -> None:
        self.context = context
        self.instance = instance.load_id(context.data_dir)
        tasks = context.config["task_dir"]
        self._tasks = Path(tasks).expanduser().absolute() if tasks else context.data_dir

    def is_running(self) -> bool:
        """Whether a process works in its data folder."""
        return instance.is_held(self.context.data_dir)

    def temporary(self, used: set[str]) -> list[Path]:
        """The folders that the rounds of a task share, but for those of some run ids."""
        folder = self._tasks / TEMPORARY
        if not folder.is_dir():
            return []
        return [
            path for path in sorted(folder.iterdir()) if path.name.partition("-")[0] not in used
        ]

    def files(self) -> Iterator[Path]:
        """All files and folders that it made and that are there, its logs too."""
        places = [(self.context.data_dir, _IN_DATA), (self._tasks, _IN_TASKS)]
        for folder, names in places:
            yield from (folder / name for name in names if (folder / name).exists())
        log = self.context.log_file.name
        for folder in {self.context.log_dir, log_folder(self.context)}:
            # Older ones have a number behind.
            pattern = re.compile(rf"{re.escape(log)}(\.\d+)?")
            if folder.is_dir():
                yield from (path for path in folder.iterdir() if pattern.fullmatch(path.name))

    def audit_trail(self) -> list[Path]:
        """The files that tell what ran here; they outlive the node."""
        return sorted(self.context.data_dir.glob(f"{AUDIT_FILES}*"))

    def undelivered(self) -> int:
        """How many runs have ended of which the server does not know yet."""
        path = self.context.data_dir / "journal.sqlite"
        if not path.is_file():
            return 0
        with closing(Journal(path)) as journal:
            return sum(record.report is not None for record in journal.records())

    def folders(self) -> list[Path]:
        """The folders that are its own, and not of the owner's choice."""
        chosen = self.context.config["directories"]
        found = [] if chosen["log"] else [log_folder(self.context)]
        return found if chosen["data"] else [*found, self.context.data_dir]

    def left_in(self, api: Any) -> Leftover:
        """What is left of it in the engine."""
        if self.instance is None:
            return Leftover([], set())
        with explained():
            found = api.containers(
                all=True, filters={"label": [f"{INSTANCE_LABEL}={self.instance}"]}
            )
        run_ids = {entry["Labels"].get("run_id", "") for entry in found} - {""}
        return Leftover([entry["Id"] for entry in found], run_ids)


def of_file(context: InstanceContext) -> list[Belongings]:
    """What belongs to the nodes of all environments of a configuration file.

    Raises
    ------
    ConfigurationError
        When one of them cannot be read: nobody knows what would be left behind.
    """
    return [
        Belongings(
            InstanceContext.from_file(
                "node", context.config_file, environment, context.system_folders, NodeSchema()
            )
        )
        for environment in list_environments(context.config_file)
    ]


def volumes(api: Any, name: str, scope: str) -> list[str]:
    """The volumes that the classic line made for a node of a name."""
    pattern = re.compile(rf"vantage6-{re.escape(name)}-{scope}-(vol|vpn-vol|\d+-tmpvol)")
    return [volume for volume in _volumes(api) if pattern.fullmatch(volume)]


def temporary_volumes(api: Any, name: str, scope: str) -> list[str]:
    """Those of them that a task of the classic line left."""
    return [volume for volume in volumes(api, name, scope) if volume.endswith("-tmpvol")]


def remove_volume(api: Any, volume: str) -> None:
    """Remove a volume; one that is gone is as good."""
    try:
        with explained():
            api.remove_volume(volume)
    except NotFound:
        return


def delete(path: Path) -> None:
    """Delete a file, or a folder with all that is in it.

    Raises
    ------
    NotDeleted
        When containers left something of another user in it.
    """
    # Not by our own hands: the standard library holds a file open for each level of folders.
    command = ["rm", "-rf", "--", str(path)]
    done = subprocess.run(command, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").partition("\n")[0]
        raise NotDeleted(f"{path} cannot be deleted: {reason}")


def _volumes(api: Any) -> list[str]:
    with explained():
        return [one["Name"] for one in api.volumes()["Volumes"] or []]


def check_stopped(context: InstanceContext, found: list[Belongings], is_in_container: bool) -> None:
    """Raise ConfigurationError when a node runs."""
    if is_in_container or any(one.is_running() for one in found):
        raise ConfigurationError(
            f"The node {context.name!r} is running; stop it first: vnode stop --name "
            f"{context.name} --{context.scope}"
        )
