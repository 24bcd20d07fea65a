"""What tells this node apart from every other one on this machine."""

import fcntl
import os
import secrets
from pathlib import Path
from typing import TextIO

from vantage6.common.exceptions import ConfigurationError

_ID = "instance"
_LOCK = "node.lock"
_LOCKS = Path("/proc/locks")


class Instance:
    """A node's data folder, worked in by one process at a time.

    Attributes
    ----------
    id : str
        Made once and kept in the folder. Containers carry it, so that a node which starts
        again knows its own, and takes no other's.
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: TextIO | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.id = _load_id(folder / _ID)
        except OSError as error:
            raise ConfigurationError(
                f"The data folder {folder} cannot be used: {error.strerror}"
            ) from error

    def hold(self) -> None:
        """Keep other processes out for as long as this one lives.

        Raises
        ------
        ConfigurationError
            When another process is in.
        """
        if self._lock is not None:
            return
        path = self.folder / _LOCK
        # Whoever can open it can hold it, and keep us from starting.
        path.touch(mode=0o600)
        path.chmod(0o600)
        file = path.open("w", encoding="ascii")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            raise ConfigurationError(
                f"This node is running already: another process holds {path}"
            ) from error
        self._lock = file

    def release(self) -> None:
        """Let another process in."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def is_held(folder: Path) -> bool:
    """Whether a process works in the data folder of a node.

    The kernel is asked who holds the lock: trying to take it, even for a moment, would turn away
    a node that starts just then.
    """
    try:
        file = (folder / _LOCK).stat()
    except OSError:
        # It was never started, or is not for us to see.
        return False
    device = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
    return any(device in line.split() for line in _LOCKS.read_text().splitlines())


def load_id(folder: Path) -> str | None:
    """The id of the node of a data folder, when it was ever started."""
    path = folder / _ID
    return path.read_text(encoding="ascii").strip() if path.is_file() else None


def _load_id(path: Path) -> str:
    try:
        with path.open("x", encoding="ascii") as file:
            file.write(secrets.token_hex(4))
    except FileExistsError:
        pass  # made at the first start
    return path.read_text(encoding="ascii").strip()
