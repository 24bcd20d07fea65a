"""What a server knows of being in a container of ours; every process of it asks here."""

import os
from dataclasses import replace
from pathlib import PurePosixPath

from vantage6.common.context import InstanceContext

# Set in our containers, where folders are fixed.
DOCKERIZED_VARIABLE = "VANTAGE6_DOCKERIZED"
DATA_FOLDER = PurePosixPath("/mnt/data")
LOG_FOLDER = PurePosixPath("/mnt/log")


def where_we_are(context: InstanceContext) -> InstanceContext:
    """The context of a server, with the folders of the container if this is inside one."""
    return in_container(context) if os.environ.get(DOCKERIZED_VARIABLE) else context


def in_container(context: InstanceContext) -> InstanceContext:
    """The context of a server inside its container, where folders are fixed."""
    logging = dict(context.config["logging"])
    logging["file"] = PurePosixPath(logging["file"]).name if logging["file"] else None
    folders = {"data": str(DATA_FOLDER), "log": str(LOG_FOLDER)}
    metrics = context.config["metrics"] and {**context.config["metrics"], "ip": "0.0.0.0"}
    changed = {"directories": folders, "logging": logging, "metrics": metrics}
    return replace(context, config={**context.config, **changed})
