"""Opening authenticated envelopes: nothing is handed out before all of it is proven."""

from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common import keys
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
    OVERHEAD,
    PREFIX_BYTES,
    Header,
    Layout,
    malformed,
)
from vantage6.common.envelope.text import TextEnvelope
from vantage6.common.exceptions import EncryptionError


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
    check_recipient(header, own_key)
    _check_signature(parts, sender_key)
    chunks = Chunks(content_key(own_key, header), parts.raw_header)
    return Opened(
        _decrypted(parts, chunks), header.context, digest_of(parts.raw_header, parts.signature)
    )


def _check_signature(parts: _Parts, sender_key: RSAPublicKey) -> None:
    check_sender(parts.header, sender_key)
    statement = Statement(parts.raw_header)
    for index in range(parts.layout.frames):
        statement.add(parts.tag(index))
    if not keys.is_signed(sender_key, statement.digest(), parts.signature):
        raise refusal()


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
        raise refusal()


def check_recipient(header: Header, own_key: RSAPrivateKey) -> None:
    """Refuse another key than ours; the header names it for all to see."""
    public_key = own_key.public_key()
    keys.require_strength(public_key)
    if header.recipient_key != keys.fingerprint(public_key):
        raise EncryptionError("The envelope was made for another key")


def check_sender(header: Header, sender_key: RSAPublicKey) -> None:
    """Refuse another key than the sender's; the header names it for all to see."""
    keys.require_strength(sender_key)
    if header.sender_key != keys.fingerprint(sender_key):
        raise EncryptionError("The envelope was signed with another key than the sender's")


def content_key(own_key: RSAPrivateKey, header: Header) -> bytes:
    """The content key; a random one where there is none, so that all refusals are alike."""
    instead = new_content_key()
    found = keys.unwrap(own_key, header.key)
    return found if found is not None and len(found) == KEY_BYTES else instead


def refusal() -> EncryptionError:
    """The one error for a wrong signature, key, tag or end: it does not say which."""
    return EncryptionError("The envelope was changed, or is not from its sender")
