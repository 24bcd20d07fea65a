"""The databases of a node as its configuration file names them now."""

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vantage6.common.config import load_configuration
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.configuration import NodeSchema
from vantage6.node.databases import Database, Databases, variable_names

_KEYS = ("databases", "database_types")

log = logging.getLogger(__name__)


class WatchedDatabases(Databases):
    """Databases that follow their configuration file; what cannot be used changes nothing.

    Looked at when a run needs a database: nothing goes on in between.

    Parameters
    ----------
    context : InstanceContext
    dockerized : bool
        Whether we run in a container ourselves.
    """

    def __init__(self, context: InstanceContext, dockerized: bool) -> None:
        self._context, self._dockerized = context, dockerized
        self._config: Mapping[str, Any] = context.config
        self._lock = threading.Lock()
        self._seen = _signature(context.config_file)
        # Not that of the context: in a container some of it is fixed.
        self._rest = _rest(self._load() or context.config)
        super().__init__(*self._found(context.config))

    def current(self) -> Mapping[str, Database]:
        """All databases as they are configured now."""
        with self._lock:
            seen = _signature(self._context.config_file)
            if seen != self._seen:
                self._seen = seen
                self._reload()
            return self._by_label

    def _reload(self) -> None:
        path = self._context.config_file
        if self._seen and self._seen[-1] == 0:
            log.warning(
                "%s was replaced, and a node in a container sees the old one: start it anew", path
            )
            return
        config = self._load()
        if config is None:
            return
        if _rest(config) != self._rest:
            log.warning("%s was changed; all but its databases counts from the next start", path)
        if any(config[key] != self._config[key] for key in _KEYS):
            self._by_label = dict(Databases(*self._found(config)).current())
            self._say_what_there_is()
        self._config, self._rest = config, _rest(config)

    def _load(self) -> dict[str, Any] | None:
        try:
            return load_configuration(
                self._context.config_file, self._context.environment, NodeSchema()
            )
        except ConfigurationError as error:
            log.error("The node goes on with the databases that it had: %s", error)
            return None

    def _say_what_there_is(self) -> None:
        labels = ", ".join(database.label for database in self._by_label.values())
        log.info("The configuration was changed; the databases are now: %s", labels or "none")
        for database in self._by_label.values():
            fault = database.fault()
            if fault:
                hint = "; start the node anew to have it mounted" if self._dockerized else ""
                log.warning("%s%s", fault, hint)

    def _found(
        self, config: Mapping[str, Any]
    ) -> tuple[Mapping[str, str], Mapping[str, str], Mapping[str, Path]]:
        """Paths and addresses, types, and where files are mounted."""
        configured = config["databases"]
        # What is mounted is what the configuration named when the container was made.
        unchanged = self._context.config["databases"].items() & configured.items()
        mounted = mounted_databases(dict(unchanged), os.environ) if self._dockerized else {}
        types = {label: type_ for label, type_ in config["database_types"].items() if type_}
        return configured, types, mounted


def mounted_databases(
    databases: Mapping[str, str], environment: Mapping[str, str], folder: Path = Path("/mnt")
) -> dict[str, Path]:
    """Where the files of databases are when the node runs in a container, by label.

    The command that starts the container mounts files below /mnt and says so in a variable
    per label; what is not there is the address of a server.
    """
    found = {}
    for label in databases:
        names = (environment.get(f"{name}_DATABASE_URI", "") for name in variable_names(label))
        name = next(filter(None, names), "")
        if name and Database.from_config(label, databases[label]).path and (folder / name).exists():
            found[label] = folder / name
    return found


def _rest(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in _KEYS}


def _signature(path: Path) -> tuple[int, ...] | None:
    """What tells one version of a file from another."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_nlink
