"""One soak, from the first part to the ledger."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from development.soak import world as worlds
from development.soak.chaos import Chaos, Happening
from development.soak.drawing import Break
from development.soak.faults import EXPLAINS, catalogue, wait_until
from development.soak.ledger import Ledger, Span, audit
from development.soak.questions import Question, questions
from development.soak.report import Report
from development.soak.stream import Stream
from development.soak.world import World

#: Seconds between two faults, on average.
PAUSE = 4.0
_POLL_SECONDS = 0.5
_LATER = 30.0
_TASKS = "SELECT id, name, parent_id FROM task"
_FAILED = (
    "SELECT task_id, parent_id, log FROM result JOIN task ON task.id = task_id "
    "WHERE status <> 'completed' AND log IS NOT NULL"
)
_RUNS = "SELECT id, task_id, organization_id, finished_at FROM result"


@dataclass(frozen=True)
class Plan:
    """How long a soak is, and how rough.

    Attributes
    ----------
    runs : int
        How many to ask for at least; it goes on until each kind of fault has happened.
    seed : int
    kinds : tuple of str, optional
        The kinds of faults, if not all.
    researchers : int
        Questions at a time.
    at_once : int
        Parts that are broken at a time.
    pause : float
        Seconds between two faults, on average.
    longest : float
        Seconds that a fault lasts at most.
    large : float
        The share of large payloads.
    patience : float
        Seconds after which a task counts as left open.
    settling : float
        Seconds in the end for all to be cleared up.
    """

    runs: int
    seed: int
    kinds: tuple[str, ...] | None = None
    researchers: int = 12
    at_once: int = 3
    pause: float = PAUSE
    longest: float = 20.0
    large: float = 0.04
    patience: float = 420.0
    settling: float = 120.0


def soak(
    plan: Plan, folder: Path, tell: Callable[[str], None], is_ended: Callable[[], bool]
) -> Report:
    """Ask while things break; what became of it, also in `folder`.

    Parameters
    ----------
    plan : Plan
    folder : Path
    tell : callable
        Gets a line for each fault.
    is_ended : callable
        Whether to ask no more, before all of the plan is asked.
    """
    report, ledger = Report(plan.seed), Ledger()
    with (
        ThreadPoolExecutor(plan.at_once) as workers,
        worlds.built(plan.seed, folder / "logs") as world,
    ):
        for node in world.nodes.values():
            node.start()
        wait_until(lambda: world.online() == len(world.nodes), "not all nodes were seen")
        chance = random.Random(plan.seed)
        faults = [
            fault.within(plan.longest)
            for fault in catalogue(world, chance)
            if plan.kinds is None or fault.kind in plan.kinds
        ]
        started = time.monotonic()

        def tell_when(text: str) -> None:
            right = ledger.counts()["right"]
            tell(f"{time.monotonic() - started:7.1f} s {right:5} answered  {text}")

        chaos = Chaos(
            faults,
            chance,
            workers,
            at_once=plan.at_once,
            pause=plan.pause,
            tell=tell_when,
            watch=world.watch,
            progress=lambda: ledger.counts()["right"],
        )
        asked = _enough(world, plan, lambda: chaos.is_complete, is_ended)
        stream = Stream(world, asked, ledger, researchers=plan.researchers, patience=plan.patience)
        stream.start()
        chaos.run(stream.is_over)
        report.seconds = time.monotonic() - started
        report.faults = chaos.counts()
        tell_when("all is mended and asked")
        _settle(world, plan, report)
        stream.read_late()
        ledger.add_reasons(world.servers.database.rows(_FAILED))
        ledger.explain([span for one in chaos.history for span in _spans(one)])
        report.take(ledger)
        report.surprises += [f"a researcher gave up: {error!r}" for error in stream.failures]
        _keep_books(world, ledger, report)
        breaks = [_break(one, started) for one in chaos.history]
    report.save(folder, ledger, breaks, started)
    return report


def _break(happening: Happening, started: float) -> Break:
    fault, ended = happening.fault, happening.ends or happening.began
    return Break(fault.kind, fault.part, happening.began - started, ended - started)


def _spans(happening: Happening) -> Iterator[Span]:
    """When a fault may have made runs fail, with a reason that names it."""
    reasons = EXPLAINS.get(happening.fault.kind)
    if reasons and happening.ends is not None:
        # The loop of a node that looks at its disk, or at its engine, comes by later.
        yield Span(happening.began, happening.ends + _LATER, reasons)


def _enough(
    world: World, plan: Plan, is_complete: Callable[[], bool], is_ended: Callable[[], bool]
) -> Iterator[Question]:
    """Questions of a number of runs, and more until each kind of fault has happened."""
    planned = 0
    for question in questions(world.houses, random.Random(f"questions {plan.seed}"), plan.large):
        if is_ended() or (planned >= plan.runs and is_complete()):
            return
        planned += question.runs
        yield question


def _settle(world: World, plan: Plan, report: Report) -> None:
    """Wait until nothing is left of runs, stop the nodes, and note what is left all the same.

    A node that was killed leaves that to its next process, which has to be there for a moment.
    """
    end = time.monotonic() + plan.settling
    while (left := world.unsettled()) and time.monotonic() < end:
        time.sleep(_POLL_SECONDS)
    report.left += left
    for node in world.nodes.values():
        node.ask_to_stop()
    for name, node in world.nodes.items():
        if status := node.wait_for_end():
            report.left.append(f"{name} ended with status {status} when it was stopped")
    report.left += world.remains()


def _keep_books(world: World, ledger: Ledger, report: Report) -> None:
    database = world.servers.database
    books = audit(ledger, database.rows(_TASKS), database.rows(_RUNS))
    report.runs, report.executions = books.runs, world.witness.count()
    report.duplicated = [*books.repeated, *world.witness.repeated()]
    report.lost += books.missing
    report.open += books.open
