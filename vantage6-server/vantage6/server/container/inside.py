"""What a server knows of being in a container of ours; every process of it asks here."""

import os
from pathlib import PurePosixPath

from vantage6.common.container.inside import with_fixed_folders
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
    metrics = context.config["metrics"] and {**context.config["metrics"], "ip": "0.0.0.0"}
    return with_fixed_folders(context, DATA_FOLDER, LOG_FOLDER, metrics=metrics)
