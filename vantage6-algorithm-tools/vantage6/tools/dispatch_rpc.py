"""The classic entry to the dispatch, for wrappers that others wrote."""

import sys
from typing import Any

from vantage6.tools.dispatch import call_function, container_client, find_call
from vantage6.tools.exceptions import AlgorithmError
from vantage6.tools.util import warn

__all__ = ["dispact_rpc", "dispatch_rpc"]


def dispatch_rpc(data: Any, input_data: dict[str, Any], module: str, token: str) -> Any:
    """Call the function that an input asks for and return its answer.

    Parameters
    ----------
    data : object
        What the function gets as its data.
    input_data : dict
        `method`, and where needed `master`, `args`, `kwargs`.
    module : str
        Import name of the algorithm.
    token : str
        The container token, for central functions.

    Raises
    ------
    SystemExit
        With status 1, as ever, after a line on the reason, when there is no such function
        or it failed.
    """
    try:
        call = find_call(module, input_data)
        return call_function(call, data, container_client(token) if call.needs_client else None)
    except AlgorithmError as error:
        warn(str(error))
        sys.exit(1)


# The name of the 2.x line, misspelt as it was; published algorithms import it.
dispact_rpc = dispatch_rpc
