"""Whether our collaboration still encrypts as this node does.

The collaboration can be changed while the node runs. Nothing may then be sent in plain that has
to be encrypted, and nothing be taken that was not meant for a node like this.
"""

import threading
import time
from collections.abc import Callable

from vantage6.common.exceptions import EncryptionError

# How old an answer of the server may be.
_SECONDS = 5.0


class Disagreement(EncryptionError):
    """Node and collaboration are of two minds about encryption."""


class Agreement:
    """Asks the server whether the collaboration is encrypted, but not for every payload.

    Parameters
    ----------
    ours : bool
        Whether this node encrypts.
    ask : callable
        Asks the server.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        ours: bool,
        ask: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ours, self._ask, self._clock = ours, ask, clock
        self._lock = threading.Lock()
        self._theirs, self._until = ours, 0.0

    def check(self) -> None:
        """Raise Disagreement unless both encrypt, or both do not.

        Raises
        ------
        Disagreement
            With a text for the researcher.
        ServerError, ServerUnreachable
            When the server cannot be asked.
        """
        with self._lock:
            if self._clock() >= self._until:
                self._theirs = self._ask()
                self._until = self._clock() + _SECONDS
        if self._theirs != self._ours:
            theirs, ours = ("is", "does not") if self._theirs else ("is not", "does")
            raise Disagreement(
                f"The collaboration {theirs} encrypted, but this node {ours} encrypt: its owner "
                "and those who look after the collaboration have to agree first"
            )
