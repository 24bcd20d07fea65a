"""What changes for an instance inside its container, where folders are fixed."""

from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from vantage6.common.context import InstanceContext


def with_fixed_folders(
    context: InstanceContext, data: PurePosixPath, log: PurePosixPath, **more: Any
) -> InstanceContext:
    """An instance with other folders.

    Parameters
    ----------
    context : InstanceContext
    data, log : PurePosixPath
    **more
        Other keys of the configuration that are different.
    """
    logging = dict(context.config["logging"])
    logging["file"] = PurePosixPath(logging["file"]).name if logging["file"] else None
    changed = {"directories": {"data": str(data), "log": str(log)}, "logging": logging, **more}
    return replace(context, config={**context.config, **changed})
