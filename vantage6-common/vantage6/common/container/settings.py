"""What every container of ours gets, worked out by pure functions; no engine is asked here."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from vantage6.common.context import InstanceContext
from vantage6.common.exceptions import ConfigurationError

TYPE_LABEL = "vantage6-type"
NAME_LABEL = "name"
SYSTEM_LABEL = "system"
SCOPE_LABEL = "vantage6-scope"
ENVIRONMENT_LABEL = "vantage6-environment"
CONFIG_LABEL = "vantage6-config"

SOURCE_FOLDER = PurePosixPath("/vantage6")
TEMPORARY_FOLDER = "/tmp"
HOST_NAME = "host.docker.internal"

_LOOPBACK = ("localhost", "ip6-localhost", "::1", "")
# The console's lines on the engine's disk; the log file has them too.
_LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}
_TEMPORARY_OPTIONS = "rw,noexec,nosuid,nodev,size=256m,mode=1777"
# A thread each for some requests, far fewer than a loop that forks would want.
_PIDS = 4096


@dataclass(frozen=True)
class Mount:
    """A file or folder of ours as a container sees it."""

    source: Path
    target: PurePosixPath
    read_only: bool = True


def labels(context: InstanceContext, kind: str) -> dict[str, str]:
    """By what the containers of an instance are found again.

    Parameters
    ----------
    context : InstanceContext
    kind : str
        What runs in the container.
    """
    return {
        TYPE_LABEL: kind,
        NAME_LABEL: context.name,
        SYSTEM_LABEL: str(context.system_folders),
        SCOPE_LABEL: context.scope,
        ENVIRONMENT_LABEL: context.environment,
        CONFIG_LABEL: str(context.config_file),
    }


def source_path(source: Path, package: str) -> str:
    """The variable by which Python finds our packages in a checkout before those of the image.

    Parameters
    ----------
    source : Path
    package : str
        One that has to be in it.

    Raises
    ------
    ConfigurationError
        When the folder is not a checkout.
    """
    parts = [
        part.name for part in sorted(source.glob("vantage6-*")) if (part / "vantage6").is_dir()
    ]
    if package not in parts:
        raise ConfigurationError(f"{source} is not a checkout: it has no folder {package}")
    return ":".join(str(SOURCE_FOLDER / part) for part in parts)


def hardening() -> dict[str, Any]:
    """What every container is denied, in the words of the engine."""
    return {
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "read_only": True,
        "tmpfs": {TEMPORARY_FOLDER: _TEMPORARY_OPTIONS},
        "pids_limit": _PIDS,
        "init": True,
        "extra_hosts": {HOST_NAME: "host-gateway"},
        "log_config": {"Type": "json-file", "Config": _LOG_OPTIONS},
    }


def ending(keep: bool) -> dict[str, Any]:
    """What becomes of the container when it ends.

    One that is kept starts again after a crash or with the machine; the engine refuses that for
    one that is removed.
    """
    if keep:
        return {"restart_policy": {"Name": "unless-stopped"}}
    return {"auto_remove": True}


def user_namespace(security_options: Iterable[str]) -> dict[str, str]:
    """Where the engine gives containers other users than ours, have it leave that be."""
    return {"userns_mode": "host"} if "name=userns" in security_options else {}


def is_loopback(host: str) -> bool:
    """Whether a host, or the path of a socket, is one that no container comes to."""
    return host in _LOOPBACK or host.startswith(("127.", "/"))
