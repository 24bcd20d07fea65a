"""Messages for the log of a run, at their place of the 4.x line."""

import os

from vantage6.tools.util import error, info, warn

__all__ = ["error", "get_env_var", "info", "warn"]


def get_env_var(var_name: str, default: str | None = None) -> str | None:
    """A variable that the node set."""
    return os.environ.get(var_name, default)
