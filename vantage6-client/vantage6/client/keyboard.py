"""Single keys of a terminal, while one waits."""

import os
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, Self

try:
    import termios
    import tty
except ImportError:  # there are no such terminals on this system
    HAS_TERMINALS = False
else:
    HAS_TERMINALS = True

# Before it is looked again whether the terminal is ours
_ELSEWHERE_SECONDS = 0.5


class Keyboard:
    """Calls back with each key that is pressed; the terminal is as before in the end.

    Nothing is read where standard input is no terminal, or is that of another program: one in
    the background does not take the keys of the one in front of it.

    Parameters
    ----------
    press : callable
        Called with the letter, on a thread of its own.
    enabled : bool
        Whether to read keys at all.
    """

    def __init__(self, press: Callable[[str], None], *, enabled: bool = True) -> None:
        self._press, self._enabled = press, enabled
        self._terminal: int | None = None
        self._before: list[Any] = []
        self._thread: threading.Thread | None = None

    @property
    def is_read(self) -> bool:
        """Whether keys are taken in."""
        return self._terminal is not None

    def __enter__(self) -> Self:
        terminal = _terminal() if self._enabled else None
        if terminal is not None:
            self._before = termios.tcgetattr(terminal)
            self._wake, self._woken = os.pipe()
            self._terminal = terminal
            try:
                # Ctrl-C still interrupts in this mode.
                tty.setcbreak(terminal, termios.TCSANOW)
                self._thread = threading.Thread(target=self._read, name="task-keys", daemon=True)
                self._thread.start()
            except BaseException:
                self._close()
                raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._terminal is None:
            return
        terminal, self._terminal = self._terminal, None
        try:
            # Who is in the background would be stopped, and the terminal is another's then.
            if _is_ours(terminal):
                termios.tcsetattr(terminal, termios.TCSANOW, self._before)
        finally:
            os.close(self._woken)
            if self._thread and self._thread is not threading.current_thread():
                self._thread.join()
            os.close(self._wake)

    def _read(self) -> None:
        terminal = self._terminal
        while terminal is not None:
            # The other end of the pipe is closed in the end, which can be read at once.
            readable, _, _ = select.select([terminal, self._wake], [], [])
            if self._wake in readable:
                return
            if not _is_ours(terminal):
                if select.select([self._wake], [], [], _ELSEWHERE_SECONDS)[0]:
                    return
                continue
            letters = _letters(terminal)
            if not letters:
                return
            for letter in letters:
                self._press(letter)


def _terminal() -> int | None:
    """The terminal that standard input is, if it is one and ours to read."""
    if not HAS_TERMINALS:
        return None
    try:
        terminal = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None  # there is none, it is closed, or it is no file
    return terminal if os.isatty(terminal) and _is_ours(terminal) else None


def _is_ours(terminal: int) -> bool:
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return False


def _letters(terminal: int) -> str:
    try:
        return os.read(terminal, 64).decode(errors="replace")
    except OSError:
        return ""  # the terminal is gone
