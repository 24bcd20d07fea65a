"""AES-256-GCM of a payload in pieces, so that none can be lost, moved, doubled or added.

The nonce of a piece holds its position and whether it is the last one (the STREAM construction);
the digest of the header is authenticated with each. A content key is used for one envelope only.
"""

import hashlib
import os
import struct
from io import BytesIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from vantage6.common.envelope.form import TAG_BYTES

KEY_BYTES = 32
_SIGNATURE_LABEL = b"vantage6-envelope-2\0"
_DIGEST_LABEL = b"vantage6-envelope-digest-2\0"

Bytes = bytes | bytearray | memoryview


class Chunks:
    """Encrypts and decrypts the pieces of one payload.

    Parameters
    ----------
    content_key : bytes
    raw_header : bytes
        As it was written.
    """

    def __init__(self, content_key: bytes, raw_header: bytes) -> None:
        self._cipher = AESGCM(content_key)
        self._header = hashlib.sha256(raw_header).digest()

    def seal(self, index: int, is_last: bool, data: Bytes, target: memoryview) -> None:
        """Encrypt a piece; the target has room for it and its tag."""
        nonce = _nonce(index, is_last)
        if hasattr(self._cipher, "encrypt_into"):
            self._cipher.encrypt_into(nonce, data, self._header, target)
        else:
            target[:] = self._cipher.encrypt(nonce, data, self._header)

    def open(self, index: int, is_last: bool, sealed: Bytes, target: memoryview) -> bool:
        """Decrypt a piece, and say whether it is what was encrypted; else the target is no use."""
        nonce = _nonce(index, is_last)
        try:
            if hasattr(self._cipher, "decrypt_into"):
                self._cipher.decrypt_into(nonce, sealed, self._header, target)
            else:
                target[:] = self._cipher.decrypt(nonce, sealed, self._header)
        except InvalidTag:
            return False
        return True


class Statement:
    """What the sender signs: the header and the tag of each piece, which stand for all the rest.

    Parameters
    ----------
    raw_header : bytes
        As it was written.
    """

    def __init__(self, raw_header: bytes) -> None:
        self._hash = hashlib.sha256(_SIGNATURE_LABEL + hashlib.sha256(raw_header).digest())

    def add(self, tag: Bytes) -> None:
        """Take in the tag of the next piece."""
        self._hash.update(tag)

    def digest(self) -> bytes:
        """SHA-256 of all of it."""
        return self._hash.digest()


def digest_of(raw_header: bytes, signature: bytes) -> str:
    """The name of an envelope: as the signature is bound to all of it, no other one has it."""
    header = hashlib.sha256(raw_header).digest()
    return hashlib.sha256(_DIGEST_LABEL + header + signature).hexdigest()


def new_content_key() -> bytes:
    """A key for one envelope."""
    return os.urandom(KEY_BYTES)


class Buffer:
    """Bytes of a known number, written in place and handed over without a copy of them.

    Parameters
    ----------
    size : int
    """

    def __init__(self, size: int) -> None:
        self._bytes = BytesIO(bytes(size))

    def view(self) -> memoryview:
        """The bytes, to be written."""
        return self._bytes.getbuffer()

    def take(self) -> bytes:
        """The bytes."""
        return self._bytes.getvalue()


def tag_of(sealed: memoryview) -> memoryview:
    """The tag at the end of an encrypted piece."""
    return sealed[-TAG_BYTES:]


def _nonce(index: int, is_last: bool) -> bytes:
    return struct.pack(">7xIB", index, is_last)
