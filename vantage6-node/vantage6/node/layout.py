"""Where the files of a run are: in its container, and on our side."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

DATA_FOLDER = PurePosixPath("/mnt/data")
TEMPORARY_FOLDER = PurePosixPath("/mnt/tmp")


@dataclass(frozen=True)
class RunFiles:
    """Where the files of one run are on our side; see `workspace.py`."""

    input: Path
    token: Path
    data: Path
    temporary: Path


def task_folder(result_id: int) -> str:
    """Name of the folder of a run inside the container."""
    return f"task-{result_id:09d}"
