"""Bodies of calls that are too large to be held twice."""

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from vantage6.common.long_text import LongText
from vantage6.common.sources import Part
from vantage6.common.summed import Sums, summed_length

_PIECE = 2**20
_SENT_TOGETHER = 2**18
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


class LongTexts:
    """A JSON value with long texts in it, which are made while it is sent.

    Parameters
    ----------
    value : object
        Plain values, and `LongText` in the place of some texts.
    """

    def __init__(self, value: Any) -> None:
        # Nobody can guess it, so no text of the value is taken for one that was put aside.
        mark = secrets.token_hex(16)
        self._texts: list[LongText] = []

        def put_aside(item: Any) -> str:
            if not isinstance(item, LongText):
                raise TypeError(f"A value of type {type(item).__name__} cannot be sent as JSON")
            self._texts.append(item)
            return mark

        self._between = json.dumps(value, default=put_aside).encode().split(mark.encode())

    @property
    def is_plain(self) -> bool:
        """Whether there is no such text in it."""
        return not self._texts

    def __len__(self) -> int:
        return sum(map(len, self._between)) + sum(map(len, self._texts))

    def __iter__(self) -> Iterator[bytes]:
        yield self._between[0]
        for text, after in zip(self._texts, self._between[1:], strict=True):
            yield from text
            yield after


class SummedBody:
    """The rest of a payload, with sums in it, made while it is sent.

    Parameters
    ----------
    pieces : callable
        Begins to give the bytes.
    length : int
        How many there are.
    step : callable
        Told how many bytes were sent, a few at a time: the call itself shows nothing.
    """

    def __init__(
        self, pieces: Callable[[], Iterator[Part]], length: int, step: Callable[[int], None]
    ) -> None:
        self._pieces, self._length, self._step = pieces, length, step

    def __len__(self) -> int:
        return summed_length(self._length)

    def __iter__(self) -> Iterator[Part]:
        sums = Sums()
        for piece in self._pieces():
            for part in sums.add(piece):
                # On a slow line each has to get through within the time that a call may take.
                for start in range(0, len(part), _SENT_TOGETHER):
                    yield part[start : start + _SENT_TOGETHER]
            self._step(len(piece))
        yield from sums.end()


Body = LargeJson | LongTexts | SummedBody


def body_of(value: Any) -> Body | None:
    """What a value is sent as when it is large; None where it is sent as any other."""
    if isinstance(value, LargeJson | SummedBody):
        return value
    return LongTexts(value) if _has_long_text(value) else None


def _has_long_text(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_long_text, value.values()))
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return any(map(_has_long_text, value))
    return isinstance(value, LongText)
