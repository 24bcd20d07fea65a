"""Opening authenticated envelopes that come in as streams, in their binary form.

The signature comes last, so nothing of what was read is proven before the end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common import keys
from vantage6.common.envelope import binary
from vantage6.common.envelope.chunks import Chunks, Statement, digest_of
from vantage6.common.envelope.context import Context
from vantage6.common.envelope.form import (
    MAX_FRAMES,
    PREFIX_BYTES,
    TAG_BYTES,
    Header,
    malformed,
    read_prefix,
)
from vantage6.common.envelope.opening import (
    Verified,
    check_recipient,
    check_sender,
    content_key,
    refusal,
)
from vantage6.common.envelope.streams import Readable, Writable, read_up_to
from vantage6.common.exceptions import EncryptionError
from vantage6.common.files import written_beside


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


class EnvelopeStream:
    """An envelope in its binary form that comes in as a stream, of which the header is there.

    Parameters
    ----------
    source
        Has a method `read`; nothing may come after the envelope.

    Attributes
    ----------
    header : Header
        What the envelope says of itself, NOT proven before all of it was read.

    Raises
    ------
    EncryptionError
        When it is no envelope.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._raw_header = _read(source, binary.header_size(_read(source, binary.START_BYTES)))
        self.header = Header.decode(self._raw_header)
        self._statement = Statement(self._raw_header)

    def open_into(
        self,
        target: Writable,
        own_key: RSAPrivateKey,
        sender_key: RSAPublicKey,
        *,
        limit: int | None = None,
    ) -> OpenedStream:
        """Write the payload to where nobody looks for it: only what this returns proves it.

        Parameters and errors as those of `open_stream`, but for the target, which is not to be
        used after an error.
        """
        check_recipient(self.header, own_key)
        check_sender(self.header, sender_key)
        chunks, size = Chunks(content_key(own_key, self.header), self._raw_header), 0
        room = memoryview(bytearray(self.header.chunk))
        for index, is_last, sealed in self._frames():
            piece = room[: len(sealed) - TAG_BYTES]
            if not chunks.open(index, is_last, sealed, piece):
                raise refusal()
            size += len(piece)
            if limit is not None and size > limit:
                raise EncryptionError(f"The payload has more than {limit} bytes")
            target.write(piece)
        return OpenedStream(size, self.header.context, self._signed_by(sender_key))

    def verify(self, sender_key: RSAPublicKey) -> Verified:
        """Who sent it, as `verify` does for one in memory; the payload is passed over."""
        check_sender(self.header, sender_key)
        for _ in self._frames():
            pass
        return Verified(self.header.context, self._signed_by(sender_key))

    def _frames(self) -> Iterator[tuple[int, bool, bytes]]:
        """Number, whether it is the last one, and what is encrypted, of each frame."""
        for index in range(MAX_FRAMES):
            size, is_last = read_prefix(_read(self._source, PREFIX_BYTES), self.header.chunk)
            if index and not size:
                raise malformed()
            sealed = _read(self._source, size + TAG_BYTES)
            self._statement.add(sealed[-TAG_BYTES:])
            yield index, is_last, sealed
            if is_last:
                return
        raise malformed()

    def _signed_by(self, sender_key: RSAPublicKey) -> str:
        """The digest of the envelope, if it was signed with a key and has ended."""
        size = binary.signature_size(_read(self._source, binary.END_BYTES))
        signature = _read(self._source, size)
        statement = self._statement.digest()
        if self._source.read(1) or not keys.is_signed(sender_key, statement, signature):
            raise refusal()
        return digest_of(self._raw_header, signature)


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
    with written_beside(target) as file:
        return EnvelopeStream(source).open_into(file, own_key, sender_key, limit=limit)


def _read(source: Readable, size: int) -> bytes:
    """So many bytes; EncryptionError when there are fewer."""
    data = read_up_to(source, size)
    if len(data) != size:
        raise malformed()
    return data
