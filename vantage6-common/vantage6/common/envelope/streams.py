"""Small things that reading and writing of streams needs."""

from collections.abc import Iterator
from typing import Protocol

from vantage6.common.exceptions import EncryptionError


class Readable(Protocol):
    """What gives bytes: a file, a pipe, the body of an answer."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


class Writable(Protocol):
    """What takes bytes, all that it is given."""

    def write(self, data: bytes | bytearray | memoryview, /) -> object:
        """Take bytes."""
        ...


def read_up_to(source: Readable, size: int) -> bytes:
    """So many bytes, fewer only at the end of the source."""
    data = source.read(size)
    if len(data) == size or not data:
        return data
    parts, missing = [data], size - len(data)
    while missing and (data := source.read(missing)):
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


class Peekable:
    """A stream whose beginning can be looked at before it is read.

    Parameters
    ----------
    source : Readable
    """

    def __init__(self, source: Readable) -> None:
        self._source, self._ahead = source, b""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        if not self._ahead:
            return self._source.read(size)
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        return data

    def peek(self, size: int) -> bytes:
        """The next bytes, fewer only at the end, which are read again."""
        if len(self._ahead) < size:
            self._ahead += read_up_to(self._source, size - len(self._ahead))
        return self._ahead[:size]

    def read_until(self, end: str, most: int) -> str:
        """The ASCII text before a sign, which is passed over.

        Raises
        ------
        EncryptionError
            When the sign does not come within so many letters, or they are not ASCII.
        """
        text, found, _ = self.peek(most + len(end)).partition(end.encode())
        if not found or not text.isascii():
            raise EncryptionError("The payload is not encrypted, or not in the known form")
        self.skip(len(text) + len(end))
        return text.decode("ascii")

    def skip(self, size: int) -> None:
        """Pass over bytes that were looked at."""
        self._ahead = self._ahead[size:]


class Pieces:
    """Pieces of bytes that come one after the other, to be read as a stream.

    Parameters
    ----------
    pieces : iterator of bytes
    """

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces, b""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._rest = piece
        data, self._rest = self._rest[:size], self._rest[size:]
        return data
