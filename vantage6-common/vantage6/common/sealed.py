"""Payloads as they go into the payload store, sealed while they are sent.

Each can be had from any byte on, and is the same bytes each time, so what was cut off goes on
where it was. A content key must never see two contents: of each piece a mark is kept, and a source
that changed in the meantime is found out before anything of it leaves.
"""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common import keys
from vantage6.common.encryption import BLOCK, KEY_BYTES, START_BYTES, counter_mode
from vantage6.common.envelope import SEPARATOR, base64, binary
from vantage6.common.envelope.chunks import Chunks, Statement, digest_of
from vantage6.common.envelope.context import Context
from vantage6.common.envelope.form import CHUNK, OVERHEAD, PREFIX_BYTES, Header, Layout, prefix
from vantage6.common.envelope.sealing import Material, new_material
from vantage6.common.exceptions import EncryptionError
from vantage6.common.keys import load_public_key
from vantage6.common.long_text import base64_length
from vantage6.common.sources import Part, Source, changed

TEXT = "text"
BINARY = "binary"

_MARK_BYTES = 16


class Sealed(ABC):
    """A payload as it goes over the wire.

    Attributes
    ----------
    form : {"text", "binary"}
    size : int
        Bytes in all.
    """

    form = TEXT
    size: int

    def __init__(self, source: Source, block: int, count: int) -> None:
        self._source, self._block, self._count = source, block, count
        self._marks: dict[int, bytes] = {}

    @property
    def digest(self) -> str | None:
        """That of the authenticated envelope, once all of it was made; None for others."""
        return None

    @abstractmethod
    def state(self) -> dict[str, str]:
        """What another process needs to make the same bytes: secrets, as text."""

    def pieces(self, start: int = 0) -> Iterator[Part]:
        """The bytes from a place on; each piece is there until the next one is asked for.

        Raises
        ------
        EncryptionError
            When the source is not what it was.
        OSError
            When it cannot be read.
        """
        head = self._head()
        if start < len(head):
            yield head[start:]
        at = len(head)
        for index in range(self._count):
            end = at + self._sealed_size(index)
            if end > start:
                yield memoryview(self._made(index))[max(0, start - at) :]
            elif self._needs_all and index not in self._marks:
                self._made(index)
            at = end
        if tail := self._tail():
            yield tail[max(0, start - at) :]

    # What the kinds differ in

    _needs_all = False

    def _head(self) -> bytes:
        return b""

    def _tail(self) -> bytes:
        return b""

    @abstractmethod
    def _sealed_size(self, index: int) -> int:
        """How many bytes a block becomes."""

    @abstractmethod
    def _seal(self, index: int, data: Part) -> Part:
        """The bytes that a block becomes."""

    def _mark(self, made: Part) -> bytes:
        return hashlib.sha256(made).digest()[:_MARK_BYTES]

    def _length(self, index: int) -> int:
        return min(self._block, self._source.size - index * self._block)

    def _made(self, index: int) -> Part:
        data = self._source.read_at(index * self._block, self._length(index))
        made = self._seal(index, data)
        mark = self._mark(made)
        if self._marks.setdefault(index, mark) != mark:
            raise changed()
        return made


class PlainPayload(Sealed):
    """Base64, for collaborations without encryption.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        super().__init__(source, BLOCK, -(-source.size // BLOCK))
        self.size = base64_length(source.size)

    def state(self) -> dict[str, str]:
        """Nothing is needed."""
        return {}

    def _sealed_size(self, index: int) -> int:
        return base64_length(self._length(index))

    def _seal(self, index: int, data: Part) -> Part:
        return base64.digits(data)


class ClassicPayload(Sealed):
    """The classic envelope, for those who read no other.

    Parameters
    ----------
    source : Source
    public_key : str
        Of the organization that is to read it, as organizations carry it.
    state : mapping, optional
        What `state` gave, to make the same envelope again.

    Raises
    ------
    EncryptionError
        When the public key is missing or cannot be read.
    """

    def __init__(
        self, source: Source, public_key: str, state: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(source, BLOCK, -(-source.size // BLOCK))
        if state is None:
            key, start = os.urandom(KEY_BYTES), os.urandom(START_BYTES)
            locked = load_public_key(public_key).encrypt(key, padding.PKCS1v15())
        else:
            key, start, locked = (base64.decode(state[name]) for name in ("key", "start", "locked"))
        self._key, self._start, self._locked = key, start, locked
        self.size = len(self._head()) + base64_length(source.size)

    def state(self) -> dict[str, str]:
        """Key, start of the counter, and the key as the recipient gets it."""
        values = {"key": self._key, "start": self._start, "locked": self._locked}
        return {name: base64.encode(value) for name, value in values.items()}

    def _head(self) -> bytes:
        return SEPARATOR.join(
            [base64.encode(self._locked), base64.encode(self._start), ""]
        ).encode()

    def _sealed_size(self, index: int) -> int:
        return base64_length(self._length(index))

    def _seal(self, index: int, data: Part) -> Part:
        cipher = counter_mode(self._key, self._start, index * self._block)
        return base64.digits(cipher.update(data))


class SignedPayload(Sealed):
    """The authenticated envelope in its binary form.

    Parameters
    ----------
    source : Source
    material : Material
    signature : bytes, optional
        That of the same envelope, where it was made before: each is another one.
    keep : callable, optional
        Told the state with the signature in it, before anything of that leaves.
    """

    form = BINARY
    _needs_all = True

    def __init__(
        self,
        source: Source,
        material: Material,
        signature: bytes | None = None,
        keep: Callable[[dict[str, str]], None] = lambda state: None,
    ) -> None:
        self._layout = Layout(material.header.chunk, source.size)
        super().__init__(source, material.header.chunk, self._layout.frames)
        self._material, self._signature, self._keep = material, signature, keep
        self._raw_header = material.header.encode()
        self._chunks = Chunks(material.content_key, self._raw_header)
        signature_bytes = -(-material.own_key.key_size // 8)
        self.size = len(self._head()) + self._layout.body + binary.END_BYTES + signature_bytes

    @classmethod
    def new(
        cls,
        source: Source,
        context: Context,
        own_key: RSAPrivateKey,
        recipient_key: RSAPublicKey,
        *,
        chunk: int = CHUNK,
        keep: Callable[[dict[str, str]], None] = lambda state: None,
    ) -> "SignedPayload":
        """A new envelope; parameters and errors as those of `seal`."""
        return cls(source, new_material(context, own_key, recipient_key, chunk), keep=keep)

    @classmethod
    def again(
        cls,
        source: Source,
        state: Mapping[str, str],
        context: Context,
        own_key: RSAPrivateKey,
        recipient_key: RSAPublicKey,
        keep: Callable[[dict[str, str]], None] = lambda state: None,
    ) -> "SignedPayload":
        """The envelope of an earlier process.

        Raises
        ------
        EncryptionError
            When it was made for another occasion, or with other keys.
        """
        header = Header.decode(base64.decode(state["header"]))
        fingerprints = keys.fingerprint(own_key.public_key()), keys.fingerprint(recipient_key)
        if (header.context, header.sender_key, header.recipient_key) != (context, *fingerprints):
            raise EncryptionError("What was sealed before was sealed for another occasion")
        material = Material(header, base64.decode(state["key"]), own_key)
        signature = base64.decode(state["signature"]) if "signature" in state else None
        return cls(source, material, signature, keep)

    @property
    def digest(self) -> str | None:
        """That of the envelope, once it has been made to its end."""
        return None if self._signature is None else digest_of(self._raw_header, self._signature)

    def state(self) -> dict[str, str]:
        """Header, content key, and the signature where there is one."""
        values: dict[str, Any] = {"header": self._raw_header, "key": self._material.content_key}
        if self._signature is not None:
            values["signature"] = self._signature
        return {name: base64.encode(value) for name, value in values.items()}

    def _head(self) -> bytes:
        return binary.start(self._raw_header)

    def _tail(self) -> bytes:
        if self._signature is None:
            statement = Statement(self._raw_header)
            for index in range(self._count):
                statement.add(self._marks[index])
            self._signature = keys.sign(self._material.own_key, statement.digest())
            self._keep(self.state())
        return binary.end(self._signature)

    def _sealed_size(self, index: int) -> int:
        return self._length(index) + OVERHEAD

    def _seal(self, index: int, data: Part) -> Part:
        is_last, frame = self._layout.is_last(index), bytearray(len(data) + OVERHEAD)
        frame[:PREFIX_BYTES] = prefix(len(data), is_last)
        self._chunks.seal(index, is_last, data, memoryview(frame)[PREFIX_BYTES:])
        return memoryview(frame)

    def _mark(self, made: Part) -> bytes:
        # The tag: equal tags are equal contents, under one key and in one place.
        return bytes(made[-_MARK_BYTES:])
