"""Locks between processes; the system lets go of them when their holder is killed."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from development.console import step


@contextmanager
def exclusive(path: Path, waiting_for: str) -> Iterator[None]:
    """Hold the lock file ``path``; while another process has it, wait and say so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        with step(f"Waiting for {waiting_for}"):
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
