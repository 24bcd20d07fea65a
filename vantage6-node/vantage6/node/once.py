"""What several ask for at the same time is done once."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Any, TypeVar

T = TypeVar("T")


class Once:
    """Lets callers with the same key share one call, its answer and its errors.

    Only while it is under way: whoever comes later has it made anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[Any]] = {}

    def __call__(self, key: Hashable, work: Callable[[], T]) -> T:
        """What `work` returns or raises, or what another's that is under way does."""
        ours: Future[T] = Future()
        with self._lock:
            shared: Future[T] = self._under_way.setdefault(key, ours)
        if shared is ours:
            try:
                ours.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to all who ask
                ours.set_exception(error)
            finally:
                with self._lock:
                    del self._under_way[key]
        return shared.result()
