"""`make bench`: how much the federation adds to what the containers alone need.

Each repetition measures a task and, right after it, the same containers without server, node
or encryption: that is the physical limit of this machine in that minute. Only the ratio of the
two says something on a machine that others use too.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from development import average, federation
from development.average import BareRun
from development.console import main
from development.demo import prepare
from development.federation import Federation

REPETITIONS = 20
GOAL = 1.6

console = Console(highlight=False)


def bench() -> None:
    """Measure both kinds of task and print the figures; the last line is one JSON object."""
    image = prepare()
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name:
        folder = Path(name)
        hospitals = average.hospitals(folder / "data")
        bare = [
            BareRun(image, hospital.database, folder / "bare" / hospital.name)
            for hospital in hospitals
        ]
        with federation.running(Federation(folder / "f", hospitals, [f"^{image}$"])) as members:
            client = members.client()
            partial = average.question(client, image, average.partial_input())
            central = average.question(client, image, average.central_input())
            figures = {
                "single partial": compare(partial, bare[0].run),
                "central + 3 partials": compare(central, lambda: one_then_three(bare)),
            }
    show(figures)
    print(json.dumps(figures))


def one_then_three(bare: list[BareRun]) -> None:
    """The containers of a central task: one, and then three at the same time."""
    bare[0].run()
    for run, process in [(run, run.start()) for run in bare]:
        run.finish(process)


def compare(measured: Callable[[], Any], limit: Callable[[], Any]) -> dict[str, Any]:
    """Seconds of both, in turn, after one round that is not counted."""
    pairs = [(seconds(measured), seconds(limit)) for _ in track(range(REPETITIONS + 1), "")][1:]
    ours, theirs = (sorted(column) for column in zip(*pairs, strict=True))
    return {
        "task": {"median": statistics.median(ours), "p95": percentile(ours, 95)},
        "limit": {"median": statistics.median(theirs), "p95": percentile(theirs, 95)},
        "ratio": {
            "median": statistics.median(ours) / statistics.median(theirs),
            "p95": percentile(ours, 95) / percentile(theirs, 95),
        },
        "repetitions": REPETITIONS,
    }


def percentile(values: list[float], percent: int) -> float:
    """The smallest value that at least so many percent of the sorted values do not exceed."""
    return values[-(-len(values) * percent // 100) - 1]


def seconds(action: Callable[[], Any]) -> float:
    """How long a call takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def show(figures: dict[str, Any]) -> None:
    """Print the figures as a table."""
    title = f"Seconds from create to the decrypted result, {REPETITIONS} repetitions"
    table = Table(title=title, title_justify="left")
    for column in ("", "task: median", "p95", "containers alone: median", "p95", "ratio", "goal"):
        table.add_column(column, justify="left" if not column else "right")
    for name, figure in figures.items():
        cells = [figure[of][which] for of in ("task", "limit") for which in ("median", "p95")]
        ratio = f"{figure['ratio']['median']:.2f}"
        table.add_row(name, *(f"{cell:.2f}" for cell in cells), ratio, f"≤ {GOAL}")
    console.print(table)


if __name__ == "__main__":
    main(bench)
