"""Where the bytes of a payload are: in memory, in a file, or put together from both.

What is sent in pieces may have to be sent again from somewhere in the middle, so a source can be
asked for any part of it, as often as needed.
"""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from vantage6.common.envelope import base64
from vantage6.common.exceptions import EncryptionError
from vantage6.common.long_text import base64_length

Part = bytes | memoryview

_PIECE = 2**20


class Source(ABC):
    """The bytes of a payload.

    Attributes
    ----------
    size : int
        How many there are.
    """

    size: int

    @abstractmethod
    def read_at(self, start: int, length: int) -> Part:
        """So many bytes from a place on, which all are there."""

    def pieces(self) -> Iterator[Part]:
        """All of it, a piece at a time."""
        for start in range(0, self.size, _PIECE):
            yield self.read_at(start, min(_PIECE, self.size - start))


class Held(Source):
    """Bytes in memory.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = memoryview(data)
        self.size = len(self._data)

    def read_at(self, start: int, length: int) -> Part:
        """A part of them, which is not copied."""
        return self._data[start : start + length]


class OnDisk(Source):
    """The bytes of a file, which is not to change meanwhile.

    Parameters
    ----------
    path : Path

    Raises
    ------
    OSError
        When there is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.size = path, path.stat().st_size

    def read_at(self, start: int, length: int) -> Part:
        """A part of the file.

        Raises
        ------
        EncryptionError
            When the file has become shorter.
        OSError
            When it cannot be read.
        """
        # Opened for each part: a source may be held for hours, as long as the server is away.
        with self.path.open("rb", buffering=0) as file:
            data = os.pread(file.fileno(), length, start)
        if len(data) != length:
            raise changed()
        return data


class OpenFile(Source):
    """The bytes of a file that is open, and stays so; it may have no name any more.

    Parameters
    ----------
    file : file object
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.size = file, os.fstat(file.fileno()).st_size

    def read_at(self, start: int, length: int) -> Part:
        """A part of the file; EncryptionError when it has become shorter."""
        data = os.pread(self._file.fileno(), length, start)
        if len(data) != length:
            raise changed()
        return data


class Base64Of(Source):
    """The base64 digits of what another source has.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self._source, self.size = source, base64_length(source.size)

    def read_at(self, start: int, length: int) -> Part:
        """A part of the digits."""
        first, last = start // 4 * 3, min(-(-(start + length) // 4) * 3, self._source.size)
        digits = base64.digits(self._source.read_at(first, last - first))
        skipped = start - start // 4 * 4
        return digits[skipped : skipped + length]


class Joined(Source):
    """Several sources, one after the other.

    Parameters
    ----------
    sources : sequence of Source
    """

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources, self.size = list(sources), sum(source.size for source in sources)

    def read_at(self, start: int, length: int) -> Part:
        """A part of all of them together."""
        parts, at, end = [], 0, start + length
        for source in self._sources:
            first, last = max(start, at), min(end, at + source.size)
            if first < last:
                parts.append(source.read_at(first - at, last - first))
            at += source.size
        return parts[0] if len(parts) == 1 else b"".join(parts)


def whole(source: Source) -> bytes:
    """All bytes of a source in memory."""
    return b"".join(source.pieces())


def changed() -> EncryptionError:
    """The error for a source that is not any more what it was."""
    return EncryptionError("The file was changed while it was sent; send it again")
