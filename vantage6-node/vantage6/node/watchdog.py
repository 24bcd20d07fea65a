"""Looks after running runs: how long they run, and how much they write.

A thread of its own, which sleeps while nothing runs. It only looks and tells; what becomes of a
run that goes beyond its limits is decided in `state.py`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from vantage6.node.assignment import Assignment
from vantage6.node.rules import Rules
from vantage6.node.runner.interface import Runner, RunnerError
from vantage6.node.settings import Settings
from vantage6.node.usage import Disk, Usage, in_words, measure
from vantage6.node.workspace import Workspace

# Seconds between two looks; more where looking takes long, so that it is a small part of all.
_INTERVAL = 2.0
_SHARE = 0.05
# For the files of a run that was ended to go, before the next one is ended for want of room.
_GRACE = 10.0

#: What is told of a run: its id, and why it has to end.
Tell = Callable[[int, str], None]

log = logging.getLogger(__name__)


@dataclass
class _Watched:
    """A run that goes on, and what is known about it."""

    result_id: int
    rules: Rules
    folders: tuple[Path, ...]
    began_at: float
    usage: Usage = field(default_factory=Usage)

    @property
    def ends_at(self) -> float | None:
        limit = self.rules.limits.time
        return None if limit is None else self.began_at + limit


class Watchdog:
    """Finds the runs that have to end; see the module.

    Parameters
    ----------
    runner : Runner
    workspace : Workspace
    settings : Settings
    disk : Disk
        The one that the files of runs are on.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        runner: Runner,
        workspace: Workspace,
        settings: Settings,
        disk: Disk,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runner, self._workspace, self._settings = runner, workspace, settings
        self._disk, self._clock = disk, clock
        self._lock = threading.Lock()
        self._watched: dict[int, _Watched] = {}
        self._changed, self._closing = threading.Event(), threading.Event()
        self._made_room_at = -_GRACE

    def start(self, tell: Tell) -> None:
        """Look from time to time, on a thread of its own."""
        threading.Thread(target=self._live, args=(tell,), name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Look no more."""
        self._closing.set()
        self._changed.set()

    def follow(self, assignment: Assignment, age: float = 0.0) -> None:
        """Look after a run from now on.

        Parameters
        ----------
        assignment : Assignment
        age : float
            Seconds that it has been running for.
        """
        files = self._workspace.files(assignment)
        watched = _Watched(
            assignment.result_id,
            self._settings.rules_for(assignment.image, self._workspace.read_digests(assignment)),
            (files.data, files.temporary),
            self._clock() - age,
        )
        with self._lock:
            self._watched[assignment.result_id] = watched
        self._changed.set()

    def leave(self, result_id: int) -> None:
        """Look after a run no more, if we did."""
        with self._lock:
            self._watched.pop(result_id, None)

    def look(self) -> Iterator[tuple[int, str]]:
        """Look after all runs once: which have to end, and why."""
        with self._lock:
            watched = list(self._watched.values())
        for run in watched:
            reason = self._excess(run)
            if reason:
                yield run.result_id, f"The run was stopped: {reason}"
        yield from self._make_room(watched)

    def _excess(self, run: _Watched) -> str:
        """What a run does too much of; "" when all is well."""
        limits = run.rules.limits
        if run.ends_at is not None and self._clock() >= run.ends_at:
            return f"it took longer than the {limits.time:g} s that this node allows"
        try:
            run.usage = measure(run.folders, limits.disk)
            if run.rules.writable_root:
                run.usage.size += self._runner.layer_size(run.result_id)
        except (OSError, RunnerError) as error:
            log.warning("What run %d has written is not known: %s", run.result_id, error)
        return run.usage.excess(limits.disk)

    def _make_room(self, watched: list[_Watched]) -> Iterator[tuple[int, str]]:
        """End the run that wrote most, when the disk is nearly full; one at a time.

        A file without a name is not seen, so where nobody is seen to have written, the last one
        that began is ended.
        """
        now = self._clock()
        if not watched or now < self._made_room_at + _GRACE or not self._disk.is_nearly_full:
            return
        self._made_room_at = now
        run = max(watched, key=lambda run: (run.usage.size, run.began_at))
        yield (
            run.result_id,
            "The run was stopped: the disk of this node is nearly full, and of the runs on it "
            f"this one had written the most ({in_words(run.usage.size)})",
        )

    def _live(self, tell: Tell) -> None:
        while not self._closing.is_set():
            self._changed.wait()
            self._changed.clear()
            while self._watched and not self._closing.is_set():
                self._closing.wait(self._pause(self._look_and_tell(tell)))

    def _look_and_tell(self, tell: Tell) -> float:
        """Look once; seconds that it took."""
        began_at = time.monotonic()
        try:
            for result_id, reason in self.look():
                tell(result_id, reason)
        except Exception:
            # Whatever it is, the next look may find what has to be found.
            log.exception("The runs could not be looked after")
        return time.monotonic() - began_at

    def _pause(self, took: float) -> float:
        """Seconds until the next look."""
        with self._lock:
            ends = [run.ends_at for run in self._watched.values() if run.ends_at is not None]
        to_ends = [end - self._clock() for end in ends]
        return max(took / _SHARE, min([_INTERVAL, *(left for left in to_ends if left > 0)]))
