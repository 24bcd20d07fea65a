"""Work outside Python that takes a while, done without stopping the others who are served.

In the process that serves, everybody is a greenlet in one thread. What computes or waits in a
library of C would stop them all, so it is done in a thread of its own. In all other processes
it is just called.
"""

import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


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
        if self._pool is None:
            from gevent.threadpool import ThreadPool

            self._pool = ThreadPool(self._threads)
        answer: T = self._pool.apply(call, args, kwargs)
        return answer


def _are_greenlets() -> bool:
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and monkey.is_module_patched("threading")
