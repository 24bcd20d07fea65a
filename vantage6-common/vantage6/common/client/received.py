"""Answers that are read as they come in, since they may be large."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from vantage6.common.client.long_json import LongJson, Omit

#: Bytes from which an answer is large.
LARGE = 2**20


class Received:
    """An answer of the server, read to its end.

    Parameters
    ----------
    status_code : int
    pieces : iterable of bytes
        Its body.
    omit : mapping
        Which long texts are not kept; see `LongJson`.
    step : callable
        Told how many bytes each piece has.

    Attributes
    ----------
    content : bytes
        The body; of a large one only the beginning.
    """

    def __init__(
        self,
        status_code: int,
        pieces: Iterable[bytes],
        omit: Omit,
        step: Callable[[int], None],
    ) -> None:
        self.status_code = status_code
        self._long: LongJson | None = None
        small = bytearray()
        for piece in pieces:
            step(len(piece))
            if self._long:
                self._long.feed(piece)
                continue
            small += piece
            if len(small) > LARGE:
                self._long = LongJson(omit)
                self._long.feed(bytes(small))
        self.content = bytes(small[:LARGE])

    @property
    def text(self) -> str:
        """The body as text; of a large one only the beginning."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """The body as a value, to be asked for once; ValueError where it is not JSON."""
        return self._long.value() if self._long else json.loads(self.content)
