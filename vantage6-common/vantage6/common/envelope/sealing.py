"""Making authenticated envelopes."""

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common import keys
from vantage6.common.envelope import base64, binary, text
from vantage6.common.envelope.chunks import (
    Buffer,
    Bytes,
    Chunks,
    Statement,
    digest_of,
    new_content_key,
    tag_of,
)
from vantage6.common.envelope.context import Context
from vantage6.common.envelope.form import CHUNK, OVERHEAD, PREFIX_BYTES, Header, Layout, prefix
from vantage6.common.envelope.streams import Readable, Writable, read_up_to
from vantage6.common.long_text import LongText, base64_length


@dataclass(frozen=True)
class Material:
    """What an envelope is made with; all of it is new each time, except where the form is tested.

    Attributes
    ----------
    header : Header
        With the encrypted content key.
    content_key : bytes
    own_key : RSAPrivateKey
        Signs.
    """

    header: Header
    content_key: bytes
    own_key: RSAPrivateKey


def new_material(
    context: Context, own_key: RSAPrivateKey, recipient_key: RSAPublicKey, chunk: int
) -> Material:
    """A content key for one envelope, and the header that carries it."""
    for key in (own_key.public_key(), recipient_key):
        keys.require_strength(key)
    content_key = new_content_key()
    header = Header(
        context,
        chunk,
        keys.wrap(recipient_key, content_key),
        keys.fingerprint(own_key.public_key()),
        keys.fingerprint(recipient_key),
    )
    return Material(header, content_key, own_key)


class Sealer:
    """Encrypts one payload piece by piece, and signs it in the end.

    Parameters
    ----------
    material : Material
    """

    def __init__(self, material: Material) -> None:
        self.raw_header = material.header.encode()
        self._own_key = material.own_key
        self._chunks = Chunks(material.content_key, self.raw_header)
        self._statement = Statement(self.raw_header)
        self._index = 0

    def write_frame(self, data: Bytes, is_last: bool, frame: memoryview) -> None:
        """Write the frame of the next piece, which has room for all of it."""
        frame[:PREFIX_BYTES] = prefix(len(data), is_last)
        self._chunks.seal(self._index, is_last, data, frame[PREFIX_BYTES:])
        self._statement.add(tag_of(frame))
        self._index += 1

    def frames(self, data: memoryview, layout: Layout) -> Iterator[memoryview]:
        """The frames of a payload; each is there until the next one is asked for."""
        room = memoryview(bytearray(min(layout.body, layout.chunk + OVERHEAD)))
        for index in range(layout.frames):
            part = data[layout.chunk_at(index)]
            frame = room[: len(part) + OVERHEAD]
            self.write_frame(part, layout.is_last(index), frame)
            yield frame

    def signature(self) -> bytes:
        """Signature over all that was written."""
        return keys.sign(self._own_key, self._statement.digest())


class SealedText(LongText):
    """The letters of `seal`, made while they are sent.

    Parameters
    ----------
    data : bytes
    context, own_key, recipient_key, chunk
        As for `seal`.

    Raises
    ------
    EncryptionError
        When a key is too short.
    """

    def __init__(
        self,
        data: Bytes,
        context: Context,
        own_key: RSAPrivateKey,
        recipient_key: RSAPublicKey,
        *,
        chunk: int = CHUNK,
    ) -> None:
        self._material = new_material(context, own_key, recipient_key, chunk)
        self._data, self._layout = memoryview(data), Layout(chunk, len(data))
        self._signature: bytes | None = None

    def __len__(self) -> int:
        parts = (
            len(self._material.header.encode()),
            self._layout.body,
            -(-self._material.own_key.key_size // 8),
        )
        joints = len(text.START) + 2 * len(text.SEPARATOR)
        return joints + sum(map(base64_length, parts))

    def __iter__(self) -> Iterator[bytes]:
        sealer = Sealer(self._material)
        yield f"{text.START}{base64.encode(sealer.raw_header)}{text.SEPARATOR}".encode()
        for frame in sealer.frames(self._data, self._layout):
            yield base64.digits(frame)
        # A signature is another one each time, and its digest is what the answer has to name.
        self._signature = self._signature or sealer.signature()
        yield f"{text.SEPARATOR}{base64.encode(self._signature)}".encode()

    @property
    def digest(self) -> str | None:
        """That of the envelope, once it has been sent."""
        if self._signature is None:
            return None
        return digest_of(self._material.header.encode(), self._signature)


def seal(
    data: Bytes,
    context: Context,
    own_key: RSAPrivateKey,
    recipient_key: RSAPublicKey,
    *,
    chunk: int = CHUNK,
) -> str:
    """Put a payload into an envelope, as text.

    Parameters
    ----------
    data : bytes
    context : InputContext or ResultContext
        What the envelope is made for.
    own_key : RSAPrivateKey
        Of the sender.
    recipient_key : RSAPublicKey
        Of the organization that is to read it.
    chunk : int
        Bytes that are encrypted together.

    Returns
    -------
    str
        `2$header$body$signature`

    Raises
    ------
    EncryptionError
        When a key is too short.
    """
    return seal_ascii(data, context, own_key, recipient_key, chunk=chunk).decode("ascii")


def seal_ascii(
    data: Bytes,
    context: Context,
    own_key: RSAPrivateKey,
    recipient_key: RSAPublicKey,
    *,
    chunk: int = CHUNK,
) -> bytearray:
    """The letters of `seal` as bytes, which takes half the memory for a large payload."""
    return seal_text_with(new_material(context, own_key, recipient_key, chunk), data)


def seal_binary(
    data: Bytes,
    context: Context,
    own_key: RSAPrivateKey,
    recipient_key: RSAPublicKey,
    *,
    chunk: int = CHUNK,
) -> bytes:
    """Put a payload into an envelope in its binary form; else as `seal`."""
    return seal_binary_with(new_material(context, own_key, recipient_key, chunk), data)


def seal_stream(
    source: Readable,
    target: Writable,
    context: Context,
    own_key: RSAPrivateKey,
    recipient_key: RSAPublicKey,
    *,
    chunk: int = CHUNK,
) -> str:
    """Put what a source gives into an envelope in its binary form, without holding all of it.

    Parameters
    ----------
    source
        Has a method `read`; is read to its end.
    target
        Has a method `write`.
    context, own_key, recipient_key, chunk
        As for `seal`.

    Returns
    -------
    str
        The digest of the envelope.
    """
    return seal_stream_with(new_material(context, own_key, recipient_key, chunk), source, target)


def seal_text_with(material: Material, data: Bytes) -> bytearray:
    """`seal_ascii` with material that was made before."""
    sealer, layout = Sealer(material), Layout(material.header.chunk, len(data))
    written = bytearray(f"{text.START}{base64.encode(sealer.raw_header)}{text.SEPARATOR}".encode())
    for frame in sealer.frames(memoryview(data), layout):
        written += base64.digits(frame)
    written += f"{text.SEPARATOR}{base64.encode(sealer.signature())}".encode()
    return written


def seal_binary_with(material: Material, data: Bytes) -> bytes:
    """`seal_binary` with material that was made before."""
    sealer, layout = Sealer(material), Layout(material.header.chunk, len(data))
    start = binary.start(sealer.raw_header)
    end_at = len(start) + layout.body
    buffer = Buffer(end_at + binary.END_BYTES + -(-material.own_key.key_size // 8))
    with buffer.view() as room:
        room[: len(start)] = start
        _write_frames(sealer, layout, memoryview(data), room[len(start) : end_at])
        room[end_at:] = binary.end(sealer.signature())
    return buffer.take()


def seal_stream_with(material: Material, source: Readable, target: Writable) -> str:
    """`seal_stream` with material that was made before."""
    sealer, chunk = Sealer(material), material.header.chunk
    room = memoryview(bytearray(chunk + OVERHEAD))
    target.write(binary.start(sealer.raw_header))
    data, is_last = read_up_to(source, chunk), False
    while not is_last:
        # only the end of the source tells which piece was the last one
        following = read_up_to(source, chunk)
        is_last = not following
        frame = room[: len(data) + OVERHEAD]
        sealer.write_frame(data, is_last, frame)
        target.write(frame)
        data = following
    signature = sealer.signature()
    target.write(binary.end(signature))
    return digest_of(sealer.raw_header, signature)


def _write_frames(sealer: Sealer, layout: Layout, data: memoryview, body: memoryview) -> None:
    for index in range(layout.frames):
        part, frame = data[layout.chunk_at(index)], body[layout.frame_at(index)]
        sealer.write_frame(part, layout.is_last(index), frame)
