"""From the binary to the text form of an envelope, without a key and without holding either.

The parts are the same bytes in both, so all there is to do is to find them and write them in
base64. Whoever stores envelopes may so show them to those who read texts only.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from vantage6.common.envelope import base64
from vantage6.common.envelope.binary import END_BYTES, START_BYTES, header_size, signature_size
from vantage6.common.envelope.form import (
    MAX_HEADER,
    PREFIX_BYTES,
    RSA_BYTES,
    Header,
    Layout,
    malformed,
)
from vantage6.common.envelope.text import SEPARATOR, START
from vantage6.common.exceptions import EncryptionError

#: Some bytes of the envelope: where they start, and how many.
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class BinaryParts:
    """Where the parts of an envelope in its binary form are.

    Attributes
    ----------
    header, body, signature : range
        Of bytes.
    """

    header: range
    body: range
    signature: range

    @classmethod
    def find(cls, size: int, read: Read) -> "BinaryParts":
        """Find them by the beginning and the end alone.

        Parameters
        ----------
        size : int
            Of the whole envelope, in bytes.
        read : callable
            Gives the bytes of it.

        Raises
        ------
        EncryptionError
            When it is no envelope. Not all frames are looked at.
        """
        head = read(0, min(size, START_BYTES + MAX_HEADER))
        body = START_BYTES + header_size(head[:START_BYTES])
        chunk = Header.decode(head[START_BYTES:body]).chunk
        at = max(body, size - END_BYTES - RSA_BYTES[-1])
        tail = read(at, size - at)
        for length in RSA_BYTES:
            end = size - END_BYTES - length
            if end >= at and _is_end(tail[end - at :], length) and _is_body(chunk, body, end, read):
                return cls(range(START_BYTES, body), range(body, end), range(end + END_BYTES, size))
        raise malformed()

    @property
    def text_size(self) -> int:
        """How many letters the text form has."""
        parts = (self.header, self.body, self.signature)
        return len(START) + sum(-(-len(part) // 3) * 4 for part in parts) + 2 * len(SEPARATOR)


def to_text(parts: BinaryParts, read: Callable[[int, int], Iterable[bytes]]) -> Iterator[bytes]:
    """The text form, in pieces.

    Parameters
    ----------
    parts : BinaryParts
    read : callable
        Gives bytes of the envelope in pieces: where they start, and how many.
    """
    yield START.encode()
    for part in (parts.header, parts.body, parts.signature):
        if part is not parts.header:
            yield SEPARATOR.encode()
        yield from _digits(read(part.start, len(part)))


def _digits(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Base64 of what comes in pieces."""
    rest = b""
    for piece in pieces:
        whole = rest + piece
        end = len(whole) // 3 * 3
        rest = whole[end:]
        yield base64.digits(memoryview(whole)[:end])
    if rest:
        yield base64.digits(rest)


def _is_end(raw: bytes, length: int) -> bool:
    """Whether these bytes announce a signature of this length."""
    return int.from_bytes(raw[:END_BYTES]) == length and signature_size(raw[:END_BYTES]) == length


def _is_body(chunk: int, start: int, end: int, read: Read) -> bool:
    """Whether what is between could be frames, of which the last one says that it is."""
    try:
        layout = Layout.of_body(chunk, end - start)
    except EncryptionError:
        return False
    last = layout.frames - 1
    at = start + layout.frame_at(last).start
    return read(at, PREFIX_BYTES) == layout.prefix_at(last)
