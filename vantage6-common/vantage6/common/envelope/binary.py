"""The binary form of authenticated envelopes: a start, the header, frames, the signature."""

import struct
from dataclasses import dataclass

from vantage6.common.envelope.form import (
    MAX_HEADER,
    OVERHEAD,
    PREFIX_BYTES,
    RSA_BYTES,
    TAG_BYTES,
    VERSION,
    Header,
    Layout,
    malformed,
    read_prefix,
)

#: Not a text, and no longer itself where somebody took it for one.
MAGIC = b"\x89V6E\r\n\x1a\n" + bytes([VERSION])
_HEADER_SIZE = struct.Struct(">I")
_SIGNATURE_SIZE = struct.Struct(">H")
START_BYTES = len(MAGIC) + _HEADER_SIZE.size
END_BYTES = _SIGNATURE_SIZE.size


@dataclass(frozen=True)
class BinaryEnvelope:
    """The parts of an envelope that is in memory as a whole.

    Attributes
    ----------
    raw_header : bytes
        The header as it was written and signed.
    header : Header
    signature : bytes
    layout : Layout
    """

    raw_header: bytes
    header: Header
    signature: bytes
    layout: Layout
    _body: memoryview

    @classmethod
    def parse(cls, data: bytes | bytearray | memoryview) -> "BinaryEnvelope":
        """Take bytes apart; EncryptionError when they are no envelope."""
        view = memoryview(data).cast("B")
        body = START_BYTES + header_size(bytes(view[:START_BYTES]))
        raw_header = bytes(view[START_BYTES:body])
        header = Header.decode(raw_header)
        end = _end_of_body(view, header.chunk, body)
        signature = bytes(view[end + END_BYTES :])
        if signature_size(bytes(view[end : end + END_BYTES])) != len(signature):
            raise malformed()
        layout = Layout.of_body(header.chunk, end - body)
        return cls(raw_header, header, signature, layout, view[body:end])

    def frame(self, index: int) -> memoryview:
        """A frame of the body."""
        return self._body[self.layout.frame_at(index)]

    def tag(self, index: int) -> memoryview:
        """The tag of a frame."""
        return self.frame(index)[-TAG_BYTES:]


def _end_of_body(view: memoryview, chunk: int, at: int) -> int:
    """Where the frames end: each says how long it is, and the last one says so."""
    is_last = False
    while not is_last:
        raw = bytes(view[at : at + PREFIX_BYTES])
        if len(raw) != PREFIX_BYTES:
            raise malformed()
        size, is_last = read_prefix(raw, chunk)
        at += size + OVERHEAD
    return at


def start(raw_header: bytes) -> bytes:
    """What stands before the first frame."""
    return MAGIC + _HEADER_SIZE.pack(len(raw_header)) + raw_header


def end(signature: bytes) -> bytes:
    """What stands behind the last frame."""
    return _SIGNATURE_SIZE.pack(len(signature)) + signature


def header_size(raw: bytes) -> int:
    """The size of the header that the first bytes announce; EncryptionError without one."""
    if len(raw) != START_BYTES or not raw.startswith(MAGIC):
        raise malformed()
    (size,) = _HEADER_SIZE.unpack(raw[len(MAGIC) :])
    if not 0 < size <= MAX_HEADER:
        raise malformed()
    return int(size)


def signature_size(raw: bytes) -> int:
    """The size of the signature that the bytes behind the last frame announce."""
    if len(raw) != END_BYTES:
        raise malformed()
    (size,) = _SIGNATURE_SIZE.unpack(raw)
    if size not in RSA_BYTES:
        raise malformed()
    return int(size)
