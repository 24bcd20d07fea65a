"""Finds the files that the container of a node needs, and says which of them are missing."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from vantage6.common.client.connection import trusted_by
from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError
from vantage6.node.assembly import key_path
from vantage6.node.container import settings
from vantage6.node.container.settings import Files, MountedDatabase
from vantage6.node.databases import Databases


def find(
    context: InstanceContext, variables: Mapping[str, str], *, force_databases: bool = False
) -> Files:
    """The files of a node.

    Parameters
    ----------
    context : InstanceContext
    variables : mapping
        Of this process.
    force_databases : bool
        Whether database files are mounted that we do not see; the engine may see them.

    Raises
    ------
    ConfigurationError
        When one that the configuration names is not there.
    """
    config = context.config
    tasks = config["task_dir"] and Path(config["task_dir"]).expanduser().absolute()
    return Files(
        config=context.config_file,
        data=context.data_dir,
        log=log_folder(context),
        engine=settings.engine_socket(variables),
        tasks=tasks if tasks and tasks != context.data_dir else None,
        key=_key(context) if config["encryption"]["enabled"] else None,
        ca=_existing(
            "file of trusted authorities", config["connection"]["ca_file"] or trusted_by(variables)
        ),
        signatures=tuple(
            file
            for name in config["required_signatures"]
            if (file := _existing("`required_signatures`", name))
        ),
        databases=tuple(_databases(config["databases"], force_databases)),
    )


def prepare(files: Files) -> None:
    """Make the folders of a node, closed to others.

    Raises
    ------
    ConfigurationError
        With the one that cannot be used.
    """
    for folder in filter(None, (files.data, files.log, files.tasks)):
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The folder {folder} cannot be used: {error.strerror}"
            ) from error
        if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
            raise ConfigurationError(f"You may not write into {folder}")


def log_folder(context: InstanceContext) -> Path:
    """The folder that the container of a node writes its log into.

    The default one is shared by all nodes of a scope, and in that of the system it holds their
    data as well; a container gets one of its own below it.
    """
    is_own = context.config["directories"]["log"]
    return context.log_dir if is_own else context.log_dir / context.name


def locate(context: InstanceContext) -> dict[str, str]:
    """Where a node in a container keeps its files on this machine."""
    return {
        "configuration_file": str(context.config_file),
        "log_file": str(log_folder(context) / context.log_file.name),
        "data_folder": str(context.data_dir),
    }


def _databases(configured: Mapping[str, str], force: bool) -> Iterator[MountedDatabase]:
    for database in Databases(configured):
        if database.path is None:
            continue
        if not force and not database.path.exists():
            raise ConfigurationError(
                f"The database {database.label!r} is not there: {database.path}. If the engine "
                "sees it and you do not, say --force-db-mount"
            )
        name = settings.mounted_name(database.label, database.path)
        yield MountedDatabase(database.label, database.path, name)


def _key(context: InstanceContext) -> Path | None:
    way_out = "name it in `encryption.private_key`, or make one: `vnode create-private-key`"
    return _existing("private key", key_path(context), way_out)


def _existing(what: str, name: str | Path | None, way_out: str = "") -> Path | None:
    if not name:
        return None
    path = Path(name).expanduser().absolute()
    if not path.is_file():
        hint = f"; {way_out}" if way_out else ""
        raise ConfigurationError(f"The {what} is not there: {path}{hint}")
    return path
