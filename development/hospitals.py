"""The three data owners of the demo and the tests, each with its part of a real data set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas

from development.cohorts import cut
from development.federation import Hospital

NAMES = ("north", "south", "harbour")


def with_parts_of(
    frame: pandas.DataFrame, folder: Path, node_config: Mapping[str, Any] | None = None
) -> list[Hospital]:
    """Cut a table unevenly into disjoint parts, one CSV file per hospital.

    Parameters
    ----------
    frame : DataFrame
    folder : Path
        Where the files go.
    node_config : mapping, optional
        Keys of the nodes' configuration that differ from the usual.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [
        Hospital(name, _write(part, folder / f"{name}.csv"), dict(node_config or {}))
        for name, part in zip(NAMES, cut(frame, len(NAMES)), strict=True)
    ]


def pooled(members: Sequence[Hospital]) -> pandas.DataFrame:
    """The rows of all hospitals in one table."""
    return pandas.concat([pandas.read_csv(member.database) for member in members])


def rows_of(members: Sequence[Hospital]) -> dict[str, int]:
    """How many rows each hospital has."""
    return {member.name: len(pandas.read_csv(member.database)) for member in members}


def _write(frame: pandas.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path
