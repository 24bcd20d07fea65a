"""The life of a run on this node, as a pure function: (run, event) -> (run, actions).

Nothing here talks to anybody. The daemon carries the actions out and brings what comes of
them back as events::

    WAITING ──Admitted──▶ STARTING ──Started──▶ RUNNING ──Exited──▶ COLLECTING
                              │                                         │ Collected
                              └──────────── Refused ────────────▶ DELIVERING
                                                                        │ Delivered
                                                   DONE ◀──Cleaned── CLEANING

While a run is delivered, its container is released: report and output are safe on disk by then,
and the engine is free of the run however long the server is away. CLEANING waits for that.

`Postponed` repeats what a phase is about, later. `Gone` (an action learned that the server no
longer wants the run, or not from us) leads to CLEANING. `Unwanted` (somebody else learned it)
does so too, but not while an action is under way: then its end does, which a start is asked to
come to, or the refusal of the report. The server is told once nothing of such a run is left.
`Broken` (something that nobody foresaw) ends a run with "unknown error", so that no run stays
open.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from vantage6.common.exceptions import IllegalTransition
from vantage6.common.task_status import TaskStatus, check_move
from vantage6.node.assignment import Assignment, Report


class Phase(Enum):
    """What a run is waiting for on this node; finer than the status the server sees."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    COLLECTING = "collecting"
    DELIVERING = "delivering"
    CLEANING = "cleaning"
    DONE = "done"


# Events


@dataclass(frozen=True)
class Admitted:
    """There is a free place for the run."""


@dataclass(frozen=True)
class Started:
    """Its container runs."""


@dataclass(frozen=True)
class Refused:
    """It cannot be started, and the report says why."""

    report: Report


@dataclass(frozen=True)
class Exited:
    """Its container has ended, or is not there any more."""


@dataclass(frozen=True)
class Overrun:
    """It went beyond a limit while it ran; the reason says which."""

    reason: str


@dataclass(frozen=True)
class Collected:
    """What the container left behind is on disk, under this report."""

    report: Report


@dataclass(frozen=True)
class Delivered:
    """The server has acknowledged the report."""


@dataclass(frozen=True)
class Rejected:
    """The server will not take the report as it is; `report` says so instead."""

    report: Report


@dataclass(frozen=True)
class Gone:
    """The server no longer wants the run: it is deleted, or final already."""


@dataclass(frozen=True)
class Unwanted:
    """The server no longer wants the run, as we learned beside all that is done for it."""


@dataclass(frozen=True)
class Released:
    """Its container is removed; report and output are safe on disk."""


@dataclass(frozen=True)
class Unreleased:
    """Its container could not be removed now, or not everything be made safe."""

    reason: str


@dataclass(frozen=True)
class Cleaned:
    """Nothing is left of it on this machine."""


@dataclass(frozen=True)
class Postponed:
    """It did not work, for a reason that will pass."""

    reason: str


@dataclass(frozen=True)
class Broken:
    """It did not work, for a reason that nobody foresaw."""

    report: Report


Event = (
    Admitted
    | Started
    | Refused
    | Exited
    | Overrun
    | Collected
    | Delivered
    | Rejected
    | Gone
    | Unwanted
    | Released
    | Unreleased
    | Cleaned
    | Postponed
    | Broken
)


# Actions


@dataclass(frozen=True)
class Start:
    """Check the run, make its container and start it."""


@dataclass(frozen=True)
class Readmit:
    """Let the container of an earlier node process speak to our proxy again."""


@dataclass(frozen=True)
class Collect:
    """Find out how the container ended; with `overrun`, the reason for it, have it end first."""

    overrun: str = ""


@dataclass(frozen=True)
class Deliver:
    """Tell the server."""

    report: Report


@dataclass(frozen=True)
class Abandon:
    """Have a start that is under way end soon."""


@dataclass(frozen=True)
class Release:
    """Make report and output safe on disk, then remove the container and all else of it."""


@dataclass(frozen=True)
class Clean:
    """Remove all that is left of the run, and with `confirm` tell the server so."""

    confirm: bool = False


@dataclass(frozen=True)
class Later:
    """The same action once more, after a pause that grows."""

    action: "Start | Collect | Deliver | Release | Clean"
    reason: str


Action = Start | Abandon | Readmit | Collect | Deliver | Release | Clean | Later


@dataclass(frozen=True)
class Run:
    """One run in the hands of this node.

    Attributes
    ----------
    assignment : Assignment
    phase : Phase
    status : TaskStatus
        What the server knows, or will know once our report has arrived.
    exited : bool
        The container ended before we heard that it had started.
    unwanted : bool
        The server no longer wants it.
    releasing : bool
        Its container is just being removed, beside its delivery.
    overrun : str
        Which limit it went beyond, if it is stopped for that.
    report : Report, optional
        How it ended, as soon as that is known.
    """

    assignment: Assignment
    phase: Phase = Phase.WAITING
    status: TaskStatus = TaskStatus.PENDING
    exited: bool = False
    unwanted: bool = False
    overrun: str = ""
    releasing: bool = False
    report: Report | None = None

    @property
    def takes_place(self) -> bool:
        """Whether it counts against the number of runs side by side."""
        return self.phase in (Phase.STARTING, Phase.RUNNING)


class Trace(Enum):
    """What an earlier process of this node left of a run."""

    NOTHING = "nothing"
    CREATED = "a container that was never started"
    RUNNING = "a running container"
    EXITED = "a container that has ended"


Step = tuple[Run, tuple[Action, ...]]


def begin(assignment: Assignment, trace: Trace, report: Report | None) -> Step:
    """A run as it enters this process: new, or with what an earlier one left of it."""
    run = Run(assignment)
    if report is not None:
        return _deliver(run, report)
    if trace is Trace.EXITED:
        return _collect(_moved(run, TaskStatus.ACTIVE))
    if trace is Trace.RUNNING:
        return replace(_moved(run, TaskStatus.ACTIVE), phase=Phase.RUNNING), (Readmit(),)
    return run, ()


def advance(run: Run, event: Event) -> Step:
    """The run after an event, and what has to be done now.

    Raises
    ------
    IllegalTransition
        When the event makes no sense in the phase of the run.
    """
    move = _MOVES.get((run.phase, type(event)))
    if move is None:
        raise IllegalTransition(
            f"{run.assignment} is {run.phase.value}; {type(event).__name__} has no meaning there"
        )
    return move(run, event)


def is_due(run: Run, action: Action) -> bool:
    """Whether an action that was put off still makes sense."""
    if isinstance(action, Release):
        return run.releasing
    return run.phase is _ABOUT.get(type(action))


def _start(run: Run, event: Admitted) -> Step:
    return replace(run, phase=Phase.STARTING), (Start(),)


def _started(run: Run, event: Started) -> Step:
    if run.unwanted:
        return _clean(run, event)
    # The container has its input, which may be large.
    run = replace(run, assignment=replace(run.assignment, input="", container_token=""))
    run = _moved(run, TaskStatus.ACTIVE)
    return _collect(run) if run.exited else (replace(run, phase=Phase.RUNNING), ())


def _exited_early(run: Run, event: Exited) -> Step:
    return replace(run, exited=True), ()


def _clean_once_started(run: Run, event: Unwanted) -> Step:
    return replace(run, unwanted=True), (Abandon(),)


def _start_later(run: Run, event: Postponed) -> Step:
    if run.unwanted:
        return _clean(run, event)
    # By then we may have another key, with which the token ends, or another process the run.
    run = replace(run, assignment=replace(run.assignment, container_token=""))
    return run, (Later(Start(), event.reason),)


def _collect(run: Run, event: Exited | None = None) -> Step:
    return replace(run, phase=Phase.COLLECTING), (Collect(run.overrun),)


def _stop(run: Run, event: Overrun) -> Step:
    return _collect(replace(run, overrun=event.reason))


def _reported(run: Run, event: Refused | Collected | Rejected | Broken) -> Step:
    return _deliver(run, event.report)


def _deliver(run: Run, report: Report) -> Step:
    run = _moved(run, report.status)
    run = replace(run, phase=Phase.DELIVERING, report=report, releasing=True)
    return run, (Deliver(report), Release())


def _rejected(run: Run, event: Rejected | Broken) -> Step:
    """Our report was not taken; if a bare one was not either, only time can help."""
    if run.report is not None and not run.report.has_output:
        return run, (Later(Deliver(run.report), event.report.log),)
    return replace(run, report=event.report, status=event.report.status), (Deliver(event.report),)


def _clean(run: Run, event: Event) -> Step:
    """Clean up, as soon as nobody else removes the container."""
    run = replace(run, phase=Phase.CLEANING)
    return run, () if run.releasing else (Clean(confirm=run.unwanted),)


def _unwanted(run: Run, event: Gone | Unwanted) -> Step:
    return _clean(replace(run, unwanted=True), event)


def _released(run: Run, event: Released) -> Step:
    run = replace(run, releasing=False)
    return _clean(run, event) if run.phase is Phase.CLEANING else (run, ())


def _release_later(run: Run, event: Unreleased) -> Step:
    return run, (Later(Release(), event.reason),)


def _done(run: Run, event: Cleaned | Broken) -> Step:
    # What could not be removed is swept at the next start.
    return replace(run, phase=Phase.DONE), ()


def _ignore(run: Run, event: Event) -> Step:
    """What may be told twice, or too late: ends, overruns, and that a run is unwanted."""
    return run, ()


def _collect_later(run: Run, event: Postponed) -> Step:
    return run, (Later(Collect(run.overrun), event.reason),)


def _clean_later(run: Run, event: Postponed) -> Step:
    return run, (Later(Clean(confirm=run.unwanted), event.reason),)


def _deliver_later(run: Run, event: Postponed) -> Step:
    assert run.report is not None
    return run, (Later(Deliver(run.report), event.reason),)


def _moved(run: Run, status: TaskStatus) -> Run:
    check_move(run.status, status)
    return replace(run, status=status)


_ABOUT: dict[type, Phase] = {
    Start: Phase.STARTING,
    Collect: Phase.COLLECTING,
    Deliver: Phase.DELIVERING,
    Clean: Phase.CLEANING,
}

_MOVES: dict[tuple[Phase, type], Callable[[Run, Any], Step]] = {
    (Phase.WAITING, Admitted): _start,
    (Phase.WAITING, Unwanted): _unwanted,
    (Phase.STARTING, Started): _started,
    (Phase.STARTING, Exited): _exited_early,
    (Phase.STARTING, Overrun): _ignore,
    (Phase.STARTING, Refused): _reported,
    (Phase.STARTING, Postponed): _start_later,
    (Phase.STARTING, Unwanted): _clean_once_started,
    (Phase.STARTING, Gone): _unwanted,
    (Phase.STARTING, Broken): _reported,
    (Phase.RUNNING, Exited): _collect,
    (Phase.RUNNING, Overrun): _stop,
    (Phase.RUNNING, Unwanted): _unwanted,
    (Phase.RUNNING, Broken): _ignore,
    (Phase.COLLECTING, Collected): _reported,
    (Phase.COLLECTING, Exited): _ignore,
    (Phase.COLLECTING, Overrun): _ignore,
    (Phase.COLLECTING, Unwanted): _ignore,
    (Phase.COLLECTING, Postponed): _collect_later,
    (Phase.COLLECTING, Broken): _reported,
    (Phase.DELIVERING, Delivered): _clean,
    (Phase.DELIVERING, Exited): _ignore,
    (Phase.DELIVERING, Overrun): _ignore,
    (Phase.DELIVERING, Unwanted): _ignore,
    (Phase.DELIVERING, Rejected): _rejected,
    (Phase.DELIVERING, Postponed): _deliver_later,
    (Phase.DELIVERING, Gone): _unwanted,
    (Phase.DELIVERING, Released): _released,
    (Phase.DELIVERING, Unreleased): _release_later,
    (Phase.DELIVERING, Broken): _rejected,
    (Phase.CLEANING, Released): _released,
    (Phase.CLEANING, Unreleased): _release_later,
    (Phase.CLEANING, Cleaned): _done,
    (Phase.CLEANING, Exited): _ignore,
    (Phase.CLEANING, Overrun): _ignore,
    (Phase.CLEANING, Unwanted): _ignore,
    (Phase.CLEANING, Postponed): _clean_later,
    (Phase.CLEANING, Broken): _done,
}
