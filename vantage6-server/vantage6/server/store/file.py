"""The payload store in a folder, of this machine or one that all server processes share.

An object that is not finished is a file `NAME.part`, beside a file `NAME.writer` that holds who
may write to it; a finished one is a file `NAME`. They lie in folders by the first two digits.
"""

import ctypes
import errno
import fcntl
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import BinaryIO

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.files import sync_folder
from vantage6.server.aside import Aside, Pending
from vantage6.server.store.interface import (
    PIECE,
    Found,
    Look,
    Missing,
    Piece,
    Progress,
    StoreError,
    StoreFull,
    Superseded,
    as_it_is,
)

_PART, _WRITER = ".part", ".writer"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What is written at once comes into one block of memory. Large ones are those that a virtual
# machine may have given back to its host, and waits for: 1.2 s for 512 MiB, these take 0.2 s.
_WRITTEN_TOGETHER = 2**15
# How much is written before the disk is told to begin with it, so that little is waited for later.
_BEGIN_BYTES = 8 * PIECE
_SYNC_FILE_RANGE_WRITE = 2
# How often it is waited for while more comes in. Twice as much may be lost by a power cut.
_STEP_BYTES = 64 * PIECE
_STEP_SECONDS = 5.0
# As much of the disk's waiting as goes on at the same time.
_THREADS = 8
_DIGITS = frozenset("0123456789abcdef")


class FileStore:
    """Keeps objects as files.

    Parameters
    ----------
    folder : Path
        Made at the first use, for its owner alone.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._aside = Aside(_THREADS)

    def begin(self, name: str, size: int) -> str:
        """Begin a new object."""
        with _told():
            self._aside(self._begin, self._path(name), size)
        return ""

    def append(
        self,
        name: str,
        state: str,
        offset: int,
        pieces: Iterable[Piece],
        writer: str,
        note: Callable[[Progress], None] = lambda progress: None,
        look: Look = as_it_is,
    ) -> Progress:
        """Go on with an object that is not finished."""
        path = self._path(name)
        with _told():
            part = self._aside(_Part, path, offset, writer, look)
        writing = _Writing(self._aside, part)
        try:
            for piece in pieces:
                with _told():
                    done = writing.go_on(piece)
                if done:
                    note(Progress(done, ""))
            with _told():
                writing.end()
        except StoreError as error:
            error.progress = self._synced(writing)
            raise
        else:
            return self._synced(writing)
        finally:
            # Nobody may write to what is closed: its number may be that of another file.
            writing.wait()
            part.close()

    def finish(self, name: str, state: str, size: int) -> None:
        """Make an object whole."""
        with _told():
            self._aside(_finish, self._path(name), size)

    def read(self, name: str, start: int, length: int) -> Iterator[bytes]:
        """A part of an object, in pieces."""
        with _told():
            descriptor = self._aside(os.open, self._path(name), os.O_RDONLY)
        try:
            end = start + length
            while start < end:
                with _told():
                    piece = self._aside(os.pread, descriptor, min(PIECE, end - start), start)
                if not piece:
                    raise Missing(f"The object {name} is shorter than {end} bytes")
                start += len(piece)
                yield piece
        finally:
            os.close(descriptor)

    def open(self, name: str, start: int) -> AbstractContextManager[BinaryIO] | None:
        """A finished object as a file, at a position."""
        with _told():
            file = self._path(name).open("rb", buffering=0)
            file.seek(start)
        return file

    def delete(self, name: str, state: str | None = None) -> None:
        """Delete an object, finished or not."""
        with _told():
            self._aside(_delete, self._path(name))

    def names(self) -> Iterator[Found]:
        """All objects, finished or not."""
        with _told():
            folders = self._aside(_folders, self._folder)
        for folder in folders:
            with _told():
                yield from self._aside(_objects, folder)

    def check(self) -> None:
        """See whether the folder can be written to."""
        trial = self._folder / f"trial-{os.getpid()}"
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            trial.touch(mode=0o600)
            trial.unlink()
        except OSError as error:
            raise ConfigurationError(
                f"The folder for payloads {self._folder} cannot be written to: {error.strerror}"
            ) from error

    def _begin(self, path: Path, size: int) -> None:
        # The mode is that of the last folder only.
        for folder in (self._folder, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        space = os.statvfs(path.parent)
        if space.f_bavail * space.f_frsize < size:
            raise StoreFull(f"There is no space for {size} bytes in the payload store")
        os.close(os.open(_beside(path, _PART), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        sync_folder(path.parent)

    def _synced(self, writing: "_Writing") -> Progress:
        with _told():
            return Progress(writing.synced(), "")

    def _path(self, name: str) -> Path:
        if len(name) != 32 or not _DIGITS.issuperset(name):
            raise ValueError("The name of an object must be 32 hexadecimal digits")
        return self._folder / name[:2] / name


class _Part:
    """An object that one writer goes on with, until another one does."""

    def __init__(self, path: Path, offset: int, writer: str, look: Look) -> None:
        self._look = look
        self.position = self._begun = offset
        self._path, self._writer = _beside(path, _PART), writer.encode()
        self.descriptor = os.open(self._path, os.O_WRONLY)
        try:
            self._lock = os.open(_beside(path, _WRITER), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            os.close(self.descriptor)
            raise
        try:
            self._take_over(offset)
        except BaseException:
            self.close()
            raise

    def write(self, piece: Piece) -> None:
        """Write what comes next, unless somebody else does."""
        piece = self._look(piece)
        with _locked(self._lock):
            if os.pread(self._lock, len(self._writer) + 1, 0) != self._writer:
                raise Superseded("Another request goes on with this upload")
            rest = memoryview(piece)
            while rest:
                written = os.pwrite(self.descriptor, rest[:_WRITTEN_TOGETHER], self.position)
                self.position += written
                rest = rest[written:]
        if self.position - self._begun >= _BEGIN_BYTES:
            _begin_to_sync(self.descriptor, self._begun, self.position - self._begun)
            self._begun = self.position

    def sync(self) -> int:
        """Wait until all that was written by now is on the disk; up to where that is."""
        position = self.position
        os.fdatasync(self.descriptor)
        return position

    def close(self) -> None:
        """Write no more."""
        os.close(self._lock)
        os.close(self.descriptor)

    def _take_over(self, offset: int) -> None:
        with _locked(self._lock):
            # It may have been finished since we opened it: then it is not to be touched.
            self._path.stat()
            if os.fstat(self.descriptor).st_size < offset:
                raise Missing(f"Fewer than {offset} bytes of the object are there")
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, self._writer, 0)
            os.ftruncate(self.descriptor, offset)


class _Writing:
    """What is written while the next piece comes in, and waited for while others are written."""

    def __init__(self, aside: Aside, part: _Part) -> None:
        self._aside, self._part = aside, part
        self._begun: Pending[None] | None = None
        self._syncing: Pending[int] | None = None
        self._step_begins(part.position)

    def go_on(self, piece: Piece) -> int | None:
        """Begin to write a piece, once the one before it is written; with the errors of that.

        Now and then it is told how far all is on the disk.
        """
        self.end()
        done = self._begin_to_sync() if self._is_step() else None
        self._begun = self._aside.start(self._part.write, piece)
        return done

    def end(self) -> None:
        """Wait until all is written, with its errors."""
        if self._begun:
            self._begun.get()

    def synced(self) -> int:
        """Wait until all that is written is on the disk; up to where that is."""
        self._last_synced()
        return self._aside(self._part.sync)

    def wait(self) -> None:
        """Wait until nobody needs the file any more."""
        for pending in (self._begun, self._syncing):
            if pending:
                pending.wait()

    def _is_step(self) -> bool:
        length = self._part.position - self._from
        return length >= _STEP_BYTES or (length > 0 and time.monotonic() >= self._until)

    def _last_synced(self) -> int | None:
        # The system tells of a failure once: nobody may pass over it.
        return self._syncing.get() if self._syncing else None

    def _begin_to_sync(self) -> int | None:
        """Begin to wait for the disk; what it has is what was waited for the last time."""
        done = self._last_synced()
        self._syncing = self._aside.start(self._part.sync)
        self._step_begins(self._part.position)
        return done

    def _step_begins(self, position: int) -> None:
        self._from, self._until = position, time.monotonic() + _STEP_SECONDS


@cache
def _library() -> ctypes.CDLL:
    return ctypes.CDLL(None)


def _begin_to_sync(descriptor: int, start: int, length: int) -> int:
    """Let the disk begin with a part of a file, and wait for nothing; 0 if it does.

    Whether it can be written at all is told where it is waited for.
    """
    if sys.platform != "linux":
        return -1
    start_, length_ = ctypes.c_int64(start), ctypes.c_int64(length)
    done = _library().sync_file_range(descriptor, start_, length_, _SYNC_FILE_RANGE_WRITE)
    return int(done)


@contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    """Nobody else holds the file meanwhile, not even on another machine."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


@contextmanager
def _told() -> Iterator[None]:
    """Tell of errors of the system in the words of stores."""
    try:
        yield
    except FileNotFoundError as error:
        raise Missing("There is no such object in the payload store") from error
    except OSError as error:
        if error.errno in _FULL:
            raise StoreFull("There is no space left in the payload store") from error
        raise StoreError(f"The payload store cannot be used: {error.strerror}") from error


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def _finish(path: Path, size: int) -> None:
    if not path.exists():
        # What is not there gets no writer either.
        _beside(path, _PART).stat()
        lock = os.open(_beside(path, _WRITER), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            with _locked(lock):
                # From here on nobody is the one who writes.
                os.ftruncate(lock, 0)
                _rename(_beside(path, _PART), path, size)
        finally:
            os.close(lock)
    sync_folder(path.parent)
    _beside(path, _WRITER).unlink(missing_ok=True)


def _rename(part: Path, path: Path, size: int) -> None:
    """Give an object its name, once all of it is there and on the disk."""
    if part.stat().st_size != size:
        raise Missing(f"Not all {size} bytes of the object are there")
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    part.rename(path)


def _delete(path: Path) -> None:
    for file in (path, _beside(path, _PART), _beside(path, _WRITER)):
        file.unlink(missing_ok=True)


def _folders(folder: Path) -> list[Path]:
    if not folder.exists():
        return []
    return [inner for inner in sorted(folder.iterdir()) if inner.is_dir()]


def _objects(folder: Path) -> list[Found]:
    found: dict[str, float] = {}
    for file in sorted(folder.iterdir()):
        name = file.name.partition(".")[0]
        try:
            found[name] = max(found.get(name, 0.0), file.stat().st_mtime)
        except FileNotFoundError:
            # Finished or deleted in this moment: the next look finds it as it is then.
            continue
    return [Found(name, datetime.fromtimestamp(at, UTC)) for name, at in found.items()]
