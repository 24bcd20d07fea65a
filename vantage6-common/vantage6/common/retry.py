"""How long to wait before trying again."""

import random


class Backoff:
    """Pauses in seconds that grow up to a limit, with some chance in them.

    Parameters
    ----------
    first, factor, limit : float
        The first pause, what the next one is multiplied with, and the longest one.
    jitter : float
        The share of a pause that is left to chance, so that many nodes that lost the same
        server do not all come back in the same moment.
    """

    def __init__(
        self,
        first: float = 0.5,
        factor: float = 2.0,
        limit: float = 60.0,
        jitter: float = 0.2,
        random_: random.Random | None = None,
    ) -> None:
        self._first, self._factor, self._limit, self._jitter = first, factor, limit, jitter
        self._random = random_ or random.Random()
        self._next = first

    def pause(self) -> float:
        """The next pause in seconds; each call lengthens the one after it."""
        pause = self._next
        self._next = min(self._next * self._factor, self._limit)
        return pause * (1 + self._jitter * self._random.uniform(-1, 1))

    def reset(self) -> None:
        """Begin again with the first pause: it worked."""
        self._next = self._first
