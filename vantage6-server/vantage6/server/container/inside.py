"""What a server knows of being in a container of ours; every process of it asks here."""

import os
from pathlib import PurePosixPath
from typing import Any

from vantage6.common.container.inside import with_fixed_folders
from vantage6.common.context import InstanceContext

# Set in our containers, where folders are fixed.
DOCKERIZED_VARIABLE = "VANTAGE6_DOCKERIZED"
DATA_FOLDER = PurePosixPath("/mnt/data")
LOG_FOLDER = PurePosixPath("/mnt/log")
# Where the payloads are, when they are not with the data, and whom to trust for their storage.
PAYLOADS_FOLDER = PurePosixPath("/mnt/payloads")
PAYLOADS_CA_FILE = PurePosixPath("/mnt/payloads-ca.pem")
# Whom to trust for the broker.
BROKER_CA_FILE = PurePosixPath("/mnt/rabbitmq-ca.pem")


def where_we_are(context: InstanceContext) -> InstanceContext:
    """The context of a server, with the folders of the container if this is inside one."""
    return in_container(context) if os.environ.get(DOCKERIZED_VARIABLE) else context


def in_container(context: InstanceContext) -> InstanceContext:
    """The context of a server inside its container, where folders are fixed."""
    metrics = context.config["metrics"] and {**context.config["metrics"], "ip": "0.0.0.0"}
    trusted = context.config["rabbitmq_ca_file"] and str(BROKER_CA_FILE)
    return with_fixed_folders(
        context,
        DATA_FOLDER,
        LOG_FOLDER,
        metrics=metrics,
        payloads=_payloads(context.config["payloads"]),
        rabbitmq_ca_file=trusted,
    )


def _payloads(block: dict[str, Any]) -> dict[str, Any]:
    found = dict(block)
    if PurePosixPath(block["folder"] or "").is_absolute():
        found["folder"] = str(PAYLOADS_FOLDER)
    if block.get("s3") and block["s3"]["ca_file"]:
        found["s3"] = {**block["s3"], "ca_file": str(PAYLOADS_CA_FILE)}
    return found
