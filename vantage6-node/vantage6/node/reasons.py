"""Why a container failed, in words for whoever asked for the run."""

import signal

from vantage6.node.rules import Limits
from vantage6.node.runner.interface import Ending
from vantage6.node.usage import in_words

_SIGNALLED = 128
_NOT_EXECUTABLE, _NOT_FOUND = 126, 127

# What programs say when they meet a limit, of which the engine itself knows nothing
_COMPLAINTS = (
    (
        ("resource temporarily unavailable", "can't start new thread", "cannot fork"),
        "it may have met the limit of {limits.pids} processes and threads",
    ),
    (
        ("no space left on device",),
        "it may have filled a folder in memory (/tmp, /var/tmp, /run, its home, /dev/shm), "
        "each of which holds {tmp}; /mnt/data and /mnt/tmp hold more",
    ),
    (
        ("file too large", "file size limit exceeded"),
        "a file may have no more than {disk}",
    ),
    (
        ("read-only file system",),
        "it can write to /mnt/data, /mnt/tmp, /tmp, /var/tmp, /run and its home only, and not "
        "to a database",
    ),
    (
        ("too many open files",),
        "it may have met the limit of open files",
    ),
)


def reason(ending: Ending, limits: Limits) -> str:
    """Why a container failed; what the engine knows, and what the last lines of its log hint at.

    Parameters
    ----------
    ending : Ending
    limits : Limits
        What the container was allowed to use.
    """
    if ending.out_of_memory:
        return f"The algorithm {_too_much_memory(limits)}"
    code = f"The algorithm ended with exit code {ending.exit_code}{_meaning(ending.exit_code)}"
    return "; ".join([code, *_hints(ending.log.lower(), limits)])


def remark(ending: Ending, limits: Limits) -> str:
    """What is worth knowing of a container that did not fail; mostly nothing."""
    if ending.out_of_memory:
        return f"A process of the algorithm {_too_much_memory(limits)}"
    return ""


def _too_much_memory(limits: Limits) -> str:
    return (
        f"needed more than the {in_words(limits.memory)} of memory that this node allows, and "
        "was stopped"
    )


def _meaning(exit_code: int) -> str:
    """What an exit code says by itself."""
    if exit_code in (_NOT_EXECUTABLE, _NOT_FOUND):
        return " (its command cannot be run)"
    try:
        return f" ({signal.Signals(exit_code - _SIGNALLED).name})"
    except ValueError:
        return ""


def _hints(log: str, limits: Limits) -> list[str]:
    """Which limits a log complains about."""
    sizes = {"tmp": in_words(limits.tmp), "disk": in_words(limits.disk)}
    return [
        hint.format(limits=limits, **sizes)
        for complaints, hint in _COMPLAINTS
        if any(complaint in log for complaint in complaints)
    ]
