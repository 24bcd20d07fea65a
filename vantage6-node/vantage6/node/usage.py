"""How much runs have written, and how much room there is.

What is measured may have been laid out to hurt whoever measures it, so every look has an end:
no link is followed, and folders beyond a number of entries or levels are not entered.
"""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: As many files and folders may a run have, and as many folders one within the other.
MOST_ENTRIES = 250_000
MOST_LEVELS = 60

# Room that is kept where the owner did not say how much
_KEPT = 2**30
_KEPT_OF_SMALL_DISKS = 0.05
_BLOCK = 512
_FEW_INODES = 1000


@dataclass
class Usage:
    """What was found below some folders.

    Attributes
    ----------
    size : int
        Bytes on disk; a file that has several names counts once for all of them.
    entries : int
    is_too_deep : bool
        There is more, in folders that are nested too deeply to be looked into.
    """

    size: int = 0
    entries: int = 0
    is_too_deep: bool = False

    def excess(self, limit: int) -> str:
        """What there is too much of, in words; "" when all is well."""
        if self.size > limit:
            return f"it wrote more than the {in_words(limit)} of disk that this node allows"
        if self.entries > MOST_ENTRIES:
            return f"it made more than the {MOST_ENTRIES:,} files that this node allows"
        if self.is_too_deep:
            return f"it nested folders more than the {MOST_LEVELS} levels that this node allows"
        return ""


def measure(folders: Iterable[Path], limit: int) -> Usage:
    """Add up what is below folders, until it is too much of anything."""
    usage = Usage()
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except FileNotFoundError:
            continue  # removed with its run in this moment
        _add_up(descriptor, usage, limit, MOST_LEVELS)
    return usage


def _add_up(descriptor: int, usage: Usage, limit: int, levels: int) -> None:
    """Add what is below an open folder, and close it."""
    try:
        with os.scandir(descriptor) as entries:
            for entry in entries:
                _add(descriptor, entry, usage, limit, levels)
                if usage.excess(limit):
                    return
    finally:
        os.close(descriptor)


def _add(folder: int, entry: "os.DirEntry[str]", usage: Usage, limit: int, levels: int) -> None:
    try:
        status = entry.stat(follow_symlinks=False)
        usage.entries += 1
        if not stat.S_ISDIR(status.st_mode):
            usage.size += status.st_blocks * _BLOCK // max(1, status.st_nlink)
            return
        usage.size += status.st_blocks * _BLOCK
        if levels == 0:
            usage.is_too_deep = True
            return
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
        below = os.open(entry.name, flags, dir_fd=folder)
    except (FileNotFoundError, NotADirectoryError):
        return  # an algorithm goes on while we look
    except PermissionError:
        return  # closed to a node that is not root; the disk itself is looked after too
    _add_up(below, usage, limit, levels - 1)


class Disk:
    """The disk that the files of runs are on.

    Parameters
    ----------
    folder : Path
        Somewhere on it.
    kept_free : int, optional
        Bytes that are to stay free; a gibibyte, or a twentieth of a small disk, otherwise.
    """

    def __init__(self, folder: Path, kept_free: int | None = None) -> None:
        self._folder, self._kept_free = folder, kept_free

    @property
    def is_short(self) -> bool:
        """Whether nothing more should be begun."""
        return self._is_below(1.0)

    @property
    def is_nearly_full(self) -> bool:
        """Whether what goes on has to be ended; a good way beyond where nothing begins."""
        return self._is_below(0.5)

    def _is_below(self, part: float) -> bool:
        found = os.statvfs(self._folder)
        kept = self._kept_free
        if kept is None:
            kept = min(_KEPT, int(found.f_blocks * found.f_frsize * _KEPT_OF_SMALL_DISKS))
        few_inodes = found.f_files > 0 and found.f_favail < _FEW_INODES * part
        return few_inodes or found.f_bavail * found.f_frsize < kept * part


def in_words(size: int) -> str:
    """A number of bytes as people write it."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} bytes"
