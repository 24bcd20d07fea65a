"""A folder for one trial, gone at its end; what a killed trial left is removed by the next."""

import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from vantage6.tools.cli.containers import remove_image
from vantage6.tools.cli.interruption import Interruption
from vantage6.tools.local_federation import remove
from vantage6.tools.local_federation.remains import same_process

PREFIX = "v6-algorithm-"
_OWNER = "owner.json"
FEDERATION = "federation"
#: Names the image of the trial.
IMAGE = "image"


@contextmanager
def workplace(interruption: Interruption) -> Iterator[Path]:
    """A folder that nobody else can look into; in the end all that ran in it has ended."""
    remove_abandoned()
    with interruption.held():
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        process = psutil.Process()
        owner = {"pid": process.pid, "created": process.create_time()}
        (folder / _OWNER).write_text(json.dumps(owner), encoding="utf-8")
    try:
        yield folder
    finally:
        with interruption.held():
            clear(folder)


def remove_abandoned() -> None:
    """Remove the folders of our trials that were killed, and what they left running."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        if _is_ours(folder) and not _is_in_use(folder):
            image = folder / IMAGE
            name = image.read_text(encoding="utf-8") if image.exists() else ""
            clear(folder)
            if name:
                remove_image(name)


def end_federation(folder: Path, interruption: Interruption) -> None:
    """End what runs in the folder of a trial."""
    with interruption.held():
        remove(folder / FEDERATION)


def clear(folder: Path) -> None:
    """End what runs in the folder of a trial, and delete it."""
    remove(folder / FEDERATION)
    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    """Whether nobody else could have written into a folder: it names processes that we end."""
    found = folder.lstat()
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    )


def _is_in_use(folder: Path) -> bool:
    try:
        owner = json.loads((folder / _OWNER).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return True  # it is being made this moment
    return same_process(owner) is not None
