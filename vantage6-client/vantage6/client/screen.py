"""Where progress is shown, and what can be shown there."""

import sys
from enum import Enum
from typing import Any

from rich.console import Console


class Kind(Enum):
    """What a place can show."""

    TERMINAL = "a table that is drawn again and again"
    NOTEBOOK = "an output that is replaced"
    LINES = "one line after the other"


def standard_error() -> Console:
    """Standard error, so that the output of a script stays its own."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def kind_of(console: Console) -> Kind:
    """What can be shown on a console."""
    if notebook() is not None:
        return Kind.NOTEBOOK
    if console.is_terminal and not console.is_dumb_terminal:
        return Kind.TERMINAL
    return Kind.LINES


def notebook() -> Any:
    """The shell of the notebook that we run in; None elsewhere."""
    # Whoever runs in one has imported it.
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell if getattr(shell, "kernel", None) is not None else None
