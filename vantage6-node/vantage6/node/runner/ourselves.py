"""The container that the node itself is in, and its paths as the engine finds them."""

import re
import socket
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from docker.errors import NotFound

from vantage6.node.runner.engine import talking_to_engine
from vantage6.node.runner.interface import EngineUnreachable


def find_own_container(api: Any) -> dict[str, Any]:
    """The container that we are in, as the engine describes it.

    Raises
    ------
    EngineUnreachable
        When it does not know it: it is another engine than that which runs us.
    """
    container_id = own_container_id(Path("/proc/self/mountinfo").read_text(encoding="utf-8"))
    try:
        with talking_to_engine():
            own: dict[str, Any] = api.inspect_container(container_id)
    except NotFound as error:
        raise EngineUnreachable(
            "This node was started with --dockerized, but the engine does not know the "
            f"container {container_id!r} that it is in"
        ) from error
    return own


def own_container_id(mount_info: str) -> str:
    """The id of the container that we are in.

    The engine mounts three files of its own into each container, from a folder with the id
    as its name. The host name is the id too, unless somebody chose it or shares the host's.
    """
    match = re.search(r"/containers/([0-9a-f]{64})/", mount_info)
    return match[1] if match else socket.gethostname()


def host_path(path: Path, own_mounts: Iterable[Mapping[str, Any]]) -> Path:
    """Where the engine finds a path of ours, if we run in a container with these mounts.

    Raises
    ------
    ValueError
        When the path is not on a mount: the engine would silently make an empty folder.
    """
    best = max(
        (mount for mount in own_mounts if path.is_relative_to(mount["Destination"])),
        key=lambda mount: len(mount["Destination"]),
        default=None,
    )
    if best is None:
        raise ValueError(f"{path} is not on a volume of the node's container")
    return Path(best["Source"]) / path.relative_to(best["Destination"])
