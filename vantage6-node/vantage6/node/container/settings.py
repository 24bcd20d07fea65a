"""What the container of a node gets, worked out by pure functions; no engine is asked here."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from vantage6.common import __version__
from vantage6.common.container.settings import (
    HOST_NAME,
    SOURCE_FOLDER,
    TEMPORARY_FOLDER,
    Mount,
    is_loopback,
)
from vantage6.common.context import EXTENSION, InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.globals import DEFAULT_DOCKER_REGISTRY, DEFAULT_NODE_IMAGE
from vantage6.node.container.inside import (
    CA_FILE,
    CONFIG_FOLDER,
    DATA_FOLDER,
    KEY_FILE,
    LOG_FOLDER,
    TASK_FOLDER,
    signature_file,
)

DEFAULT_IMAGE = f"{DEFAULT_DOCKER_REGISTRY}/{DEFAULT_NODE_IMAGE}:{__version__}"
NODE = "node"
ENGINE_SOCKET = PurePosixPath("/var/run/docker.sock")
# Where the node says that the server knows it, and since when it is ready for tasks.
READY_FILE = "ready"
# Is there until a start has done what it shall do only once.
ONCE_FILE = "once"

_DATABASE_FOLDER = PurePosixPath("/mnt")
# Names below /mnt that are taken; a database of such a label gets another one.
_TAKEN = {"config", "data", "log", "tasks", "signatures", "vpn", KEY_FILE.name, CA_FILE.name}
_COMPRESSED = {".gz", ".bz2", ".xz", ".zst", ".zip"}
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
# What root needs of its capabilities: sockets that are another user's, whose folders the node
# makes and removes, and files that containers left as users of their own.
_CAPABILITIES_OF_ROOT = ["CHOWN", "DAC_OVERRIDE", "FOWNER"]
_ROOT = 0


@dataclass(frozen=True)
class User:
    """As whom the node runs, and with which groups besides."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True)
class MountedDatabase:
    """A file or folder of the owner's, and what it is called in the container."""

    label: str
    path: Path
    name: str


@dataclass(frozen=True)
class Files:
    """What of this machine the container of a node sees.

    Attributes
    ----------
    config : Path
    data, log : Path
        Folders of this node alone.
    engine : Path
        The socket of the engine.
    tasks : Path, optional
        Where the files of tasks are, if not in the data folder.
    key, ca : Path, optional
        The private key; the authority of the server's certificate.
    signatures : tuple of Path
    databases : tuple of MountedDatabase
    """

    config: Path
    data: Path
    log: Path
    engine: Path
    tasks: Path | None = None
    key: Path | None = None
    ca: Path | None = None
    signatures: tuple[Path, ...] = ()
    databases: tuple[MountedDatabase, ...] = ()


def container_name(name: str, scope: str) -> str:
    """The name of the container of a node."""
    return f"vantage6-{name}-{scope}"


def mounted_name(label: str, path: Path) -> str:
    """What a database is called below /mnt: its label, with the extension of its file."""
    suffixes = path.suffixes if path.suffix in _COMPRESSED else [path.suffix]
    name = f"{label}{''.join(suffixes[-2:])}".replace("/", "_")
    return f"database_{name}" if name in _TAKEN else name


def mounts(files: Files, name: str, source: Path | None = None) -> Iterator[Mount]:
    """What of our disk the container sees: only what it needs, and little that it may change.

    Parameters
    ----------
    files : Files
    name : str
        Of the node.
    source : Path, optional
        A checkout.
    """
    yield Mount(files.config, config_file(name))
    yield Mount(files.data, DATA_FOLDER, read_only=False)
    yield Mount(files.log, LOG_FOLDER, read_only=False)
    yield Mount(files.engine, ENGINE_SOCKET)
    if files.tasks:
        yield Mount(files.tasks, TASK_FOLDER, read_only=False)
    if files.key:
        yield Mount(files.key, KEY_FILE)
    if files.ca:
        yield Mount(files.ca, CA_FILE)
    for number, file in enumerate(files.signatures):
        yield Mount(file, signature_file(number))
    for database in files.databases:
        yield Mount(database.path, _DATABASE_FOLDER / database.name)
    if source:
        yield Mount(source.absolute(), SOURCE_FOLDER)


def config_file(name: str) -> PurePosixPath:
    """Where the configuration of a node is in its container."""
    return CONFIG_FOLDER / f"{name}{EXTENSION}"


def environment(files: Files, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of the container.

    Parameters
    ----------
    files : Files
    variables : mapping
        Those of this process; the proxies among them are for the node as well.
    """
    wanted = {name for proxy in _PROXIES for name in (proxy, proxy.lower())}
    found = {name: value for name, value in variables.items() if name in wanted}
    found["HOME"] = TEMPORARY_FOLDER
    if files.key:
        found["PRIVATE_KEY"] = str(KEY_FILE)
    for database in files.databases:
        found[f"{database.label.upper()}_DATABASE_URI"] = database.name
    return found


def command(
    context: InstanceContext, options: Sequence[str] = (), once: Sequence[str] = ()
) -> list[str]:
    """What runs in the container, whenever the engine starts it.

    Parameters
    ----------
    context : InstanceContext
    options : sequence of str
        Further ones of `vnode-local start`.
    once : sequence of str
        Those that count at the first start alone.
    """
    words = command_inside("start", context.name, context.environment, context.scope)
    words += ["--dockerized", "--ready-file", str(DATA_FOLDER / READY_FILE), *options]
    return [*words, *once, "--only-once", str(DATA_FOLDER / ONCE_FILE)] if once else words


def command_inside(command: str, name: str, environment: str, scope: str) -> list[str]:
    """A command of `vnode-local` in the container, for the node that is in it."""
    words = ["vnode-local", command, "-c", str(config_file(name)), "-n", name]
    return [*words, "-e", environment, f"--{scope}"]


def names(files: Files, name: str) -> dict[str, str]:
    """What files are called in the container, and here; the longest first."""
    found = {str(mount.target): str(mount.source) for mount in mounts(files, name)}
    return dict(sorted(found.items(), key=lambda entry: -len(entry[0])))


def user(
    uid: int, gid: int, groups: Sequence[int], socket_group: int, security_options: Iterable[str]
) -> User:
    """As whom the node runs: as who starts it, with the group that may talk to the engine.

    Parameters
    ----------
    uid, gid : int
    groups : sequence of int
        The further groups of who starts it.
    socket_group : int
    security_options : iterable of str
        What the engine says of itself.
    """
    if uid == _ROOT or "name=rootless" in security_options:
        # A rootless engine's root is but another name of the user whose engine it is.
        return User(_ROOT, _ROOT)
    return User(uid, gid, tuple(sorted({*groups, socket_group} - {gid})))


def rights(who: User) -> dict[str, Any]:
    """What the container may do for being run by somebody, in the words of the engine."""
    if who.uid == _ROOT:
        return {"cap_add": _CAPABILITIES_OF_ROOT}
    return {"group_add": list(who.groups)}


def engine_socket(variables: Mapping[str, str]) -> Path:
    """The socket of the engine that the environment names, else of the one of this machine.

    Raises
    ------
    ConfigurationError
        When the engine is not on this machine: our files would not be there.
    """
    host = variables.get("DOCKER_HOST") or f"unix://{ENGINE_SOCKET}"
    if not host.startswith("unix://"):
        raise ConfigurationError(
            f"The engine at {host} is not the one of this machine; `vnode start` needs an engine "
            "that sees the files of the node"
        )
    return Path(host.removeprefix("unix://"))


def check_reachable(config: Mapping[str, Any]) -> None:
    """Refuse addresses on the loopback of this machine, where no container comes.

    Raises
    ------
    ConfigurationError
        With what to do instead.
    """
    for key, url in (
        ("server_url", config["server_url"]),
        ("proxy", config["connection"]["proxy"]),
    ):
        if url and is_loopback(urlsplit(url).hostname or ""):
            raise ConfigurationError(
                f"{url!r} ({key}) cannot be reached from a container, which has a loopback of its "
                f"own. Let it listen on the address of the engine's bridge and write {HOST_NAME!r} "
                "as its host, or use `vnode-local`"
            )
