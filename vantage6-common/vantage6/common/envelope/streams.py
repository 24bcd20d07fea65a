"""Small things that reading and writing of streams needs."""

from typing import Protocol


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
