"""Who wants to know how far a large call is."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

from vantage6.common.client.large import Body

Step = Callable[[int], None]


class Meter:
    """Is told of every call with a large body, and of every answer; this one shows nothing."""

    def sending(self, size: int) -> AbstractContextManager[Step]:
        """While a body of so many bytes is sent; the step is told of each piece."""
        return nullcontext(_pass)

    def receiving(self, size: int | None) -> AbstractContextManager[Step]:
        """While an answer comes in, of so many bytes where that is known."""
        return nullcontext(_pass)


class Metered:
    """A body that tells how far it is sent.

    Parameters
    ----------
    body : LargeJson or LongTexts
    step : callable
        Told how many bytes each piece has, once it has been sent.
    """

    def __init__(self, body: Body, step: Step) -> None:
        self._body, self._step = body, step

    def __len__(self) -> int:
        return len(self._body)

    def __iter__(self) -> Iterator[bytes | memoryview]:
        for piece in self._body:
            yield piece
            self._step(len(piece))


def _pass(_: int) -> None:
    """Nobody wants to know."""
