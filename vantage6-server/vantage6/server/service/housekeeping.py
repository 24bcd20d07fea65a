"""What the server does by itself from time to time, beside the requests.

Every process that serves does all of it. So each duty must be harmless where another process does
the same at the same time: it locks what it changes, and passes over what others have locked.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.5

Duty = Callable[[], object]


@dataclass
class _Entry:
    name: str
    seconds: float
    duty: Duty
    due: float


class Housekeeping:
    """Duties that come back, done one after another in a thread of their own.

    One per application, in `app.extensions["housekeeping"]`.
    """

    def __init__(self) -> None:
        self._entries: list[_Entry] = []
        self._stopping = threading.Event()

    def every(self, seconds: float, name: str, duty: Duty) -> None:
        """Do something every so many seconds, at first after as many; before `start` only."""
        self._entries.append(_Entry(name, seconds, duty, time.monotonic() + seconds))

    def start(self) -> None:
        """Begin, in a thread that ends with `close`."""
        threading.Thread(target=self._work, name="housekeeping", daemon=True).start()

    def close(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def do(self, now: float) -> None:
        """Do what is due at a moment of the monotonic clock.

        What fails is logged and due again as usual: nobody waits for it, and one that fails must
        not keep the others from being done.
        """
        for entry in self._entries:
            if entry.due > now or self._stopping.is_set():
                continue
            entry.due = now + entry.seconds
            try:
                entry.duty()
            except Exception:
                log.exception("Housekeeping: %s failed", entry.name)

    def _work(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            self.do(time.monotonic())
