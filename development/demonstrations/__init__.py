"""What `make demo ALGORITHM=...` shows of each shipped algorithm, one a file.

A file is named like the folder of its algorithm and holds one `DEMONSTRATION`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pandas

from development.algorithms import FOLDERS
from development.console import SetupError

Figures = dict[str, float]


@dataclass(frozen=True)
class Demonstration:
    """One question to an algorithm, and the same question to the data in one place.

    Attributes
    ----------
    title : str
        What is asked, as a heading.
    data : callable
        Gives the data of all sites in one table.
    method : str
        The central function that is called.
    kwargs : mapping
        What it gets.
    federated : callable
        Picks figures with their names out of the answer.
    pooled : callable
        The same figures from the table, by the program `peer`.
    peer : str
        Its name.
    tolerance : float
        How far the two may differ, relative where a figure is larger than 1.
    node_config : mapping
        Keys of the nodes' configuration that differ from the usual.
    partial : mapping
        The input of one partial, where the same container is to be timed without a federation.
    """

    title: str
    data: Callable[[], pandas.DataFrame]
    method: str
    kwargs: Mapping[str, Any]
    federated: Callable[[Any], Figures]
    pooled: Callable[[pandas.DataFrame], Figures]
    peer: str
    tolerance: float = 1e-8
    node_config: Mapping[str, Any] = field(default_factory=dict)
    partial: Mapping[str, Any] = field(default_factory=dict)

    @property
    def input(self) -> dict[str, Any]:
        """The input of the central task."""
        return {"master": True, "method": self.method, "kwargs": dict(self.kwargs)}


def demonstration(algorithm: str) -> Demonstration:
    """That of an algorithm, by the name of its folder.

    Raises
    ------
    SetupError
        When there is no such algorithm.
    """
    name = algorithm.replace("-", "_")
    if name not in FOLDERS:
        raise SetupError(f"there is no algorithm {algorithm!r}; there are {', '.join(FOLDERS)}")
    found: Demonstration = import_module(f"{__name__}.{name}").DEMONSTRATION
    return found
