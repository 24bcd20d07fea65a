"""Work outside Python that takes a while, done without stopping the others who are served.

In the process that serves, everybody is a greenlet in one thread. What computes or waits in a
library of C would stop them all, so it is done in a thread of its own. In all other processes
it is just called.
"""

import sys
from collections.abc import Callable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Pending(Protocol[T_co]):
    """Something that was begun."""

    def get(self) -> T_co:
        """Wait for what it returns or raises."""

    def wait(self) -> object:
        """Wait until it is over, however it ends."""


class Aside:
    """A few threads for one kind of work.

    Parameters
    ----------
    threads : int
        How much of it may go on at the same time.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool: Any = None

    def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call something there, and wait for what it returns or raises."""
        if not _are_greenlets():
            return call(*args, **kwargs)
        answer: T = self._threads_of_its_own().apply(call, args, kwargs)
        return answer

    def start(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Pending[T]:
        """Begin something there, and go on; where there are no greenlets it is done at once.

        Waits for its turn where all the threads are at work.
        """
        if not _are_greenlets():
            return _Done(call, *args, **kwargs)
        return _Begun(self._threads_of_its_own().spawn(_Done, call, *args, **kwargs))

    def _threads_of_its_own(self) -> Any:
        if self._pool is None:
            from gevent.threadpool import ThreadPool

            self._pool = ThreadPool(self._threads)
        return self._pool


class _Begun(Generic[T]):
    """What is called in a thread, which would else write errors into the log that we expect."""

    def __init__(self, done: Pending["_Done[T]"]) -> None:
        self._done = done

    def get(self) -> T:
        """Wait for what it returns or raises."""
        return self._done.get().get()

    def wait(self) -> None:
        """Wait until it is over."""
        self._done.wait()


class _Done(Generic[T]):
    """What was called, and has ended."""

    def __init__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> None:
        self._error: Exception | None = None
        try:
            self._value = call(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - raised where it is waited for
            self._error = error

    def get(self) -> T:
        """What it returned or raised."""
        if self._error is not None:
            raise self._error
        return self._value

    def wait(self) -> None:
        """It is over."""


def _are_greenlets() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")
