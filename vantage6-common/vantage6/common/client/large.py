"""Bodies of calls that are too large to be held twice."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE = 2**20
# What JSON writes as it is: base64, and what joins the parts of an envelope.
_PLAIN = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=$"
_END = b'"}'

Letters = bytes | bytearray


class LargeJson:
    """A JSON object with one long text, written out piece by piece while it is sent.

    Parameters
    ----------
    values : mapping
        All but the text.
    name : str
        The key of the text.
    text : bytes
        Its letters: base64, and `$`.

    Raises
    ------
    ValueError
        When JSON would write a letter of the text in another way.
    """

    def __init__(self, values: Mapping[str, Any], name: str, text: Letters) -> None:
        others = {key: value for key, value in values.items() if key != name}
        # The text is the last value: in its place there are its empty quotes.
        self._head = json.dumps({**others, name: ""}).encode().removesuffix(_END)
        self._text = memoryview(text)
        if any(piece.translate(None, _PLAIN) for piece in self._pieces()):
            raise ValueError("The text has letters that are neither base64 nor `$`")

    def __len__(self) -> int:
        return len(self._head) + len(self._text) + len(_END)

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        yield from self._pieces()
        yield _END

    def _pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self._text), _PIECE):
            yield bytes(self._text[start : start + _PIECE])
