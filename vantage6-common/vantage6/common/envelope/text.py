"""The text form of authenticated envelopes, `2$header$body$signature`."""

from dataclasses import dataclass

from vantage6.common.envelope import base64
from vantage6.common.envelope.form import (
    MAX_HEADER,
    PREFIX_BYTES,
    RSA_BYTES,
    TAG_BYTES,
    VERSION,
    Header,
    Layout,
    malformed,
)
from vantage6.common.exceptions import EncryptionError

SEPARATOR = "$"
START = f"{VERSION}{SEPARATOR}"

_MAX_HEADER_DIGITS = -(-MAX_HEADER // 3) * 4
_MAX_SIGNATURE_DIGITS = -(-RSA_BYTES[-1] // 3) * 4
#: The last digits of every frame but the last: six groups, which hold the tag.
_TAG_DIGITS = 24
#: The first digits of every frame: two groups, which hold the prefix.
_PREFIX_DIGITS = 8


@dataclass(frozen=True)
class TextEnvelope:
    """The parts of an envelope; the body stays where it is in the text.

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
    _text: str
    _body: slice

    @classmethod
    def parse(cls, text: str) -> "TextEnvelope":
        """Take a text apart; EncryptionError when it is no envelope.

        The digits of the body are not looked at.
        """
        raw_header, body, signature = _split(text)
        header = Header.decode(raw_header)
        size = _decoded_size(text, body)
        return cls(raw_header, header, signature, Layout.of_body(header.chunk, size), text, body)

    def has_sound_body(self) -> bool:
        """Whether the whole body is base64, and begins and ends like frames do."""
        first, last = 0, self.layout.frames - 1
        return base64.is_base64(self._text, self._body.start, self._body.stop) and all(
            self._prefix(index) == self.layout.prefix_at(index) for index in (first, last)
        )

    def frame(self, index: int) -> bytes:
        """A frame of the body; EncryptionError when it is not base64."""
        digits = self._digits(index)
        return _decode(self._text[digits])

    def tag(self, index: int) -> bytes:
        """The tag of a frame, read without the rest of it."""
        if self.layout.is_last(index):
            return self.frame(index)[-TAG_BYTES:]
        end = self._digits(index).stop
        return _decode(self._text[end - _TAG_DIGITS : end])[-TAG_BYTES:]

    def _prefix(self, index: int) -> bytes:
        start = self._digits(index).start
        return _decode(self._text[start : start + _PREFIX_DIGITS])[:PREFIX_BYTES]

    def _digits(self, index: int) -> slice:
        # full frames are a multiple of three bytes, and so of four digits
        frame = self.layout.frame_at(index)
        start, stop = (self._body.start + -(-at // 3) * 4 for at in (frame.start, frame.stop))
        return slice(start, stop)


def is_authenticated_envelope(text: str) -> bool:
    """Whether `text` has the form `2$header$body$signature`, with a header that can be read."""
    if not text.startswith(START):
        return False
    try:
        return TextEnvelope.parse(text).has_sound_body()
    except EncryptionError:
        return False


def _split(text: str) -> tuple[bytes, slice, bytes]:
    """The header, where the body is, and the signature."""
    if not text.startswith(START):
        raise malformed()
    second = text.find(SEPARATOR, len(START), len(START) + _MAX_HEADER_DIGITS + 1)
    third = text.rfind(SEPARATOR, max(0, len(text) - _MAX_SIGNATURE_DIGITS - 1))
    if not 0 < second < third:
        raise malformed()
    signature = _decode(text[third + 1 :])
    if len(signature) not in RSA_BYTES:
        raise malformed()
    return _decode(text[len(START) : second]), slice(second + 1, third), signature


def _decoded_size(text: str, part: slice) -> int:
    digits = part.stop - part.start
    if digits % 4:
        raise malformed()
    return digits // 4 * 3 - text[max(part.start, part.stop - 2) : part.stop].count("=")


def _decode(text: str) -> bytes:
    try:
        return base64.decode(text)
    except ValueError as error:
        raise malformed() from error


#: So many letters of the beginning and the end tell what a text is.
EDGE = 2 + _MAX_HEADER_DIGITS + 1


def has_edges_of_envelope(head: str, tail: str) -> bool:
    """Whether a text that begins and ends so is an authenticated envelope, if it is one at all.

    For texts that are not in memory; what is between, which must be base64, is not looked at.

    Parameters
    ----------
    head, tail : str
        The first and last `EDGE` letters, or the whole text where it is shorter.
    """
    second, third = head.find(SEPARATOR, len(START)), tail.rfind(SEPARATOR)
    if not head.startswith(START) or second < 0 or third < 0:
        return False
    try:
        Header.decode(_decode(head[len(START) : second]))
        return len(_decode(tail[third + 1 :])) in RSA_BYTES
    except EncryptionError:
        return False
