"""What functions of the 4.x line say of themselves: that they get a client, or data.

Such functions are called by their plain names, federated ones too. Whoever calls one, the wrapper
or a test, hands in what was asked for as `mock_client` and `mock_data`.

Examples
--------
>>> @data(1)
... @algorithm_client
... def central(client, table, column):
...     return client.wait_for_results(...)
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from vantage6.tools.exceptions import AlgorithmError, InputError
from vantage6.tools.functions import DECORATED, Wishes

__all__ = ["algorithm_client", "data"]

Function = Callable[..., Any]


def algorithm_client(function: Function) -> Function:
    """The function below gets a client as its first argument."""

    @wraps(function)
    def with_client(*args: Any, mock_client: Any = None, **kwargs: Any) -> Any:
        if mock_client is None:
            raise AlgorithmError(f"{function.__name__} is called without a client")
        return function(mock_client, *args, **kwargs)

    return _wish(with_client, client=True)


def data(number_of_databases: int = 1) -> Callable[[Function], Function]:
    """The function below gets the database of its task as its first argument.

    Parameters
    ----------
    number_of_databases : int
        A task names one database, so the wrapper hands in one; tests may hand in more.
    """

    def decorator(function: Function) -> Function:
        @wraps(function)
        def with_data(*args: Any, mock_data: Any = None, **kwargs: Any) -> Any:
            if mock_data is None or len(mock_data) != number_of_databases:
                raise InputError(
                    f"{function.__name__} works on {number_of_databases} databases, and the "
                    f"task has {len(mock_data or [])}"
                )
            return function(*mock_data, *args, **kwargs)

        return _wish(with_data, data=True)

    return decorator


def _wish(function: Function, **wishes: bool) -> Function:
    known: Wishes = getattr(function, DECORATED, Wishes())
    setattr(function, DECORATED, known._replace(**wishes))
    return function
