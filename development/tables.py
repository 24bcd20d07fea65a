"""Tables of figures: on the terminal, and as CSV beside the page that says what they mean."""

import csv
from collections.abc import Collection, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

console = Console(highlight=False)

Cells = Sequence[str]


def show(title: str, header: Cells, rows: Sequence[Cells], texts: Collection[str]) -> None:
    """Print a table.

    Parameters
    ----------
    title : str
    header : sequence of str
    rows : sequence of sequence of str
    texts : collection of str
        The columns that are no figures.
    """
    table = Table(title=title, title_justify="left")
    for column in header:
        table.add_column(column, justify="left" if column in texts else "right")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def write(path: Path, header: Cells, rows: Sequence[Cells]) -> None:
    """Write a table as CSV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
