"""`make bench`, the server: ours beside the classic server 3.5.2, in turn, on the same data.

Seconds say something about this machine in this minute; what counts is the ratio of two
servers that were asked the same by the same client, one right after the other.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from development import bench_world, postgres, tables, wrk
from development.bench_world import Server, World
from development.console import SetupError, main, step
from development.install import ROOT

CSV = ROOT / ".cache" / "bench-server.csv"
PAGE = "/task?page={}&per_page=10"
FEW, MANY, MOST = 100, 10_000, 1_000_000
NODES = 1_000
#: The peer tries the key on every node in turn, each a fifth of a second.
PEER_NODES = 5
LOG_INS = 10
OPEN_RUNS = 10
REQUESTS = 10_000
LOAD_SECONDS = 5
UNABLE = "-"

#: The path and the body of a request.
Asked = tuple[str, dict[str, object] | None]


@dataclass(frozen=True)
class Figure:
    """What came out of several measurements of one thing."""

    median: float
    p95: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Figure":
        """The middle, and what at most one in twenty goes beyond."""
        ordered = sorted(values)
        return cls(statistics.median(ordered), ordered[-(-len(ordered) * 95 // 100) - 1])


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    measure, database, unit, goal : str
    ours : Figure
    theirs : Figure, optional
        None where the peer cannot do the work.
    per_second : bool
        Whether more is better.
    comparable : bool
        Whether a ratio says something.
    remark : str
        What one has to know of the figure of the peer.
    """

    measure: str
    database: str
    unit: str
    goal: str
    ours: Figure
    theirs: Figure | None = None
    per_second: bool = False
    comparable: bool = True
    remark: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times better ours is."""
        if self.theirs is None or not self.comparable:
            return None
        better, worse = self.ours.median, self.theirs.median
        return better / worse if self.per_second else worse / better

    def cells(self) -> list[str]:
        """The line as text."""
        theirs = [UNABLE] * 2 if self.theirs is None else _shown(self.theirs)
        ratio = UNABLE if self.ratio is None else f"{self.ratio:.1f}"
        return [self.measure, self.database, self.unit, *theirs, *_shown(self.ours), ratio,
                self.goal, self.remark]  # fmt: skip


HEADER = ["measure", "database", "unit", "peer: median", "p95", "ours: median", "p95", "ratio",
          "goal", "remark"]  # fmt: skip


@dataclass(frozen=True)
class Effort:
    """How often and how long is measured."""

    rounds: int
    seconds: float
    repetitions: int
    large: bool


FULL = Effort(rounds=5, seconds=3, repetitions=40, large=True)
SHORT = Effort(rounds=3, seconds=1, repetitions=10, large=False)


def bench() -> None:
    """Measure all and print the table; also as CSV."""
    arguments = _arguments()
    effort = SHORT if arguments.short else FULL
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        wrk.install()
        rows += of_lists(folder / "sqlite", effort, "SQLite")
        rows += of_single_requests(folder / "single", effort, "SQLite")
        rows += of_memory(folder / "memory")
        database = stack.enter_context(postgres.serve(fsync="on", synchronous_commit="on"))
        for kind, measure in (("lists", of_lists), ("single", of_single_requests)):
            uris = [database.create(), database.create()]
            rows += measure(folder / f"postgresql-{kind}", effort, "PostgreSQL", uris)
        if effort.large:
            rows += of_millions(folder / "large", effort, database.create())
    show(rows)
    write(rows, arguments.csv)


def of_lists(
    folder: Path, effort: Effort, database: str, uris: Sequence[str | None] = (None, None)
) -> list[Row]:
    """Requests per second for a page of tasks, among few and among many."""
    figures = {}
    with pair(folder, *uris) as sides:
        for tasks, more in ((FEW, FEW), (MANY, MANY - FEW)):
            for server, world in sides:
                bench_world.fill(server, world, more)
            with step(f"{database}: pages of {tasks:,} tasks"):
                loads = [partial(_per_second, server, effort) for server, _ in sides]
                figures[tasks] = in_turn(loads, effort.rounds)
    flat = [_over(*both) for both in zip(figures[MANY], figures[FEW], strict=True)]
    return [
        _row(f"GET /task, 10 of {FEW:,}", database, "1/s", "", figures[FEW], per_second=True),
        _row(f"GET /task, 10 of {MANY:,}", database, "1/s", "≥ 20 x", figures[MANY],
             per_second=True),
        _row(f"{MANY:,} over {FEW} tasks", database, "", "≥ 0.8", flat, per_second=True),
    ]  # fmt: skip


def of_single_requests(
    folder: Path, effort: Effort, database: str, uris: Sequence[str | None] = (None, None)
) -> list[Row]:
    """Single requests among many tasks."""
    with pair(folder, *uris) as sides:
        for server, world in sides:
            bench_world.fill(server, world, MANY)

        def measure(
            method: str, ask: Callable[[Server, World], Asked], rounds: int = effort.repetitions
        ) -> list[Figure]:
            asked = [(server, *ask(server, world)) for server, world in sides]
            actions = [partial(one.milliseconds, method, path, body) for one, path, body in asked]
            return in_turn(actions, rounds)

        posted = measure("POST", lambda _, world: ("/task", _order(world)))
        whole = measure("GET", lambda _, world: (f"/collaboration/{world.collaboration}", None))
        rest = measure("GET", _collaboration_without_tasks)
        with step(f"Log-ins of a node, the peer's among {PEER_NODES}"):
            logged = measure("POST", _log_in_of_node, LOG_INS)
    names = f"POST /token/node, {NODES:,} nodes"
    few = f"the peer among {PEER_NODES} only"
    return [
        _row(f"POST /task, 3 of {MANY:,}", database, "ms", "≤ 6, ≥ 5 x", posted),
        _row(f"GET /collaboration/id, {MANY:,} tasks", database, "ms", "", whole),
        _row("the same with exclude=tasks", database, "ms", "≤ 10", rest),
        _row(names, database, "ms", "≤ 20", logged, remark=few),
    ]


def of_memory(folder: Path) -> list[Row]:
    """Memory of the process that answers, before and after many requests."""
    with pair(folder) as sides:
        for server, world in sides:
            bench_world.fill(server, world, FEW)
        idle = [_single(server.memory()) for server, _ in sides]
        (own, _), (their, _) = sides
        # only ours is to keep its size, and the peer would need minutes for as many
        wrk.get(_page(their), their.token, LOAD_SECONDS)
        answered = 0
        with step(f"{REQUESTS:,} requests"):
            while answered < REQUESTS:
                answered += wrk.get(_page(own), own.token, LOAD_SECONDS).requests
        after = [_single(server.memory()) for server, _ in sides]
    ratios = [_over(late, early).median for early, late in zip(idle, after, strict=True)]
    growth = [_single(100 * (ratio - 1)) for ratio in ratios]
    fewer = f"the peer after {LOAD_SECONDS} s of requests"
    return [
        _row("memory of the process, idle", "SQLite", "MB", "≤ 150", idle),
        _row(f"after {REQUESTS:,} requests", "SQLite", "MB", "", after, remark=fewer),
        _row("growth", "SQLite", "%", "≤ 10", growth, comparable=False, remark=fewer),
    ]


def of_millions(folder: Path, effort: Effort, uri: str) -> list[Row]:
    """Pages and a node's open runs among a million tasks; the peer has no index for either."""
    with bench_world.ours(folder, uri) as server:
        world = bench_world.make_world(server, organizations=5)
        with step(f"Making {MOST:,} tasks and {5 * MOST:,} results"):
            bench_world.fill(server, world, MOST)
            bench_world.reopen(server, world, OPEN_RUNS)
        catch_up = f"/result?state=open&include=task&node_id={world.nodes[-1]}"
        found = len(server.call("GET", catch_up))
        if found != OPEN_RUNS:
            raise SetupError(f"the node has {found} open runs, not {OPEN_RUNS}")
        paths = {
            f"GET /task, first 10 of {MOST:,}": (PAGE.format(1), "p95 ≤ 100"),
            f"GET /task, last 10 of {MOST:,}": (PAGE.format(MOST // 10), "p95 ≤ 100"),
            f"GET /task, middle 10 of {MOST:,}": (PAGE.format(MOST // 20), ""),
            f"GET /result, a node's {OPEN_RUNS} open runs of {5 * MOST:,}": (catch_up, "≤ 20"),
        }
        actions = [partial(server.milliseconds, "GET", path) for path, _ in paths.values()]
        figures = in_turn(actions, effort.repetitions)
    return [
        Row(name, "PostgreSQL", "ms", goal, figure, remark="the peer reads whole tables")
        for (name, (_, goal)), figure in zip(paths.items(), figures, strict=True)
    ]


@contextmanager
def pair(
    folder: Path, uri: str | None = None, their_uri: str | None = None
) -> Iterator[list[tuple[Server, World]]]:
    """Our server and the peer, each with a world of its own."""
    with (
        bench_world.ours(folder / "ours", uri) as ours,
        bench_world.peer(folder / "peer", their_uri) as theirs,
    ):
        yield [(server, bench_world.make_world(server)) for server in (ours, theirs)]


def in_turn(actions: Sequence[Callable[[], float]], rounds: int) -> list[Figure]:
    """What each action measures, one after the other in every round; the first does not count."""
    measured = [[action() for action in actions] for _ in range(rounds + 1)][1:]
    return [Figure.of(column) for column in zip(*measured, strict=True)]


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    title = "The server beside the classic one, 3.5.2; the ratio: how many times better ours is"
    tables.show(title, HEADER, [row.cells() for row in rows], ("measure", "remark"))


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the table as CSV."""
    tables.write(path, HEADER, [row.cells() for row in rows])


def _per_second(server: Server, effort: Effort) -> float:
    return wrk.get(_page(server), server.token, effort.seconds).per_second


def _page(server: Server) -> str:
    return f"{server.url}/api{PAGE.format(1)}"


def _order(world: World) -> dict[str, object]:
    return {
        "name": "measured",
        "image": "registry.example/mean:1",
        "collaboration_id": world.collaboration,
        "organizations": [
            {"id": id_, "input": "x" * bench_world.PAYLOAD} for id_ in world.organizations
        ],
    }


def _collaboration_without_tasks(server: Server, world: World) -> Asked:
    path = f"/collaboration/{world.collaboration}"
    return (f"{path}?exclude=tasks" if server.is_ours else path), None


def _log_in_of_node(server: Server, world: World) -> Asked:
    nodes = NODES if server.is_ours else PEER_NODES
    return "/token/node", {"api_key": bench_world.add_nodes(server, world, nodes)}


def _row(
    measure: str, database: str, unit: str, goal: str, both: Sequence[Figure], **rest: Any
) -> Row:
    return Row(measure, database, unit, goal, both[0], both[1], **rest)


def _over(one: Figure, other: Figure) -> Figure:
    return Figure(one.median / other.median, one.p95 / other.p95)


def _single(value: float) -> Figure:
    return Figure(value, value)


def _shown(figure: Figure) -> list[str]:
    return [
        f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
        for value in (figure.median, figure.p95)
    ]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=bench.__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds, no million of tasks")
    parser.add_argument("--csv", type=Path, default=CSV, help="where the table is written, too")
    return parser.parse_args()


if __name__ == "__main__":
    main(bench)
