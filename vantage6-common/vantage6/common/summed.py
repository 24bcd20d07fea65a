"""Bytes with sums in between, by which a reader finds what was damaged before it counts.

After each MiB, and after the last bytes, follows the SHA-256 of all that came so far, without the
sums. Whoever reads it has the sum of the whole with the last one.
"""

import hashlib

from vantage6.common.sources import Part

#: The header of a body that has sums in it, and what it says.
HEADER = "Upload-Sums"
SHA_256 = "sha-256"

#: Bytes between two sums, and those of a sum.
BLOCK = 2**20
SUM_BYTES = 32


def summed_length(length: int) -> int:
    """How long so many bytes are with their sums."""
    return length + SUM_BYTES * -(-length // BLOCK)


def plain_length(length: int) -> int:
    """How many bytes there are besides the sums.

    Raises
    ------
    ValueError
        When nothing is so long with its sums.
    """
    plain = length - SUM_BYTES * -(-length // (BLOCK + SUM_BYTES))
    if summed_length(plain) != length:
        raise ValueError(f"Nothing has {length} bytes with its sums")
    return plain


class Sums:
    """Puts the sums between bytes that go by."""

    def __init__(self) -> None:
        self._sum, self._room = hashlib.sha256(), BLOCK

    def add(self, part: Part) -> list[Part]:
        """What becomes of the next bytes, which are not copied."""
        made: list[Part] = []
        rest = memoryview(part)
        while rest:
            some, rest = rest[: self._room], rest[self._room :]
            self._sum.update(some)
            made.append(some)
            self._room -= len(some)
            if not self._room:
                made.append(self._sum.digest())
                self._room = BLOCK
        return made

    def end(self) -> list[Part]:
        """What follows the last bytes."""
        return [self._sum.digest()] if self._room < BLOCK else []
