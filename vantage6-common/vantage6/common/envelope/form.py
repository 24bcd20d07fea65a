"""The header of authenticated envelopes, and how their bodies are cut into frames.

`docs/reference/envelope.md` describes both for those who write a reader in another language.
"""

import json
import re
import struct
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from vantage6.common.envelope import base64
from vantage6.common.envelope.context import Context, from_dict, to_dict
from vantage6.common.exceptions import EncryptionError
from vantage6.common.text import canonical_json

VERSION = 2
ALGORITHMS = {
    "content": "AES-256-GCM",
    "key": "RSA-OAEP-SHA256",
    "signature": "RSA-PSS-SHA256",
}

#: Bytes of a payload that are encrypted together.
CHUNK = 2**20
#: A power of four is one more than a multiple of three, which makes the size of a full frame a
#: multiple of three: the base64 text of a body can be made and read frame by frame.
CHUNKS = frozenset(4**power for power in range(3, 13))

PREFIX_BYTES = 4
TAG_BYTES = 16
OVERHEAD = PREFIX_BYTES + TAG_BYTES
MAX_FRAMES = 2**32
_LAST = 1 << 31

#: Enough for keys of 16384 bits and the longest name of an image.
MAX_HEADER = 8192
#: The bytes of a signature or of an encrypted key: those of RSA keys of 2048 to 16384 bits.
RSA_BYTES = range(256, 2048 + 1)

_FIELDS = {"algorithms", "chunk", "context", "key", "recipient_key", "sender_key", "v"}
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Header:
    """What stands before the payload, readable by all.

    Attributes
    ----------
    context : InputContext or ResultContext
    chunk : int
        Bytes of the payload in every frame but the last.
    key : bytes
        The content key, encrypted for the recipient.
    sender_key, recipient_key : str
        Fingerprints of the public keys of both.
    """

    context: Context
    chunk: int
    key: bytes
    sender_key: str
    recipient_key: str

    def encode(self) -> bytes:
        """The one spelling of this header."""
        return canonical_json(
            {
                "algorithms": ALGORITHMS,
                "chunk": self.chunk,
                "context": to_dict(self.context),
                "key": base64.encode(self.key),
                "recipient_key": self.recipient_key,
                "sender_key": self.sender_key,
                "v": VERSION,
            }
        )

    @classmethod
    def decode(cls, raw: bytes) -> "Header":
        """Read a header.

        Raises
        ------
        EncryptionError
            For everything that `encode` would not have written: other fields, versions or
            algorithms, another spelling of the same values.
        """
        values = _load(raw)
        if values.get("v") != VERSION:
            raise EncryptionError("The version of the envelope is not known here")
        if values.keys() != _FIELDS or values["algorithms"] != ALGORITHMS:
            raise EncryptionError("The envelope has fields or algorithms that are not known here")
        header = cls(
            from_dict(values["context"]),
            _chunk(values["chunk"]),
            _rsa_bytes(values["key"]),
            _fingerprint(values["sender_key"]),
            _fingerprint(values["recipient_key"]),
        )
        # Spaces, another order, a field twice, 1.0 for 1: none of it survives this.
        if header.encode() != raw:
            raise malformed()
        return header


@dataclass(frozen=True)
class Layout:
    """How the frames of a body lie.

    Attributes
    ----------
    chunk : int
        Bytes of the payload in every frame but the last.
    payload : int
        Bytes of the payload.
    """

    chunk: int
    payload: int

    @classmethod
    def of_body(cls, chunk: int, size: int) -> "Layout":
        """The layout of a body of so many bytes; EncryptionError where there is none."""
        frames = -(-size // (chunk + OVERHEAD))
        layout = cls(chunk, size - frames * OVERHEAD)
        if not 0 < frames <= MAX_FRAMES or layout.payload < 0 or layout.frames != frames:
            raise malformed()
        return layout

    @cached_property
    def frames(self) -> int:
        """How many there are: at least one, also of an empty payload."""
        return max(1, -(-self.payload // self.chunk))

    @cached_property
    def body(self) -> int:
        """Bytes of the whole body."""
        return self.payload + self.frames * OVERHEAD

    def is_last(self, index: int) -> bool:
        """Whether no frame comes after this one."""
        return index == self.frames - 1

    def chunk_at(self, index: int) -> slice:
        """Where the part of a frame lies in the payload."""
        start = index * self.chunk
        return slice(start, min(start + self.chunk, self.payload))

    def frame_at(self, index: int) -> slice:
        """Where a frame lies in the body."""
        start = index * (self.chunk + OVERHEAD)
        return slice(start, min(start + self.chunk + OVERHEAD, self.body))

    def prefix_at(self, index: int) -> bytes:
        """The four bytes with which a frame begins."""
        frame = self.frame_at(index)
        return prefix(frame.stop - frame.start - OVERHEAD, self.is_last(index))


def prefix(chunk: int, is_last: bool) -> bytes:
    """The four bytes before so many bytes of the payload."""
    return struct.pack(">I", chunk + TAG_BYTES + is_last * _LAST)


def read_prefix(raw: bytes, chunk: int) -> tuple[int, bool]:
    """How many bytes of the payload follow, and whether they are the last ones.

    Raises
    ------
    EncryptionError
        When no frame can begin in this way.
    """
    (value,) = struct.unpack(">I", raw)
    is_last, size = bool(value & _LAST), (value & ~_LAST) - TAG_BYTES
    if not (0 <= size <= chunk if is_last else size == chunk):
        raise malformed()
    return size, is_last


def malformed() -> EncryptionError:
    """The error for what everybody can see to be no envelope."""
    return EncryptionError("The payload is not an authenticated envelope, or damaged")


def _load(raw: bytes) -> dict[str, Any]:
    try:
        values = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise malformed() from error
    if not isinstance(values, dict):
        raise malformed()
    return values


def _chunk(value: object) -> int:
    if type(value) is not int or value not in CHUNKS:
        raise malformed()
    return value


def _rsa_bytes(value: object) -> bytes:
    try:
        raw = base64.decode(value) if isinstance(value, str) else b""
    except ValueError as error:
        raise malformed() from error
    if len(raw) not in RSA_BYTES:
        raise malformed()
    return raw


def _fingerprint(value: object) -> str:
    if not isinstance(value, str) or not _FINGERPRINT.fullmatch(value):
        raise malformed()
    return value
