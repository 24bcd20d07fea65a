"""Where an instance (a server or a node) keeps its configuration, data and logs."""

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from marshmallow import Schema
from platformdirs import PlatformDirs

from vantage6.common.config import list_environments, load_configuration
from vantage6.common.exceptions import ConfigurationError, NoConfiguration
from vantage6.common.globals import APPNAME

Kind = Literal["server", "node"]

EXTENSION = ".yaml"
DOCUMENTED_SYSTEM_FOLDER = Path("/etc") / APPNAME
# In a container the configurations of all servers have one path; this holds their names.
NAME_VARIABLE = "VANTAGE6_CONFIG_NAME"
_NAME = re.compile(r"[a-zA-Z0-9_.-]+")


@dataclass(frozen=True)
class Folders:
    """The folders of one kind of instance in one scope."""

    config: Path
    data: Path
    log: Path


def folders(kind: Kind, system_folders: bool) -> Folders:
    """The documented folders for a kind of instance.

    Parameters
    ----------
    kind : {"server", "node"}
    system_folders : bool
        Those of the whole machine rather than of the user.
    """
    dirs = PlatformDirs(APPNAME, appauthor=False)
    if system_folders:
        data = Path(dirs.site_data_dir) / kind
        return Folders(Path(dirs.site_config_dir) / kind, data, data)
    return Folders(
        Path(dirs.user_config_dir) / kind,
        Path(dirs.user_data_dir) / kind,
        _user_logs(dirs) / kind,
    )


def config_folders(kind: Kind, system_folders: bool) -> tuple[Path, ...]:
    """Where configurations are looked for, in this order; new ones are made in the first."""
    config = folders(kind, system_folders).config
    if system_folders and sys.platform == "linux":
        # The documentation names this one, the classic programs use the other.
        return config, DOCUMENTED_SYSTEM_FOLDER / kind
    return (config,)


def _user_logs(dirs: PlatformDirs) -> Path:
    # Where the documentation says; the library has moved on to another folder on Linux.
    return Path(dirs.user_cache_dir) / "log" if sys.platform == "linux" else Path(dirs.user_log_dir)


@dataclass(frozen=True)
class InstanceContext:
    """One instance with its checked configuration and its folders.

    Attributes
    ----------
    kind : {"server", "node"}
    name : str
        The stem of the configuration file.
    environment : str
        One of application, dev, test, acc, prod.
    system_folders : bool
    config_file : Path
    config : dict
        The checked configuration of the environment.
    """

    kind: Kind
    name: str
    environment: str
    system_folders: bool
    config_file: Path
    config: dict[str, Any]

    @classmethod
    def from_file(
        cls,
        kind: Kind,
        path: Path | str,
        environment: str,
        system_folders: bool,
        schema: Schema,
        name: str | None = None,
    ) -> "InstanceContext":
        """The instance that a configuration file describes; ConfigurationError if it is bad.

        Without a name it has that of the file, unless the environment names the server.
        """
        path = Path(path).absolute()
        if name is None and kind == "server":
            name = os.environ.get(NAME_VARIABLE)
        name = check_name(name or path.stem)
        config = load_configuration(path, environment, schema)
        return cls(kind, name, environment, system_folders, path, config)

    @classmethod
    def find(
        cls, kind: Kind, name: str, environment: str, system_folders: bool, schema: Schema
    ) -> "InstanceContext":
        """The instance of a name: in a configuration folder, else in the current one.

        Raises
        ------
        NoConfiguration
            When there is none, with the places that were looked at.
        """
        file = f"{check_name(name)}{EXTENSION}"
        places = [folder / file for folder in config_folders(kind, system_folders)]
        places.append(Path.cwd() / file)
        for path in places:
            if path.is_file():
                return cls.from_file(kind, path, environment, system_folders, schema, name)
        looked = " nor ".join(str(path) for path in places)
        raise NoConfiguration(
            f"There is no {kind} configuration {name!r}: neither {looked}; the command `new` makes "
            "one"
        )

    @property
    def scope(self) -> str:
        """`system` or `user`, as in the names of containers."""
        return "system" if self.system_folders else "user"

    @property
    def data_dir(self) -> Path:
        """The folder of this instance's data."""
        own = self.config["directories"]["data"]
        if own:
            return Path(own).expanduser().absolute()
        return folders(self.kind, self.system_folders).data / self.name

    @property
    def log_dir(self) -> Path:
        """The folder of this instance's logs."""
        own = self.config["directories"]["log"]
        return Path(own).expanduser().absolute() if own else self._folders.log

    @property
    def log_file(self) -> Path:
        """The log file of this instance."""
        default = f"{self.name}-{self.environment}-{self.scope}.log"
        return self.log_dir / (self.config["logging"]["file"] or default)

    @property
    def _folders(self) -> Folders:
        return folders(self.kind, self.system_folders)


@dataclass(frozen=True)
class Available:
    """A configuration file that was found; `fault` says why it cannot be used."""

    name: str
    path: Path
    environments: list[str]
    system_folders: bool
    fault: str | None = None


def available(kind: Kind, system_folders: bool) -> Iterator[Available]:
    """The configurations of a kind in one scope, by name."""
    places = config_folders(kind, system_folders)
    # Of two files of one name the first is the one that is found.
    found = {path.stem: path for place in reversed(places) for path in place.glob(f"*{EXTENSION}")}
    for path in sorted(found.values(), key=lambda path: path.stem):
        try:
            yield Available(path.stem, path, list_environments(path), system_folders)
        except ConfigurationError as error:
            yield Available(path.stem, path, [], system_folders, str(error))


def check_name(name: str) -> str:
    """The name, if an instance may have it; ConfigurationError otherwise."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name!r} cannot be the name of an instance: use letters, digits, '_', '.' and '-'"
        )
    return name


def check_write_permissions(folder: Path | str) -> bool:
    """Whether we may write into a folder, or make it where it is not there yet."""
    folder = Path(folder)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def check_config_write_permissions(system_folders: bool = False) -> bool:
    """Whether we may write configurations of nodes and servers in a scope."""
    kinds: tuple[Kind, Kind] = ("node", "server")
    return all(check_write_permissions(folders(kind, system_folders).config) for kind in kinds)
