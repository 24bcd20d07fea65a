"""`make bench`, the load: what many nodes and many clients cost the server.

Nodes and clients are simulated, the server is ours as an operator runs it, with PostgreSQL, and
where it can do the work at all the classic server 3.5.2 is beside it. What counts is the time of
processors and the memory of the server's processes; a clock says what this machine was busy with.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import yaml
from matplotlib.figure import Figure

from development import bench_world, postgres, replicas, tables
from development.bench_world import Server
from development.console import main, step
from development.install import ROOT
from development.load import scenes, world
from development.load.client import Client
from development.sockets_load import EACH, set_up

PAGES = ROOT / "docs" / "benchmarks"
HEADER = ["measure", "size", "unit", "goal", "ours", "peer"]
PARTS = ("nodes", "runs", "replicas", "waiting", "kill", "million")
MOST = 1_000_000
# The peer tries each key on every node there is, and tells every node of every task.
_PEER_NODES = 10
_RUN_NODES = 25
_KILL_TASKS = 10
_UNABLE = "-"


@dataclass(frozen=True)
class Effort:
    """How much is measured: sizes of curves, tasks of the other scenes, seconds of waiting."""

    sizes: tuple[int, ...]
    singles: int
    tasks: int
    clients: tuple[int, ...]
    seconds: float
    most: int


FULL = Effort((10, 100, 300, 1000), 100, 40, (100, 300, 1000), 30, MOST)
SHORT = Effort((10, 50), 10, 4, (50,), 5, 10_000)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes
    ----------
    measure, unit, goal : str
    size : int
        How many nodes, clients, or tasks in the database there were.
    ours : float
    peer : float, optional
        None where the peer cannot do the work.
    """

    measure: str
    size: int
    unit: str
    goal: str
    ours: float
    peer: float | None = None

    def cells(self) -> list[str]:
        """The line as text."""
        peer = _UNABLE if self.peer is None else f"{self.peer:.3g}"
        return [self.measure, str(self.size), self.unit, self.goal, f"{self.ours:.3g}", peer]


def bench() -> None:
    """Measure the parts that were asked for, print them, and write CSV and curves."""
    arguments = _arguments()
    effort = SHORT if arguments.short else FULL
    rows: list[Row] = []
    for part in arguments.parts or PARTS:
        rows += _PARTS[part](effort)
        # After each part: who stops it keeps what there is.
        tables.write(arguments.folder / "load.csv", HEADER, [row.cells() for row in rows])
        draw(rows, arguments.folder / "load.png")
    tables.show(
        "What many nodes and clients cost", HEADER, [row.cells() for row in rows], HEADER[:4]
    )


def of_nodes(effort: Effort) -> list[Row]:
    """Nodes that are connected, on one process."""
    rows = []
    for size in effort.sizes:
        with ours() as server, step(f"{size:,} nodes"):
            rows += rows_of_nodes(
                scenes.connected(server, world.make(server.uri, size), effort.singles), size
            )
    return rows


def rows_of_nodes(found: scenes.Connected, size: int) -> list[Row]:
    """The figures of connected nodes as lines."""
    return [
        Row("memory of the server for each node", size, "KB", "≤ 100", found.kilobytes_each),
        Row("a task for one node: in its hands, slowest", size, "s", "≤ 2", found.slowest_single),
        Row("a task for all nodes: in the hands of each", size, "s", "≤ 15", found.to_all),
        Row("all nodes back after a cut", size, "s", "≤ 30", found.storm),
        Row("processor of the server for one that comes back", size, "ms", "", found.storm_ms_each),
        Row("answers that were refusals", size, "", "0", found.refused),
    ]


def of_runs(effort: Effort) -> list[Row]:
    """Runs per second of the server's processors, beside the peer."""
    with ours() as server, step("Runs"):
        own = scenes.runs(server, world.make(server.uri, _RUN_NODES), effort.tasks)
    with peer() as classic, step("Runs of the peer"):
        there = world.make(classic.uri, _PEER_NODES, is_ours=False)
        theirs = scenes.runs(classic, there, max(1, effort.tasks // 4))
    per_core, by_clock = own.per_processor_second, own.per_second
    goal = "≥ 150, ≥ 10 x"
    return [
        Row(
            "runs per second of processor",
            _RUN_NODES,
            "1/s",
            goal,
            per_core,
            theirs.per_processor_second,
        ),
        Row("runs per second", _RUN_NODES, "1/s", "", by_clock, theirs.per_second),
    ]


def of_replicas(effort: Effort) -> list[Row]:
    """The same runs on one process and on two, with a broker between them."""
    found = []
    for number in (1, 2):
        with (
            tempfile.TemporaryDirectory(prefix="v6-load-") as name,
            replicas.running(Path(name), number) as members,
            step(f"Runs on {number} process(es)"),
        ):
            first = members[0]
            settings = yaml.safe_load(first.config.read_text(encoding="utf-8"))
            uri = settings["environments"]["prod"]["uri"]
            server = Server(first.url, uri, first.pid, is_ours=True)
            server.log_in()
            server.hang_up()
            made = world.make(server.uri, _RUN_NODES)
            urls, pids = [one.url for one in members], [one.pid for one in members]
            found.append(scenes.runs(server, made, effort.tasks, urls, pids))
    one, two = found
    ratio = one.per_processor_second / two.per_processor_second
    return [
        Row("processor per run, two processes over one", 2, "", "≤ 1.25", ratio),
        Row(
            "runs per second, two processes over one",
            2,
            "",
            "≥ 1.6 of six cores",
            two.per_second / one.per_second,
        ),
    ]


def of_waiting(effort: Effort) -> list[Row]:
    """Clients that wait for the end of a task."""
    rows = []
    with ours() as server:
        made = world.make(server.uri, 1)
        tokens = _tokens(server, max(effort.clients))
        for clients in effort.clients:
            for name, way in (
                ("sockets", Client.wait_with_socket),
                ("long polls", Client.wait_with_long_polls),
            ):
                with step(f"{clients:,} clients that wait with {name}"):
                    busy = scenes.waiting(server, made, clients, effort.seconds, way, tokens)
                rows.append(Row(f"processor while clients wait, {name}", clients, "%", "≤ 5", busy))
    return rows


def of_kill(_effort: Effort) -> list[Row]:
    """The kill of a tree of a hundred runs."""
    with ours() as server, step("Kill"):
        lasted = scenes.killed(server, world.make(server.uri, 10), _KILL_TASKS)
    return [Row("kill of a tree of 100 runs on 10 nodes: confirmed", 100, "s", "≤ 5", lasted)]


def of_million(effort: Effort) -> list[Row]:
    """The same figures with few tasks in the database, and with many."""
    rows = []
    with ours() as server:
        few = bench_world.make_world(server)
        server.hang_up()
        made, waited_for = world.make(server.uri, _RUN_NODES), world.make(server.uri, 1)
        clients = max(effort.clients)
        tokens = _tokens(server, clients)
        for tasks in (1_000, effort.most):
            with step(f"{tasks:,} tasks in the database"):
                bench_world.fill(server, few, tasks if tasks == 1_000 else tasks - 1_000)
                found = scenes.connected(server, made, effort.singles)
                done = scenes.runs(server, made, effort.tasks)
                killed = scenes.killed(server, made, _KILL_TASKS)
                busy = scenes.waiting(
                    server, waited_for, clients, effort.seconds, Client.wait_with_socket, tokens
                )
            goal = "≤ 1.3 x" if tasks > 1_000 else ""
            figures = [
                ("milliseconds of processor per run", "ms", 1000 / done.per_processor_second),
                ("a task for one node: in its hands, slowest", "s", found.slowest_single),
                ("a task for 25 nodes: in the hands of each", "s", found.to_all),
                ("processor for a node that comes back", "ms", found.storm_ms_each),
                ("kill of a tree of 100 runs", "s", killed),
                (f"processor while {clients:,} clients wait with sockets", "%", busy),
            ]
            rows += [
                Row(f"{name}, by tasks in the database", tasks, unit, goal, value)
                for name, unit, value in figures
            ]
    return rows


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw each measure with more than one size as a curve, cost against size."""
    measures = {row.measure: [one for one in rows if one.measure == row.measure] for row in rows}
    curves = {name: found for name, found in measures.items() if len(found) > 1}
    if not curves:
        return
    figure = Figure(figsize=(12, 3 * -(-len(curves) // 3)), layout="constrained")
    for number, (name, found) in enumerate(curves.items(), 1):
        axes = figure.add_subplot(-(-len(curves) // 3), 3, number)
        axes.plot([row.size for row in found], [row.ours for row in found], marker="o")
        axes.set(xscale="log", ylabel=found[0].unit)
        axes.set_title(fill(name, 50), fontsize=8)
        axes.set_ylim(0, 1.1 * max(row.ours for row in found) or 1)
        axes.grid(visible=True, alpha=0.3)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def ours() -> AbstractContextManager[Server]:
    """Our server on PostgreSQL, with the first user logged in."""
    return _on_postgres(bench_world.ours)


def peer() -> AbstractContextManager[Server]:
    """The classic server on PostgreSQL, with the first user logged in."""
    return _on_postgres(bench_world.peer)


@contextmanager
def _on_postgres(
    running: Callable[[Path, str], AbstractContextManager[Server]],
) -> Iterator[Server]:
    with ExitStack() as stack:
        database = stack.enter_context(postgres.serve(fsync="on", synchronous_commit="on"))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="v6-load-")))
        server = stack.enter_context(running(folder / "server", database.create()))
        server.log_in()
        server.hang_up()
        yield server


def _tokens(server: Server, clients: int) -> list[str]:
    """Users for so many clients, since one user may have a hundred sockets only."""
    return list(set_up(server.url, server.token, clients // EACH + 1).tokens)


_PARTS = dict(
    zip(
        PARTS,
        (of_nodes, of_runs, of_replicas, of_waiting, of_kill, of_million),
        strict=True,
    )
)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="all without one")
    parser.add_argument("--short", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--folder", type=Path, default=ROOT / ".cache", help="for CSV and curves")
    return parser.parse_args()


if __name__ == "__main__":
    main(bench)
