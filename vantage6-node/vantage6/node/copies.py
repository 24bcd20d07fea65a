"""Copies of databases that a run may change, for images that write beside or into theirs."""

import errno
import os
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

from vantage6.common.exceptions import Vantage6Error
from vantage6.node.usage import Usage, in_words, measure

_BLOCK = 512
# Shares the content with the original where the file system can, so that only changes cost.
_COPY = ["cp", "--recursive", "-H", "--reflink=auto", "--"]
_OPEN_TO_ALL = ["chmod", "--recursive", "a+rwX", "--"]
_NO_ROOM = os.strerror(errno.ENOSPC)


class NoCopy(Vantage6Error):
    """A database cannot be copied for a run; the text says why."""


def copy_database(label: str, source: Path, target: Path, limit: int) -> None:
    """Copy a file or folder, so that everybody in a container may change the copy.

    Parameters
    ----------
    label : str
        What the database is called.
    source, target : Path
        The target must not be there yet.
    limit : int
        Bytes that a run may have on disk.

    Raises
    ------
    NoCopy
        When it is too large, or cannot be read.
    OSError
        When there is no room now.
    """
    if _usage(source, limit).excess(limit):
        raise NoCopy(
            f"The database {label!r} is to be copied for the run, but is larger than the "
            f"{in_words(limit)} of disk that this node allows it"
        )
    _run([*_COPY, source, target], label)
    _run([*_OPEN_TO_ALL, target], label)


def _usage(source: Path, limit: int) -> Usage:
    path = source.resolve()
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return measure([path], limit)
    return Usage(status.st_blocks * _BLOCK, 1)


def _run(command: Sequence[str | Path], label: str) -> None:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(command, stderr=subprocess.PIPE, env=environment, check=False)
    if not done.returncode:
        return
    if _NO_ROOM.encode() in done.stderr:
        raise OSError(errno.ENOSPC, _NO_ROOM)
    raise NoCopy(f"The database {label!r} could not be copied for the run: the node cannot read it")
