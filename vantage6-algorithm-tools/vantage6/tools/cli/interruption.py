"""Being told to stop: at once, but never between the start of a process and its record."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Turns the signals that end a command into KeyboardInterrupt, for a while."""

    def __init__(self) -> None:
        self._is_held = False
        self._is_pending = False

    @contextmanager
    def __call__(self) -> Iterator["Interruption"]:
        """Take the signals over."""
        before = {number: signal.signal(number, self._on_signal) for number in _ENDING}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Do something as a whole: who is told to stop meanwhile stops after it."""
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self._is_held:
            self._is_pending = True
        else:
            raise KeyboardInterrupt
