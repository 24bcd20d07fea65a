"""Bodies of calls that are too large to be held twice."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_PIECE = 2**20

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
        Its letters, none of which JSON writes in another way: base64, and what joins it.
    """

    def __init__(self, values: Mapping[str, Any], name: str, text: Letters) -> None:
        others = {key: value for key, value in values.items() if key != name}
        # The text is the last value: in its place there are its empty quotes.
        self._head = json.dumps({**others, name: ""}).removesuffix('"}').encode()
        self._text = memoryview(text)
        self._size = sum(map(len, self))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        yield self._head
        for start in range(0, len(self._text), _PIECE):
            yield bytes(self._text[start : start + _PIECE])
        yield b'"}'
