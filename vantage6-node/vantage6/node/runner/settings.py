"""What a container gets, worked out by pure functions; nothing here talks to an engine."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vantage6.common.container.settings import TYPE_LABEL, Mount
from vantage6.node.assignment import Assignment
from vantage6.node.databases import Database, file_names
from vantage6.node.globals import PROXY_HOST, PROXY_PORT
from vantage6.node.layout import DATA_FOLDER, TEMPORARY_FOLDER, RunFiles, task_folder
from vantage6.node.rules import Limits, Rules
from vantage6.node.runner.variables import (
    database_variables,
    predecessor_variables,
)

INSTANCE_LABEL = "vantage6-instance"
SANDBOX_LABEL = "vantage6-sandbox"
RESULT_LABEL = "result_id"
ALGORITHM = "algorithm"
RELAY = "relay"
CLEANER = "cleaner"
LOOKER = "looker"


@dataclass(frozen=True)
class ContainerSettings:
    """Everything about one container that is ours to decide."""

    result_id: int
    image: str
    environment: Mapping[str, str]
    mounts: tuple[Mount, ...]
    labels: Mapping[str, str]
    limits: Limits
    user: str | None = None
    writable_root: bool = False
    gpu: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Identity:
    """Which node the containers belong to.

    Attributes
    ----------
    name, scope : str
        As in the names of classic containers.
    instance : str
        Told apart from every other node, also from one of the same name: only what carries
        it is ours to adopt or to remove.
    """

    name: str
    scope: str
    instance: str

    def container_name(self, result_id: int) -> str:
        """The name of the container of a run."""
        return f"vantage6-{self.name}-{self.scope}-result-{result_id}-{self.instance}"

    def relay_name(self, sandbox: str) -> str:
        """The name of the container that passes on what a run says to the proxy."""
        return f"vantage6-{self.name}-{self.scope}-relay-{sandbox}-{self.instance}"

    def labels(self, kind: str) -> dict[str, str]:
        """The labels that everything of ours carries."""
        return {TYPE_LABEL: kind, "node": self.name, INSTANCE_LABEL: self.instance}


def container_settings(
    assignment: Assignment,
    identity: Identity,
    files: RunFiles,
    databases: Sequence[Database],
    rules: Rules,
    user: str | None,
) -> ContainerSettings:
    """The settings of the container of one run.

    Parameters
    ----------
    assignment : Assignment
    identity : Identity
    files : RunFiles
    databases : sequence of Database
        First that of the task, then those that its image gets as well.
    rules : Rules
    user : str, optional
        As whom it runs, where that is not up to the image.
    """
    return ContainerSettings(
        result_id=assignment.result_id,
        image=assignment.image,
        environment=environment(assignment, databases, rules.environment),
        mounts=tuple(
            mounts(assignment.result_id, files, () if rules.writable_database else databases)
        ),
        labels={
            **identity.labels(ALGORITHM),
            RESULT_LABEL: str(assignment.result_id),
            "task_id": str(assignment.task_id),
            "run_id": str(assignment.run_id),
        },
        limits=rules.limits,
        user=user,
        writable_root=rules.writable_root,
        gpu=rules.gpu,
    )


def environment(
    assignment: Assignment, databases: Sequence[Database], extra: Mapping[str, str]
) -> dict[str, str]:
    """The variables of the container; those of the node's owner come last and win."""
    folder = DATA_FOLDER / task_folder(assignment.result_id)
    return {
        **predecessor_variables(databases, assignment.run_id),
        **database_variables(databases),
        "INPUT_FILE": str(folder / "input"),
        "OUTPUT_FILE": str(folder / "output"),
        "TOKEN_FILE": str(folder / "token"),
        "TEMPORARY_FOLDER": str(TEMPORARY_FOLDER),
        "HOST": f"http://{PROXY_HOST}",
        "PORT": str(PROXY_PORT),
        "API_PATH": "",
        **extra,
    }


def mounts(result_id: int, files: RunFiles, databases: Sequence[Database]) -> Iterable[Mount]:
    """What of our disk the container sees: its own files, and databases that are not copied."""
    folder = DATA_FOLDER / task_folder(result_id)
    yield Mount(files.data, DATA_FOLDER, read_only=False)
    yield Mount(files.input, folder / "input")
    yield Mount(files.token, folder / "token")
    yield Mount(files.temporary, TEMPORARY_FOLDER, read_only=False)
    names = file_names(databases)
    for database in databases:
        if database.path:
            yield Mount(database.path, DATA_FOLDER / names[database.label])


def own_user(image_user: str, uid: int, gid: int) -> str | None:
    """As whom the container runs where that is not up to the image; None where it is.

    Files of a node that is not root would be out of reach for the container's root, which
    has no capabilities. An image that names a user knows why.
    """
    return f"{uid}:{gid}" if uid != 0 and not image_user else None
