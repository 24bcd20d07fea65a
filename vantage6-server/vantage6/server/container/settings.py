"""What the container of a server gets, worked out by pure functions; no engine is asked here."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from sqlalchemy.engine import URL

from vantage6.common import __version__
from vantage6.common.container.settings import (
    HOST_NAME,
    SOURCE_FOLDER,
    TEMPORARY_FOLDER,
    Mount,
    is_loopback,
)
from vantage6.common.context import NAME_VARIABLE, InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.common.globals import DEFAULT_DOCKER_REGISTRY, DEFAULT_SERVER_IMAGE
from vantage6.server.container.inside import (
    BROKER_CA_FILE,
    DATA_FOLDER,
    DOCKERIZED_VARIABLE,
    LOG_FOLDER,
    PAYLOADS_CA_FILE,
    PAYLOADS_FOLDER,
)
from vantage6.server.database import URI_VARIABLE
from vantage6.server.first_run import SECRET_FILE
from vantage6.server.store.bucket import VARIABLES

DEFAULT_IMAGE = f"{DEFAULT_DOCKER_REGISTRY}/{DEFAULT_SERVER_IMAGE}:{__version__}"

CONFIG_FILE = PurePosixPath("/mnt/config.yaml")
IMPORT_FILE = PurePosixPath("/mnt/import.yaml")
DATABASE_FOLDER = PurePosixPath("/mnt/database")
PORT = 5000
# Where the server leaves the first password of `root` for the operator.
ROOT_PASSWORD_FILE = "root_password"
# What the names of copies of import files begin with.
IMPORT_COPY = ".import-"

SERVER, IMPORT = "server", "server-import"


@dataclass(frozen=True)
class Owner:
    """The user that a server runs as, and that its files belong to."""

    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


@dataclass(frozen=True)
class Places:
    """Where the files of a server in a container are on this machine.

    Attributes
    ----------
    config : Path
    data, log : Path
        Folders of this server alone.
    database : Path, optional
        The file, when the database is one.
    ours : tuple of str
        What the names of the server's files begin with.
    payloads : Path, optional
        The folder of the payloads, when it is not with the data.
    payloads_ca : Path, optional
        The file with the authorities to trust for the storage of the payloads.
    broker_ca : Path, optional
        That for the broker.
    """

    config: Path
    data: Path
    log: Path
    database: Path | None
    ours: tuple[str, ...]
    payloads: Path | None = None
    payloads_ca: Path | None = None
    broker_ca: Path | None = None

    @property
    def folders(self) -> set[Path]:
        """All folders that the server writes to."""
        more = (self.payloads, self.database.parent if self.database else None)
        return {self.data, self.log, *(folder for folder in more if folder)}


def container_name(name: str, scope: str) -> str:
    """The name of the container of a server."""
    return f"vantage6-{name}-{scope}-server"


def network_name(name: str, scope: str) -> str:
    """The name of the network of a server."""
    return f"vantage6-{name}-{scope}-network"


def places(context: InstanceContext, url: URL) -> Places:
    """Where the files of a server are.

    The default log folder is shared by all servers of a scope, and in that of the system it
    holds their data as well; a container gets one of its own below it.
    """
    is_own = context.config["directories"]["log"]
    file, payloads = database_file(url), context.config["payloads"]
    folder = Path(payloads["folder"] or "")
    of_storage = (payloads.get("s3") or {}).get("ca_file")
    of_broker = context.config["rabbitmq_ca_file"]
    ours = [SECRET_FILE, f".{SECRET_FILE}", ROOT_PASSWORD_FILE, IMPORT_COPY, context.log_file.stem]
    return Places(
        config=context.config_file,
        data=context.data_dir,
        log=context.log_dir if is_own else context.log_dir / context.name,
        database=file,
        ours=(*ours, file.name) if file else tuple(ours),
        payloads=folder if payloads["store"] == "file" and folder.is_absolute() else None,
        payloads_ca=Path(of_storage).absolute() if of_storage else None,
        broker_ca=Path(of_broker).absolute() if of_broker else None,
    )


def log_file(context: InstanceContext, folder: Path) -> Path:
    """The log file of a server, in a folder that is mounted."""
    return folder / context.log_file.name


def database_file(url: URL) -> Path | None:
    """The file of an SQLite database; None of any other."""
    is_file = url.get_backend_name() == "sqlite" and url.database
    return Path(url.database).absolute() if is_file and url.database else None


def check_reachable(url: URL) -> None:
    """Refuse a database that is on the loopback of this machine, where no container comes.

    Raises
    ------
    ConfigurationError
        With what to do instead.
    """
    if url.get_backend_name() == "sqlite":
        return
    hosts = url.query.get("host", url.host or "")
    for host in [hosts] if isinstance(hosts, str) else hosts:
        if is_loopback(host):
            raise ConfigurationError(
                f"The database at {host or 'a local socket'!r} cannot be reached from a container, "
                "which has a loopback of its own. Let the database listen on the address of the "
                f"engine's bridge and write {HOST_NAME!r} as its host, or use `vserver-local`"
            )


def environment(context: InstanceContext, url: URL, variables: Mapping[str, str]) -> dict[str, str]:
    """The variables of the container.

    Parameters
    ----------
    context : InstanceContext
    url : URL
        The database.
    variables : mapping
        Those of this process; a database that they name goes before the configured one.
    """
    found = {
        NAME_VARIABLE: context.name,
        DOCKERIZED_VARIABLE: "true",
        "HOME": TEMPORARY_FOLDER,
    }
    file = database_file(url)
    if file:
        found[URI_VARIABLE] = f"sqlite:///{DATABASE_FOLDER / file.name}"
    elif variables.get(URI_VARIABLE):
        found[URI_VARIABLE] = variables[URI_VARIABLE]
    if context.config["payloads"]["store"] == "s3":
        keys = VARIABLES.values()
        found |= {name: variables[name] for name in keys if name in variables}
    return found


def mounts(found: Places, source: Path | None = None) -> Iterable[Mount]:
    """What of our disk the container sees."""
    yield Mount(found.config, CONFIG_FILE)
    yield Mount(found.data, DATA_FOLDER, read_only=False)
    yield Mount(found.log, LOG_FOLDER, read_only=False)
    if found.database:
        yield Mount(found.database.parent, DATABASE_FOLDER, read_only=False)
    if found.payloads:
        yield Mount(found.payloads, PAYLOADS_FOLDER, read_only=False)
    if found.payloads_ca:
        yield Mount(found.payloads_ca, PAYLOADS_CA_FILE)
    if found.broker_ca:
        yield Mount(found.broker_ca, BROKER_CA_FILE)
    if source:
        yield Mount(source.absolute(), SOURCE_FOLDER)


def command(name: str, environment: str, scope: str, *options: str) -> list[str]:
    """A command of `vserver-local` in the container, for the environment of the server."""
    words = ["vserver-local", name, "--config", str(CONFIG_FILE)]
    return [*words, "--environment", environment, f"--{scope}", *options]


def root_password_options() -> list[str]:
    """Options for a first password that must not be in the log of the container."""
    return ["--root-password-file", str(DATA_FOLDER / ROOT_PASSWORD_FILE)]


def published(
    config: Mapping[str, Any], ip: str | None, port: int | None
) -> dict[int, tuple[str, int | None]]:
    """The ports of the container and where this machine lets others reach them.

    Parameters
    ----------
    config : mapping
    ip : str, optional
        All addresses of this machine otherwise.
    port : int, optional
        The configured one otherwise; 0 for any that is free.
    """
    found: dict[int, tuple[str, int | None]] = {
        PORT: (ip or "", (config["port"] if port is None else port) or None)
    }
    metrics = config["metrics"]
    if metrics and metrics["port"]:
        found[metrics["port"]] = (metrics["ip"], metrics["port"])
    return found
