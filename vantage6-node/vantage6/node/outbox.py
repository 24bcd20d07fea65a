"""Outputs of containers, from their end to the server's acknowledgement.

An output is moved here before its container is removed, so that a container whose result waits
for the server takes nothing of the engine. A name in this folder is the id of a result. Beside
a large one there is what its upload needs to go on in another process, secrets as well: they
open nothing but the output that lies beside them, and go with it.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vantage6.common.exceptions import Vantage6Error
from vantage6.common.files import sync_folder, write_private_file
from vantage6.common.sources import OnDisk
from vantage6.node.layout import task_folder

_OUTPUT = "output"
_PARTIAL = ".part"
_SENDING = ".sending"
# The container made the folder as a user that we are not, or it is a file system of its own.
_NOT_MOVABLE = frozenset({errno.EACCES, errno.EPERM, errno.EXDEV})


class OutputUnusable(Vantage6Error):
    """What a container left as its output cannot be taken; the text says why."""


class Outbox:
    """The outputs of one node that wait for their delivery.

    Parameters
    ----------
    folder : Path
        On the file system of the runs, closed to everybody else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._digests: dict[int, str] = {}

    def results(self) -> set[int]:
        """The ids of the results whose outputs are here, also of those half way in."""
        names = (path.name.lstrip(".").partition(".")[0] for path in self._folder.iterdir())
        return {int(name) for name in names if name.isdecimal()}

    def take(self, result_id: int, data: Path, limit: int) -> None:
        """Move what a container wrote as its output, unless that was done already.

        The container has ended, but could put anything in its place: no link is followed, and
        only an ordinary file is taken that has no other name.

        Raises
        ------
        OutputUnusable
            When it is not an ordinary file, is gone, or is too large.
        OSError
            When there is no room for it; it stays where it is.
        """
        if self._path(result_id).exists():
            return
        try:
            source = _open_beneath(data, task_folder(result_id))
            output = os.open(_OUTPUT, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=source)
        except OSError as error:
            raise OutputUnusable(
                "The algorithm left no output, or no file as its output"
            ) from error
        try:
            _check(os.fstat(output), limit)
            self._move(result_id, source, output)
        finally:
            os.close(output)
            os.close(source)

    def read(self, result_id: int) -> bytes:
        """An output that was taken.

        Raises
        ------
        OutputUnusable
            When it is not here.
        """
        try:
            return self._path(result_id).read_bytes()
        except FileNotFoundError as error:
            raise OutputUnusable("The output vanished from the disk of this node") from error

    def source(self, result_id: int) -> OnDisk:
        """An output that was taken, to be read piece by piece; raises as `read`."""
        try:
            return OnDisk(self._path(result_id))
        except FileNotFoundError as error:
            raise OutputUnusable("The output vanished from the disk of this node") from error

    def digest(self, result_id: int) -> str:
        """SHA-256 of an output that was taken, in hexadecimal digits; raises as `read`."""
        if result_id not in self._digests:
            digest = hashlib.sha256()
            for piece in self.source(result_id).pieces():
                digest.update(piece)
            self._digests[result_id] = digest.hexdigest()
        return self._digests[result_id]

    def upload(self, result_id: int) -> dict[str, Any] | None:
        """What was kept of an upload that has begun; None where there is none of this output."""
        try:
            kept = json.loads(self._upload(result_id).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            kept = None
        return kept if isinstance(kept, dict) else None

    def keep_upload(self, result_id: int, upload: Mapping[str, Any]) -> None:
        """Keep what an upload needs to go on; outlives a power cut."""
        write_private_file(self._upload(result_id), json.dumps(upload).encode())

    def forget_upload(self, result_id: int) -> None:
        """Forget an upload: the next one is a new one."""
        self._upload(result_id).unlink(missing_ok=True)

    def secure(self, result_id: int) -> None:
        """Wait until an output outlives a power cut; the container wrote it without waiting."""
        try:
            descriptor = os.open(self._path(result_id), os.O_RDONLY)
        except FileNotFoundError:
            return  # delivered meanwhile, or a run without an output
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._folder)

    def discard(self, result_id: int) -> None:
        """Delete an output, if it is here."""
        self._digests.pop(result_id, None)
        for path in (self._upload(result_id), self._path(result_id), self._partial(result_id)):
            path.unlink(missing_ok=True)
        # What a process left that ended while it wrote the second one.
        for left in self._folder.glob(f".{result_id}{_SENDING}.*"):
            left.unlink(missing_ok=True)

    def _path(self, result_id: int) -> Path:
        return self._folder / str(result_id)

    def _partial(self, result_id: int) -> Path:
        return self._folder / f"{result_id}{_PARTIAL}"

    def _upload(self, result_id: int) -> Path:
        return self._folder / f"{result_id}{_SENDING}"

    def _move(self, result_id: int, source: int, output: int) -> None:
        try:
            os.rename(_OUTPUT, self._path(result_id), src_dir_fd=source)
        except OSError as error:
            if error.errno not in _NOT_MOVABLE:
                raise
            self._copy(result_id, output)

    def _copy(self, result_id: int, output: int) -> None:
        partial = self._partial(result_id)
        try:
            with open(output, "rb", closefd=False) as theirs, partial.open("wb") as ours:
                shutil.copyfileobj(theirs, ours)
        except OSError:
            partial.unlink(missing_ok=True)
            raise
        partial.rename(self._path(result_id))


def _check(status: os.stat_result, limit: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise OutputUnusable("The algorithm left something else than a file as its output")
    if status.st_nlink != 1:
        raise OutputUnusable("The algorithm left a file of several names as its output")
    if status.st_size > limit:
        raise OutputUnusable(f"The output has {status.st_size} bytes; this node allows {limit}")


def _open_beneath(folder: Path, name: str) -> int:
    """Open a folder step by step, so that no part of the way is a link."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    above = os.open(folder, flags)
    try:
        return os.open(name, flags, dir_fd=above)
    finally:
        os.close(above)
