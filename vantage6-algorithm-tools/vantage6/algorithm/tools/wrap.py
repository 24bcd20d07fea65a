"""The entry of containers of the 4.x line."""

import os

from vantage6.tools.exceptions import MethodNotFound
from vantage6.tools.wrapper import auto_wrapper

__all__ = ["wrap_algorithm"]


def wrap_algorithm(log_traceback: bool = False) -> None:
    """Run the algorithm that the variable `PKG_NAME` of the image names.

    Raises
    ------
    SystemExit
        As of `vantage6.tools.docker_wrapper`, and when the image names no algorithm.
    """
    module = os.environ.get("PKG_NAME")
    if not module:
        print("error > The image does not name its algorithm: PKG_NAME is not set", flush=True)
        raise SystemExit(MethodNotFound.exit_code)
    auto_wrapper(module, log_traceback=log_traceback)
