"""Commands in a terminal, as somebody has them who sits there."""

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pexpect

# Rows and columns; enough for no table to be folded.
_SIZE = (50, 200)


def spawn(
    command: str | Path,
    words: Sequence[str],
    *,
    seconds: float,
    variables: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> "pexpect.spawn[str]":
    """Run a command in a terminal of its own.

    Parameters
    ----------
    command : str or Path
    words : sequence of str
        Its arguments.
    seconds : float
        How long each expectation may take.
    variables : mapping, optional
        All of its environment; without it, ours.
    folder : Path, optional
        Where it runs.
    """
    return pexpect.spawn(
        str(command),
        list(words),
        env=variables,
        cwd=folder and str(folder),
        encoding="utf-8",
        timeout=seconds,
        dimensions=_SIZE,
        preexec_fn=_hear_all,
    )


def _hear_all() -> None:
    """Be ended by the keys of the terminal, also where whoever started us ignores them."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
