"""Text for the wire that is made while it is sent, so that it is never held as a whole."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from vantage6.common.envelope import base64

# Bytes from which a payload is worth the trouble.
LARGE = 2**20
# Bytes that become base64 together: a multiple of three, so that their digits can be joined.
_PIECE = 3 * 2**18


class LongText(ABC):
    """Letters and digits that JSON writes as they are: base64, and what joins the parts of it.

    May be gone through more than once, as when a call is repeated, and is the same each time.
    """

    @abstractmethod
    def __len__(self) -> int:
        """How many letters there are."""

    @abstractmethod
    def __iter__(self) -> Iterator[bytes]:
        """The letters, in pieces."""


class Base64Text(LongText):
    """Base64 of some bytes.

    Parameters
    ----------
    data : bytes
    """

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)

    def __len__(self) -> int:
        return base64_length(len(self._data))

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), _PIECE):
            yield base64.digits(self._data[start : start + _PIECE])


def base64_length(size: int) -> int:
    """How many digits so many bytes become."""
    return -(-size // 3) * 4
