"""Readers of databases, one kind a file; each imports its library when it is called."""

from importlib import import_module
from typing import Any


def read(kind: str, database_uri: str, input_data: dict[str, Any]) -> Any:
    """What is in a database.

    Parameters
    ----------
    kind : str
        One of `vantage6.tools.readers.choice`, never a word of the input.
    database_uri : str
        Its path or address.
    input_data : dict
        The input of the run, which can hold a `query` and the like.
    """
    return import_module(f"{__name__}.{kind}").read(database_uri, input_data)
