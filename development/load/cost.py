"""What a server pays: time of processors and memory, of its own processes alone."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import psutil

_KILOBYTE = 1024


def _family(pid: int) -> list[psutil.Process]:
    main = psutil.Process(pid)
    return [main, *main.children(recursive=True)]


def processor_seconds(*pids: int) -> float:
    """User and system time of processes and their children, since they began."""
    total = 0.0
    for pid in pids:
        for process in _family(pid):
            with suppress(psutil.NoSuchProcess):
                total += sum(process.cpu_times()[:2])
    return total


def kilobytes(*pids: int) -> float:
    """Memory of processes and their children; what they share is counted once (PSS)."""
    total = 0.0
    for pid in pids:
        for process in _family(pid):
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss / _KILOBYTE
    return total


@dataclass
class Spent:
    """Processor time of a server within a `with` statement.

    Attributes
    ----------
    seconds : float
        Known at the end.
    """

    seconds: float = field(default=0.0)


@contextmanager
def spending(*pids: int) -> Iterator[Spent]:
    """Count the processor time of servers meanwhile; precise to a hundredth of a second."""
    spent, before = Spent(), processor_seconds(*pids)
    yield spent
    spent.seconds = processor_seconds(*pids) - before
