"""What keeps two processes, or one that was killed and the next, out of each other's way."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development.console import step


@contextmanager
def exclusive(path: Path, waiting_for: str) -> Iterator[int]:
    """Hold the lock file ``path``; while another process has it, wait and say so.

    The system lets go of it when its holder is killed. The file descriptor that is returned may
    be handed to a child, which then holds the lock too: what a killed parent leaves running is
    waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        with step(f"Waiting for {waiting_for}"):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def scratch(parent: Path) -> Iterator[Path]:
    """Make a folder for half-done work; the caller holds a lock that others respect.

    It is deleted in the end, and by the next caller where this one is killed.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob("unfinished-*"):
        shutil.rmtree(left)
    with tempfile.TemporaryDirectory(prefix="unfinished-", dir=parent) as folder:
        yield Path(folder)
