"""Inputs on their way to runs: in memory as the server shows them, or in files where it does not.

What comes out of the payload store is written here while it comes in, and moved to where a
container looks for it only once all of it is proven. A name in the folder is the id of a result.
"""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from vantage6.node.usage import in_words


class Input(Protocol):
    """What an algorithm will read as its input.

    Attributes
    ----------
    size : int
        Bytes.
    sha256 : str
        Their digest, in hexadecimal digits.
    """

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    def head(self, size: int) -> bytes:
        """So many bytes of it from its beginning, or all."""
        ...

    def put(self, path: Path) -> None:
        """Let it be at a path; it is no use here afterwards."""
        ...


class HeldInput:
    """An input in memory.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size, self.sha256 = len(data), hashlib.sha256(data).hexdigest()

    def head(self, size: int) -> bytes:
        """So many bytes of it from its beginning, or all."""
        return self._data[:size]

    def put(self, path: Path) -> None:
        """Write it to a path."""
        path.write_bytes(self._data)


class KeptInput:
    """An input in a file of the inbox.

    Parameters
    ----------
    path : Path
    size : int
    sha256 : str
    """

    def __init__(self, path: Path, size: int, sha256: str) -> None:
        self._path, self.size, self.sha256 = path, size, sha256

    def head(self, size: int) -> bytes:
        """So many bytes of it from its beginning, or all."""
        with self._path.open("rb") as file:
            return file.read(size)

    def put(self, path: Path) -> None:
        """Move it to a path."""
        self._path.replace(path)


class InputTooLarge(ValueError):
    """An input that has more bytes than this node allows; the text says how many those are."""


class Arriving:
    """An input that is written while it comes in.

    Parameters
    ----------
    file : file object
    limit : int
        The most bytes that it may have.
    """

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file, self._limit = file, limit
        self._hash, self._size = hashlib.sha256(), 0

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take bytes; InputTooLarge where there are too many."""
        self._size += len(data)
        check_size(self._size, self._limit)
        self._hash.update(data)
        self._file.write(data)

    def arrived(self, path: Path) -> KeptInput:
        """The input, now that all of it is here and proven."""
        return KeptInput(path, self._size, self._hash.hexdigest())


class Inbox:
    """The inputs of one node that come out of the payload store.

    Parameters
    ----------
    folder : Path
        On the file system of the runs, closed to everybody else.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def results(self) -> set[int]:
        """The ids of the results of whose inputs something is here."""
        return {int(path.name) for path in self._folder.iterdir() if path.name.isdecimal()}

    def path(self, result_id: int) -> Path:
        """Where the input of a run is while it comes in."""
        return self._folder / str(result_id)

    @contextmanager
    def arriving(self, result_id: int, size: int, limit: int) -> Iterator[Arriving]:
        """A new file for an input; gone after any error.

        Parameters
        ----------
        result_id : int
        size : int
            Bytes that it will have, as far as is known.
        limit : int
            The most bytes that it may have.

        Raises
        ------
        OSError
            When there is no room for it.
        """
        found = os.statvfs(self._folder)
        if found.f_bavail * found.f_frsize < size:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        try:
            descriptor = os.open(
                self.path(result_id), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600
            )
            with os.fdopen(descriptor, "wb") as file:
                yield Arriving(file, limit)
        except BaseException:
            self.discard(result_id)
            raise

    def discard(self, result_id: int) -> None:
        """Delete what is here of an input."""
        self.path(result_id).unlink(missing_ok=True)


def check_size(size: int, limit: int) -> None:
    """InputTooLarge for an input of more bytes than are allowed."""
    if size > limit:
        raise InputTooLarge(f"The input has more than the {in_words(limit)} that this node allows")
