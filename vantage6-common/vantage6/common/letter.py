"""A payload that comes out of the payload store, of which nobody knows yet what is in it."""

import re
from io import BytesIO

from vantage6.common.authenticated import EnvelopeStream
from vantage6.common.encryption import decoded
from vantage6.common.envelope.conversion import as_binary
from vantage6.common.envelope.streams import Peekable, Readable, Writable
from vantage6.common.envelope.text import START
from vantage6.common.exceptions import EncryptionError
from vantage6.common.sealed import BINARY

_LOOKED_AT = 2**16
# How both envelopes begin as text.
_ENVELOPE = re.compile(rb"[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+\$")


class Letter:
    """A payload as it comes in.

    Parameters
    ----------
    source : Readable
    form : {"text", "binary"}
        As the server says.

    Attributes
    ----------
    source : Readable
    """

    def __init__(self, source: Readable, form: str) -> None:
        self.source, self._form = Peekable(source), form

    def envelope(self) -> EnvelopeStream | None:
        """Its authenticated envelope, in whichever form; None where it is in no such.

        Raises
        ------
        EncryptionError
            When it says that it is one, and is not.
        """
        if self._form == BINARY:
            return EnvelopeStream(self.source)
        if self.source.peek(len(START)) == START.encode():
            return EnvelopeStream(as_binary(self.source))
        return None

    def open_plain(self, target: Writable) -> None:
        """Write what was sent without encryption.

        Scripts may have sent plain JSON instead of base64, which stays as it is.

        Raises
        ------
        EncryptionError
            When it is encrypted, or is base64 at its beginning only.
        """
        start = self.source.peek(_LOOKED_AT)
        if self._form == BINARY or _ENVELOPE.match(start):
            raise EncryptionError("The payload is encrypted, but encryption is not set up here")
        if _is_base64(start):
            for piece in decoded(self.source):
                target.write(piece)
            return
        while piece := self.source.read(2**20):
            target.write(piece)


def _is_base64(start: bytes) -> bool:
    try:
        list(decoded(BytesIO(start[: len(start) // 4 * 4])))
    except EncryptionError:
        return False
    return True
