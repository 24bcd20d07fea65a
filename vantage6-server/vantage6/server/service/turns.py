"""How much of the server one caller may keep busy: every request that waits costs memory."""

import threading
from collections import Counter
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from vantage6.server.exceptions import TooManyRequests
from vantage6.server.permission.identity import Identity

REQUESTS_AT_ONCE = 100

Caller = tuple[str, int]


class Turns:
    """The requests that are being answered, per user, node or run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._busy: Counter[Caller] = Counter()

    @contextmanager
    def take(self, identity: Identity) -> Iterator[None]:
        """Answer a request meanwhile.

        Raises
        ------
        TooManyRequests
            When the caller has too many of them going on already.
        """
        # Containers of a node have its id, but each run is on its own.
        caller = (identity.kind.value, identity.run.result_id if identity.run else identity.id)
        with self._lock:
            if self._busy[caller] >= REQUESTS_AT_ONCE:
                raise TooManyRequests(
                    f"You have {REQUESTS_AT_ONCE} requests going on already",
                    headers={"Retry-After": "1"},
                )
            self._busy[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._busy[caller] -= 1
                if not self._busy[caller]:
                    del self._busy[caller]


class Lines:
    """Lines in which one after another does something, each of its own name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turns: dict[Hashable, threading.Lock] = {}
        self._waiting: Counter[Hashable] = Counter()

    @contextmanager
    def turn(self, name: Hashable) -> Iterator[None]:
        """Wait in a line, and be its first meanwhile."""
        with self._lock:
            turn = self._turns.setdefault(name, threading.Lock())
            self._waiting[name] += 1
        try:
            with turn:
                yield
        finally:
            with self._lock:
                self._waiting[name] -= 1
                if not self._waiting[name]:
                    del self._waiting[name], self._turns[name]
