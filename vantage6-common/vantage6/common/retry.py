"""How long to wait before trying again, and until when."""

import random
import time
from collections.abc import Callable


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
        # That of the module, since one of its own costs more than most of what needs no pause.
        self._uniform = (random_ or random).uniform
        self._next = first

    def pause(self) -> float:
        """The next pause in seconds; each call lengthens the one after it."""
        pause = self._next
        self._next = min(self._next * self._factor, self._limit)
        return pause * (1 + self._jitter * self._uniform(-1, 1))

    def reset(self) -> None:
        """Begin again with the first pause: it worked."""
        self._next = self._first


class Patience:
    """Trying again until it is too late: pauses that grow, and an end.

    Parameters
    ----------
    seconds : float
        From now on.
    first, limit : float
        The first pause and the longest one, as those of `Backoff`.
    sleep : callable, optional
        Waits in place of `time.sleep`; when it returns something true, it is over at once.
    """

    def __init__(
        self,
        seconds: float,
        *,
        first: float = 0.5,
        limit: float = 60.0,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self._seconds, self._sleep = seconds, sleep
        self._pauses = Backoff(first, limit=limit)
        self._end = time.monotonic() + seconds

    def wait(self, announce: Callable[[float], object] = lambda pause: None) -> bool:
        """Wait before another attempt; False, and at once, when that would come too late.

        Parameters
        ----------
        announce : callable
            Told the pause in seconds before it begins.
        """
        pause = self._pauses.pause()
        if time.monotonic() + pause > self._end:
            return False
        announce(pause)
        return not (self._sleep or time.sleep)(pause)

    def renew(self) -> None:
        """Begin again with the whole time and the first pause: something worked."""
        self._pauses.reset()
        self._end = time.monotonic() + self._seconds
