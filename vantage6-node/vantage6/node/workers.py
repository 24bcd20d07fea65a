"""Threads that do work and end with the process, whatever they are waiting for."""

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

Result = TypeVar("Result")

log = logging.getLogger(__name__)


class Workers(Protocol):
    """Where work is handed to; tests do it at once, without threads."""

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Have the work done some time soon."""
        ...

    def stop(self, grace: float) -> None:
        """Begin nothing new, and give what has begun some seconds to end."""
        ...


class ThreadWorkers:
    """A fixed number of threads that take work from one queue.

    Unlike the pool of the standard library these threads never hold up the end of the
    process: an image that takes minutes to fetch must not keep a node from stopping.
    """

    def __init__(self, name: str, number: int) -> None:
        self._work: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{name}-{index}", daemon=True)
            for index in range(number)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], Result]) -> "Future[Result]":
        """Have the work done by the next thread that is free."""
        future: Future[Result] = Future()

        def perform() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(work())
            except BaseException as error:  # noqa: BLE001 - handed to whoever asks the future
                future.set_exception(error)

        self._work.put(perform)
        return future

    def stop(self, grace: float) -> None:
        """Begin nothing new, and give what has begun some seconds to end."""
        self._stopping.set()
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(grace / len(self._threads))
        late = [thread.name for thread in self._threads if thread.is_alive()]
        if late:
            log.warning("Left behind unfinished: %s", ", ".join(late))

    def _serve(self) -> None:
        while (perform := self._work.get()) is not None:
            if not self._stopping.is_set():
                perform()
            # Not until the next work comes: it may hold all of a large payload.
            del perform
