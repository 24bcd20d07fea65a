"""Authenticated envelopes in their text form as streams in the binary one; no key is needed."""

from collections.abc import Iterator

from vantage6.common.envelope import base64, binary
from vantage6.common.envelope.form import MAX_HEADER, RSA_BYTES, malformed
from vantage6.common.envelope.streams import Peekable, Pieces, Readable
from vantage6.common.envelope.text import SEPARATOR, START

_HEADER_DIGITS = -(-MAX_HEADER // 3) * 4
_SIGNATURE_DIGITS = -(-RSA_BYTES[-1] // 3) * 4
# Digits that become bytes together: whole groups.
_DIGITS = 4 * 2**18


def as_binary(source: Readable) -> Readable:
    """The same envelope in its binary form.

    Parameters
    ----------
    source : Readable
        Of the text `2$header$body$signature`.

    Raises
    ------
    EncryptionError
        At the reading of what is no such text.
    """
    return Pieces(_converted(Peekable(source)))


def _converted(source: Peekable) -> Iterator[bytes]:
    if source.read_until(SEPARATOR, len(START)) + SEPARATOR != START:
        raise malformed()
    yield binary.start(_decoded(source.read_until(SEPARATOR, _HEADER_DIGITS)))
    yield from _body(source)
    signature = source.peek(_SIGNATURE_DIGITS + 1)
    if len(signature) > _SIGNATURE_DIGITS or not signature.isascii():
        raise malformed()
    yield binary.end(_decoded(signature.decode("ascii")))


def _body(source: Peekable) -> Iterator[bytes]:
    """The frames, up to what separates them from the signature."""
    is_over = has_ended = False
    while not is_over:
        text, separator, _ = source.peek(_DIGITS).partition(SEPARATOR.encode())
        source.skip(len(text) + len(separator))
        is_over = bool(separator)
        # More digits after the end of base64, or none at all where a signature has to come
        if (text and has_ended) or not (text or is_over):
            raise malformed()
        has_ended = text.endswith(b"=")
        yield _strictly(text)


def _strictly(digits: bytes) -> bytes:
    if not digits.isascii():
        raise malformed()
    return _decoded(digits.decode("ascii"))


def _decoded(text: str) -> bytes:
    try:
        return base64.decode(text)
    except ValueError as error:
        raise malformed() from error
