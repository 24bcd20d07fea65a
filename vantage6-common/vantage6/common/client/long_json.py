"""JSON with long texts in it, read while it comes in."""

import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

#: Bytes from which a text is kept apart.
LONG = 2**16
_KEY = re.compile(rb'("[^"\\]*")\s*:\s*$')
_KEY_BYTES = 100

#: From keys to how texts begin that are kept all the same; "" for none.
Omit = Mapping[str, str]
NOTHING: Omit = {}


class LongJson:
    """Takes in JSON piece by piece and keeps long texts out of what is parsed.

    So a text is there once as bytes and then once as text, whatever else there is, and what
    nobody asked for is not kept at all.

    Parameters
    ----------
    omit : mapping
        Keys whose long texts are not kept, None stands in their place; and how texts begin that
        are kept all the same.
    """

    def __init__(self, omit: Omit = NOTHING) -> None:
        self._omit = {f'"{key}"'.encode(): start.encode() for key, start in omit.items()}
        # Nobody can guess it, so no text of the value is taken for one that was kept apart.
        self._mark = secrets.token_hex(16)
        self._rest = bytearray()
        self._texts: list[bytearray | None] = []
        self._text: bytearray | None = None
        self._is_plain = self._is_kept = True
        self._is_escaped = False

    def feed(self, piece: bytes) -> None:
        """Take in what comes next."""
        at = 0
        while at < len(piece):
            at = self._outside(piece, at) if self._text is None else self._inside(piece, at)

    def value(self) -> Any:
        """What came in.

        Raises
        ------
        ValueError
            When it is not JSON.
        """
        if self._text is not None:
            raise ValueError("The JSON ends within a text")
        try:
            value = json.loads(self._rest)
            self._rest.clear()
            return self._filled(value)
        except RecursionError as error:
            raise ValueError("The JSON is nested too deeply") from error

    def _outside(self, piece: bytes, at: int) -> int:
        """Go on to the next text; gives where that is."""
        quote = piece.find(b'"', at)
        if quote < 0:
            self._rest += piece[at:]
            return len(piece)
        self._rest += piece[at:quote]
        self._text, self._is_plain, self._is_kept = bytearray(), True, True
        return quote + 1

    def _inside(self, piece: bytes, at: int) -> int:
        """Go on to the end of a text; gives where that is."""
        begin = at
        if self._is_escaped:
            self._is_escaped = False
            at += 1
        quote = piece.find(b'"', at)
        # Each is looked for once, so that a text of nothing but backslashes takes no longer.
        while (backslash := piece.find(b"\\", at, quote if quote >= 0 else len(piece))) >= 0:
            self._is_plain = False
            at = backslash + 2
            if quote >= 0 and quote < at:
                quote = piece.find(b'"', at)
        if quote >= 0:
            self._keep(piece[begin:quote])
            self._end_text()
            return quote + 1
        self._is_escaped = at > len(piece)
        self._keep(piece[begin:])
        return len(piece)

    def _keep(self, part: bytes) -> None:
        assert self._text is not None
        if not self._is_kept:
            return
        self._text += part
        if len(self._text) > LONG and self._omit and self._is_omitted():
            self._is_kept = False

    def _is_omitted(self) -> bool:
        """Whether nobody needs the text: what its key is, and how it begins."""
        assert self._text is not None
        found = _KEY.search(self._rest[-_KEY_BYTES:])
        if found is None or found.group(1) not in self._omit:
            return False
        start = self._omit[found.group(1)]
        return not start or not self._text.startswith(start)

    def _end_text(self) -> None:
        text, self._text = self._text, None
        assert text is not None
        if not self._is_kept:
            self._put_aside(None)
        elif self._is_plain and len(text) > LONG:
            self._put_aside(text)
        else:
            self._rest += b'"' + text + b'"'

    def _put_aside(self, text: bytearray | None) -> None:
        self._rest += f'"{self._mark}{len(self._texts)}"'.encode()
        self._texts.append(text)

    def _filled(self, value: Any) -> Any:
        """The value with its long texts."""
        if isinstance(value, dict):
            return {self._filled(key): self._filled(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, str) and value.startswith(self._mark):
            return self._taken(int(value.removeprefix(self._mark)))
        return value

    def _taken(self, index: int) -> str | None:
        text, self._texts[index] = self._texts[index], None
        return None if text is None else text.decode()
