"""What a node knows of being in a container of ours: its folders and files are fixed there."""

from pathlib import Path, PurePosixPath

from vantage6.common.container.inside import with_fixed_folders
from vantage6.common.context import InstanceContext

CONFIG_FOLDER = PurePosixPath("/mnt/config")
DATA_FOLDER = PurePosixPath("/mnt/data")
LOG_FOLDER = PurePosixPath("/mnt/log")
TASK_FOLDER = PurePosixPath("/mnt/tasks")
KEY_FILE = PurePosixPath("/mnt/private_key.pem")
CA_FILE = PurePosixPath("/mnt/ca.pem")
SIGNATURE_FOLDER = PurePosixPath("/mnt/signatures")


def in_container(context: InstanceContext) -> InstanceContext:
    """The context of a node inside its container."""
    config = context.config
    connection, signatures = config["connection"], config["required_signatures"]
    return with_fixed_folders(
        context,
        DATA_FOLDER,
        LOG_FOLDER,
        task_dir=_mounted(TASK_FOLDER, None),
        connection={**connection, "ca_file": _mounted(CA_FILE, connection["ca_file"])},
        required_signatures=[
            _mounted(signature_file(number), file) for number, file in enumerate(signatures)
        ],
    )


def signature_file(number: int) -> PurePosixPath:
    """Where one of `required_signatures` is."""
    return SIGNATURE_FOLDER / f"{number}.pem"


def _mounted(place: PurePosixPath, configured: str | None) -> str | None:
    """A file where `vnode start` mounts it, else as configured."""
    return str(place) if Path(place).exists() else configured
