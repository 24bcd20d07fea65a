"""Opening authenticated envelopes: nothing is handed out before all of it is proven."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common import keys
from vantage6.common.envelope import binary
from vantage6.common.envelope.binary import BinaryEnvelope
from vantage6.common.envelope.chunks import (
    KEY_BYTES,
    Buffer,
    Bytes,
    Chunks,
    Statement,
    digest_of,
    new_content_key,
)
from vantage6.common.envelope.context import Context
from vantage6.common.envelope.form import (
    MAX_FRAMES,
    OVERHEAD,
    PREFIX_BYTES,
    TAG_BYTES,
    Header,
    Layout,
    malformed,
    read_prefix,
)
from vantage6.common.envelope.streams import Readable, read_up_to
from vantage6.common.envelope.text import TextEnvelope
from vantage6.common.exceptions import EncryptionError
from vantage6.common.files import written_beside


@dataclass(frozen=True)
class Opened:
    """What was in an envelope, all of it proven to be what its sender put in.

    Attributes
    ----------
    data : bytes
    context : InputContext or ResultContext
        To be compared with what is expected, see `require`.
    digest : str
        The name of the envelope, for the result that answers it.
    """

    data: bytes
    context: Context
    digest: str


@dataclass(frozen=True)
class Verified:
    """What is known of an envelope that was not opened, but is its sender's.

    Attributes
    ----------
    context : InputContext or ResultContext
    digest : str
    """

    context: Context
    digest: str


@dataclass(frozen=True)
class OpenedStream:
    """What is known of an envelope whose payload was written to a file.

    Attributes
    ----------
    size : int
        Bytes of the payload.
    context : InputContext or ResultContext
    digest : str
    """

    size: int
    context: Context
    digest: str


class _Parts(Protocol):
    """An envelope taken apart, whichever form it has."""

    @property
    def raw_header(self) -> bytes: ...

    @property
    def header(self) -> Header: ...

    @property
    def signature(self) -> bytes: ...

    @property
    def layout(self) -> Layout: ...

    def frame(self, index: int) -> bytes | memoryview: ...

    def tag(self, index: int) -> bytes | memoryview: ...


def open_(text: str, own_key: RSAPrivateKey, sender_key: RSAPublicKey) -> Opened:
    """Open an envelope in its text form.

    The private key is used only after the signature is found to be right: nobody but the
    sender can ask anything of it.

    Parameters
    ----------
    text : str
        `2$header$body$signature`
    own_key : RSAPrivateKey
        Of the recipient.
    sender_key : RSAPublicKey
        Of the organization that is expected to have sent it; `claimed` tells which one.

    Returns
    -------
    Opened

    Raises
    ------
    EncryptionError
        When it is no envelope, was made for or with other keys, or was changed.
    """
    return _open(TextEnvelope.parse(text), own_key, sender_key)


def open_binary(data: Bytes, own_key: RSAPrivateKey, sender_key: RSAPublicKey) -> Opened:
    """Open an envelope in its binary form; else as `open_`."""
    return _open(BinaryEnvelope.parse(data), own_key, sender_key)


def open_stream(
    source: Readable,
    target: Path,
    own_key: RSAPrivateKey,
    sender_key: RSAPublicKey,
    *,
    limit: int | None = None,
) -> OpenedStream:
    """Open an envelope in its binary form into a file, without holding all of it.

    The signature comes last. What is decrypted until then goes to a file beside the target,
    for its owner only, and gets the name of the target when all is proven: under that name
    there is everything or, after any error, what was there before.

    Parameters
    ----------
    source
        Has a method `read`; nothing may come after the envelope.
    target : Path
        A file that is there already is replaced.
    own_key, sender_key
        As for `open_`.
    limit : int, optional
        The most bytes that the payload may have. Until the signature comes, anybody could send
        them: without a limit, a source that does not end fills the disk.

    Returns
    -------
    OpenedStream

    Raises
    ------
    EncryptionError
        As for `open_`.
    """
    raw_header = _read(source, binary.header_size(_read(source, binary.START_BYTES)))
    header = Header.decode(raw_header)
    _check_recipient(header, own_key)
    _check_sender(header, sender_key)
    statement = Statement(raw_header)
    with written_beside(target) as file:
        chunks = Chunks(_content_key(own_key, header), raw_header)
        size = 0
        for piece in _decrypted_pieces(source, header.chunk, chunks, statement):
            size += len(piece)
            if limit is not None and size > limit:
                raise EncryptionError(f"The payload has more than {limit} bytes")
            file.write(piece)
        signature = _read(source, binary.signature_size(_read(source, binary.END_BYTES)))
        if source.read(1) or not keys.is_signed(sender_key, statement.digest(), signature):
            raise _refusal()
    return OpenedStream(size, header.context, digest_of(raw_header, signature))


def verify(text: str, sender_key: RSAPublicKey) -> Verified:
    """Who sent an envelope, and for which occasion; also one that was made for somebody else.

    The signature covers the tags of the payload; that these fit what lies beside them is seen only
    by the recipient, when it is opened.

    Raises
    ------
    EncryptionError
        When it is no envelope, was signed with another key, or was changed.
    """
    parts = TextEnvelope.parse(text)
    _check_signature(parts, sender_key)
    return Verified(parts.header.context, digest_of(parts.raw_header, parts.signature))


def claimed(text: str) -> Header:
    """What a text says of itself, NOT proven: to look up the key of the sender it names.

    Raises
    ------
    EncryptionError
        When it is no envelope.
    """
    return TextEnvelope.parse(text).header


def digest(text: str) -> str:
    """The name of an envelope in its text form; says nothing about whether it is genuine.

    Raises
    ------
    EncryptionError
        When it is no envelope.
    """
    parts = TextEnvelope.parse(text)
    return digest_of(parts.raw_header, parts.signature)


def _open(parts: _Parts, own_key: RSAPrivateKey, sender_key: RSAPublicKey) -> Opened:
    header = parts.header
    _check_recipient(header, own_key)
    _check_signature(parts, sender_key)
    chunks = Chunks(_content_key(own_key, header), parts.raw_header)
    return Opened(
        _decrypted(parts, chunks), header.context, digest_of(parts.raw_header, parts.signature)
    )


def _check_signature(parts: _Parts, sender_key: RSAPublicKey) -> None:
    _check_sender(parts.header, sender_key)
    statement = Statement(parts.raw_header)
    for index in range(parts.layout.frames):
        statement.add(parts.tag(index))
    if not keys.is_signed(sender_key, statement.digest(), parts.signature):
        raise _refusal()


def _decrypted(parts: _Parts, chunks: Chunks) -> bytes:
    buffer = Buffer(parts.layout.payload)
    with buffer.view() as room:
        for index in range(parts.layout.frames):
            _decrypt_frame(parts, chunks, index, room)
    return buffer.take()


def _decrypt_frame(parts: _Parts, chunks: Chunks, index: int, room: memoryview) -> None:
    layout, frame = parts.layout, memoryview(parts.frame(index))
    place = room[layout.chunk_at(index)]
    if len(frame) != len(place) + OVERHEAD or frame[:PREFIX_BYTES] != layout.prefix_at(index):
        raise malformed()
    if not chunks.open(index, layout.is_last(index), frame[PREFIX_BYTES:], place):
        raise _refusal()


def _decrypted_pieces(
    source: Readable, chunk: int, chunks: Chunks, statement: Statement
) -> Iterator[memoryview]:
    """The payload up to the last frame; each piece is there until the next one is asked for."""
    room = memoryview(bytearray(chunk))
    for index in range(MAX_FRAMES):
        size, is_last = read_prefix(_read(source, PREFIX_BYTES), chunk)
        if index and not size:
            raise malformed()
        sealed = _read(source, size + TAG_BYTES)
        if not chunks.open(index, is_last, sealed, room[:size]):
            raise _refusal()
        statement.add(sealed[-TAG_BYTES:])
        yield room[:size]
        if is_last:
            return
    raise malformed()


def _read(source: Readable, size: int) -> bytes:
    """So many bytes; EncryptionError when there are fewer."""
    data = read_up_to(source, size)
    if len(data) != size:
        raise malformed()
    return data


def _check_recipient(header: Header, own_key: RSAPrivateKey) -> None:
    """Refuse another key than ours; the header names it for all to see."""
    public_key = own_key.public_key()
    keys.require_strength(public_key)
    if header.recipient_key != keys.fingerprint(public_key):
        raise EncryptionError("The envelope was made for another key")


def _check_sender(header: Header, sender_key: RSAPublicKey) -> None:
    """Refuse another key than the sender's; the header names it for all to see."""
    keys.require_strength(sender_key)
    if header.sender_key != keys.fingerprint(sender_key):
        raise EncryptionError("The envelope was signed with another key than the sender's")


def _content_key(own_key: RSAPrivateKey, header: Header) -> bytes:
    """The content key; a random one where there is none, so that all refusals are alike."""
    instead = new_content_key()
    found = keys.unwrap(own_key, header.key)
    return found if found is not None and len(found) == KEY_BYTES else instead


def _refusal() -> EncryptionError:
    """The one error for a wrong signature, key, tag or end: it does not say which."""
    return EncryptionError("The envelope was changed, or is not from its sender")
