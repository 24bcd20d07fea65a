"""Waits for an image, which a run that is killed need not see the end of."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from vantage6.common.exceptions import Vantage6Error

Found = TypeVar("Found")


class Abandoned(Vantage6Error):
    """The run that waited is not wanted any more."""


class Fetching:
    """Waits for images, each for one run.

    A wait that is abandoned ends at once. What it was about goes on in a thread of its own: the
    engine cannot be told to stop, and the next run may need the image.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waits: dict[int, Future[None]] = {}
        self._abandoned: set[int] = set()

    def wait(self, result_id: int, fetch: Callable[[], Found]) -> Found:
        """What `fetch` returns, or raises.

        Raises
        ------
        Abandoned
            When it took longer than the run is wanted.
        """
        found: Future[Found] = Future()
        ended: Future[None] = Future()
        with self._lock:
            if result_id in self._abandoned:
                raise Abandoned("The run is not wanted any more")
            self._waits[result_id] = ended

        def work() -> None:
            try:
                found.set_result(fetch())
            except BaseException as error:  # noqa: BLE001 - raised where it is waited for
                found.set_exception(error)
            self._end(ended)

        threading.Thread(target=work, name=f"image-{result_id}", daemon=True).start()
        ended.result()
        if not found.done():
            raise Abandoned("The run is not wanted any more")
        return found.result()

    def abandon(self, result_id: int) -> None:
        """End the wait of a run, or the one that it is about to begin."""
        with self._lock:
            self._abandoned.add(result_id)
            ended = self._waits.get(result_id)
        if ended is not None:
            self._end(ended)

    def forget(self, result_id: int) -> None:
        """The start of the run is over."""
        with self._lock:
            self._waits.pop(result_id, None)
            self._abandoned.discard(result_id)

    def _end(self, ended: "Future[None]") -> None:
        with self._lock:
            if not ended.done():
                ended.set_result(None)
