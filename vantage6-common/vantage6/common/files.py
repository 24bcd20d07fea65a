"""Files that are there whole or not at all, and that outlive a power cut."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def written_beside(target: Path) -> Iterator[BinaryIO]:
    """A new file for its owner alone; replaces the target if all goes well, else is gone."""
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


def write_private_file(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, never visible to others half way."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_beside(path) as file:
        file.write(content)


def is_open_to_all(path: Path) -> bool:
    """Whether every user of this machine can read a file."""
    return path.exists() and bool(path.stat().st_mode & stat.S_IROTH)


def sync_folder(folder: Path) -> None:
    """Wait until a power cut leaves the names in a folder as they are now; not on Windows."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
