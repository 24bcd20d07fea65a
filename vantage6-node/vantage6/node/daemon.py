"""The node: one loop over one queue, one stop flag, teardown whatever happens.

Threads only feed the queue: the socket, the engine's events, the workers, the clock. All that
is decided about runs is decided in `state.py`; all that is done, in `work.py`.
"""

import contextlib
import heapq
import itertools
import logging
import queue
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from vantage6.common.exceptions import IllegalTransition, ServerError, ServerUnreachable
from vantage6.common.retry import Backoff
from vantage6.common.task_status import is_failure
from vantage6.node import state
from vantage6.node.runner.interface import ContainerEnded, EngineBack, Runner, RunnerError
from vantage6.node.server import ApiKeyRefused, Identity, Server
from vantage6.node.socket import NewTask, RunsKilled, SocketDown, SocketUp
from vantage6.node.state import Action, Assignment, Event, Phase, Run, Trace
from vantage6.node.timeline import Timeline
from vantage6.node.work import RunWork
from vantage6.node.workers import Workers

# Seconds between two questions to the server what there is to do
POLL_WITHOUT_SOCKET = 5.0
POLL_WITH_SOCKET = 60.0

# Answers older than this no longer arrive.
_MEMORY_OF_FINISHED = 600.0
_GRACE = 10.0

_PHASES: dict[type, str] = {
    state.Admitted: "wait",
    state.Exited: "run",
    state.Overrun: "run",
    state.Collected: "collect",
    state.Delivered: "deliver",
}

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Happened:
    """Something came of an action for a run."""

    result_id: int
    event: Event


@dataclass(frozen=True)
class Synced:
    """What the server expects of us, as it was when we asked; of one task or of all."""

    runs: list[Assignment]
    complete: bool
    asked_at: float


@dataclass(frozen=True)
class SyncFailed:
    """The server could not be asked."""

    reason: str


@dataclass(frozen=True)
class Looked:
    """What containers there are, as it was when we looked."""

    traces: dict[int, Trace]
    looked_at: float


@dataclass(frozen=True)
class Fatal:
    """The node cannot go on."""

    error: Exception


class Listener(Protocol):
    """What tells us news of the server; see `socket.py`."""

    def start(self) -> None:
        """Begin to listen."""
        ...

    def close(self) -> None:
        """Listen no more."""
        ...


@dataclass
class Entry:
    """One run in hand, and what the daemon remembers about it."""

    run: Run
    taken_at: float
    changed_at: float
    timeline: Timeline = field(default_factory=Timeline)
    backoff: Backoff = field(default_factory=Backoff)


class Daemon:
    """The life of a node.

    Parameters
    ----------
    server : Server
    runner : Runner
    settle : callable
        From who we are at the server to what does the work; raises what makes that
        impossible, such as a key that is missing.
    listener : callable
        From where to tell news to a Listener.
    workers, calls : Workers
        For actions on runs, and for short calls that such an action may wait for.
    places : int
        How many runs go on side by side.
    kill_on_exit : bool
        Whether containers are killed at the end rather than left to the next start.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        settle: Callable[[Identity], RunWork],
        listener: Callable[[Callable[[Any], None]], Listener],
        workers: Workers,
        calls: Workers,
        *,
        places: int,
        kill_on_exit: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._runner, self._settle = server, runner, settle
        self._workers, self._calls = workers, calls
        self._places, self._kill_on_exit, self._clock = places, kill_on_exit, clock
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._listener = listener(self.tell)
        self._stopping = False
        self._entries: dict[int, Entry] = {}
        self._finished: dict[int, float] = {}
        self._traces: dict[int, Trace] = {}
        self._later: list[tuple[float, int, int, Phase, Action]] = []
        self._numbers = itertools.count()
        self._socket_is_up = self._swept = self._syncing = False
        self._next_sync = 0.0
        self._sync_backoff = Backoff(first=1.0)

    def run(self) -> None:
        """Live until stopped; raises what made it impossible to go on."""
        try:
            self._open()
            while not self._stopping:
                self.step(self._wait_for_message())
        finally:
            self._close()

    def stop(self) -> None:
        """End the loop; safe to call from a signal handler, as this queue is (an Event is not)."""
        self._stopping = True
        self._queue.put(None)

    def tell(self, message: Any) -> None:
        """Put a message into the queue; safe to call from any thread."""
        self._queue.put(message)

    def step(self, message: Any) -> None:
        """Take in one message, and do what is due."""
        if message is not None:
            _HANDLERS[type(message)](self, message)
        self._repeat_what_is_due()
        if self._clock() >= self._next_sync:
            self._sync_all()
        self._fill_places()

    # From start to end

    def _open(self) -> None:
        self._runner.connect()
        if self._log_in():
            self._traces = self._runner.open(self.tell)
            self._work.watchdog.start(self._tell_overrun)
            self._listener.start()

    def _log_in(self) -> bool:
        """Become known to the server, for as long as it takes; False when stopped meanwhile."""
        backoff = Backoff(first=1.0)
        while not self._stopping:
            try:
                identity = self._server.log_in()
                self._work = self._settle(identity)
            except (ServerUnreachable, ServerError) as error:
                pause = backoff.pause()
                log.warning("%s; trying to log in again in %.0f s", error, pause)
                self._wait_for_stop(pause)
            else:
                self._node_id = identity.node_id
                log.info("Logged in as %s", identity)
                return True
        return False

    def _wait_for_stop(self, seconds: float) -> None:
        """Wait; nobody but `stop` has anything to tell before we are logged in."""
        with contextlib.suppress(queue.Empty):
            self._queue.get(timeout=seconds)

    def _close(self) -> None:
        self._listener.close()
        self._workers.stop(_GRACE)
        self._calls.stop(_GRACE)
        if hasattr(self, "_work"):
            self._work.close()
        try:
            self._runner.close(self._kill_on_exit)
        except RunnerError as error:
            log.warning("Not everything could be removed: %s", error)
        self._server.close()
        left = [entry for entry in self._entries.values() if entry.run.phase is Phase.RUNNING]
        if left and not self._kill_on_exit:
            log.info("%d runs go on without the node; the next start takes them up", len(left))

    def _wait_for_message(self) -> Any:
        dues = [self._next_sync, *(due for due, *_ in self._later[:1])]
        try:
            return self._queue.get(timeout=max(0.0, min(dues) - self._clock()))
        except queue.Empty:
            return None

    # The server

    def _sync_all(self) -> None:
        self._next_sync = self._clock() + (
            POLL_WITH_SOCKET if self._socket_is_up else POLL_WITHOUT_SOCKET
        )
        if not self._syncing:
            self._syncing = True
            self._ask(None)
            self._look()

    def _ask(self, task_id: int | None) -> None:
        asked_at = self._clock()
        self._calls.submit(lambda: self.tell(self._answer(task_id, asked_at)))

    def _answer(self, task_id: int | None, asked_at: float) -> Synced | SyncFailed | Fatal:
        """What the server says there is to do; on a worker thread."""
        try:
            runs = self._server.open_runs(self._node_id, task_id)
            return Synced(runs, task_id is None, asked_at)
        except ApiKeyRefused as error:
            return Fatal(error)
        except (ServerUnreachable, ServerError) as error:
            return SyncFailed(str(error))
        except Exception as error:
            log.exception("The server's answer could not be understood")
            return SyncFailed(f"{type(error).__name__}: {error}")

    def _on_synced(self, message: Synced) -> None:
        self._sync_backoff.reset()
        for assignment in message.runs:
            self._take(assignment, message.asked_at)
        if message.complete:
            self._syncing = False
            self._drop_what_is_not_wanted(message)
            self._sweep()
            self._forget_finished()

    def _on_sync_failed(self, message: SyncFailed) -> None:
        self._syncing = False
        pause = self._sync_backoff.pause()
        self._next_sync = self._clock() + pause
        log.warning("%s; asking for work again in %.0f s", message.reason, pause)

    def _take(self, assignment: Assignment, asked_at: float) -> None:
        """Take a run in hand, unless it is already, or was done after the server was asked."""
        result_id = assignment.result_id
        if result_id in self._entries or self._finished.get(result_id, -1.0) >= asked_at:
            return
        trace = self._traces.pop(result_id, Trace.NOTHING)
        run, actions = state.begin(assignment, trace, self._work.undelivered(result_id))
        if run.phase is not Phase.WAITING:
            log.info("%s is taken up again: there is %s", assignment, trace.value)
        entry = Entry(run, self._clock(), self._clock())
        self._entries[result_id] = entry
        self._carry_out(entry, actions)
        if run.phase is Phase.RUNNING:
            # It may have ended before we knew it was ours.
            self._look()

    def _drop_what_is_not_wanted(self, message: Synced) -> None:
        """Ask about runs that the server no longer lists; they may have been deleted."""
        listed = {assignment.result_id for assignment in message.runs}
        for result_id, entry in self._entries.items():
            idle = entry.run.phase in (Phase.WAITING, Phase.RUNNING)
            if idle and result_id not in listed and entry.taken_at < message.asked_at:
                self._calls.submit(lambda id_=result_id: self._confirm(id_))  # type: ignore[misc]

    def _confirm(self, result_id: int) -> None:
        """Say that a run is gone if the server really does not want it; on a worker thread."""
        try:
            if not self._server.wants(result_id):
                log.info("Run %d is not wanted any more", result_id)
                self.tell(Happened(result_id, state.Unwanted()))
        except (ServerUnreachable, ServerError) as error:
            log.debug("Whether run %d is wanted is not known: %s", result_id, error)

    def _sweep(self) -> None:
        """Remove, once, what earlier processes left of runs that nobody waits for."""
        if self._swept:
            return
        self._swept = True
        for result_id in (self._traces.keys() | self._work.on_disk()) - self._entries.keys():
            log.info("Removing what was left of run %d", result_id)
            self._workers.submit(lambda id_=result_id: self._work.sweep(id_))  # type: ignore[misc]
        self._traces.clear()

    def _forget_finished(self) -> None:
        oldest = self._clock() - _MEMORY_OF_FINISHED
        self._finished = {id_: at for id_, at in self._finished.items() if at > oldest}

    def _on_new_task(self, message: NewTask) -> None:
        self._ask(message.task_id)

    def _on_runs_killed(self, message: RunsKilled) -> None:
        """Ask about runs that are said to be stopped: what the server's database says counts."""
        for result_id in self._entries.keys() & message.result_ids:
            self._calls.submit(lambda id_=result_id: self._confirm(id_))  # type: ignore[misc]

    def _on_socket_up(self, _: SocketUp) -> None:
        log.info("Connected to the events of the server")
        self._socket_is_up = True
        # What was announced before is known to the database alone.
        self._next_sync = self._clock()

    def _on_socket_down(self, _: SocketDown) -> None:
        self._socket_is_up = False
        self._next_sync = min(self._next_sync, self._clock() + POLL_WITHOUT_SOCKET)

    def _tell_overrun(self, result_id: int, reason: str) -> None:
        self.tell(Happened(result_id, state.Overrun(reason)))

    # The engine

    def _look(self) -> None:
        looked_at = self._clock()
        self._calls.submit(lambda: self._look_now(looked_at))

    def _look_now(self, looked_at: float) -> None:
        """See which containers there are; on a worker thread."""
        try:
            self.tell(Looked(self._runner.look(), looked_at))
        except RunnerError as error:
            log.warning("%s", error)

    def _on_looked(self, message: Looked) -> None:
        """Find the ends that no event told us about."""
        for result_id, entry in list(self._entries.items()):
            running = message.traces.get(result_id) is Trace.RUNNING
            stale = entry.changed_at > message.looked_at
            if entry.run.phase is Phase.RUNNING and not running and not stale:
                self._advance(result_id, state.Exited())

    def _on_container_ended(self, message: ContainerEnded) -> None:
        self._advance(message.result_id, state.Exited())

    def _on_engine_back(self, _: EngineBack) -> None:
        self._look()

    # Runs

    def _fill_places(self) -> None:
        taken = sum(entry.run.takes_place for entry in self._entries.values())
        waiting = [id_ for id_, e in self._entries.items() if e.run.phase is Phase.WAITING]
        for result_id in sorted(waiting)[: max(0, self._places - taken)]:
            self._advance(result_id, state.Admitted())

    def _on_happened(self, message: Happened) -> None:
        self._advance(message.result_id, message.event)

    def _advance(self, result_id: int, event: Event) -> None:
        entry = self._entries.get(result_id)
        if entry is None:
            return  # the end of a container that was removed with its run
        try:
            entry.run, actions = state.advance(entry.run, event)
        except IllegalTransition as error:
            log.error("%s", error)
            return
        entry.changed_at = self._clock()
        if not isinstance(event, state.Postponed):
            entry.backoff.reset()
        if type(event) in _PHASES:
            entry.timeline.mark(_PHASES[type(event)])
        if isinstance(event, state.Delivered):
            _log_end(entry)
        self._carry_out(entry, actions)
        if entry.run.phase is Phase.DONE:
            self._finished[result_id] = self._clock()
            del self._entries[result_id]

    def _carry_out(self, entry: Entry, actions: tuple[Action, ...]) -> None:
        for action in actions:
            if isinstance(action, state.Later):
                self._postpone(entry, action)
            else:
                self._submit(entry, action)

    def _submit(self, entry: Entry, action: Action) -> None:
        assignment = entry.run.assignment

        def work() -> None:
            event = self._work.perform(action, assignment, entry.timeline)
            if event is not None:
                self.tell(Happened(assignment.result_id, event))

        self._workers.submit(work)

    def _postpone(self, entry: Entry, later: state.Later) -> None:
        pause = entry.backoff.pause()
        name = type(later.action).__name__
        log.warning(
            "%s: %s; trying again in %.0f s: %s", entry.run.assignment, name, pause, later.reason
        )
        due = self._clock() + pause
        result_id = entry.run.assignment.result_id
        item = (due, next(self._numbers), result_id, entry.run.phase, later.action)
        heapq.heappush(self._later, item)

    def _repeat_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= self._clock():
            *_, result_id, phase, action = heapq.heappop(self._later)
            entry = self._entries.get(result_id)
            if entry is not None and entry.run.phase is phase:
                self._submit(entry, action)

    def _on_fatal(self, message: Fatal) -> None:
        raise message.error


def _log_end(entry: Entry) -> None:
    """One line per run: how it ended, the reason if it failed, and what took how long."""
    report = entry.run.report
    reason = report.log.partition("\n")[0] if report and is_failure(report.status) else ""
    ending = f"{entry.run.status}: {reason}" if reason else entry.run.status
    log.info("%s: %s (ms: %s)", entry.run.assignment, ending, entry.timeline)


_HANDLERS: dict[type, Callable[[Daemon, Any], None]] = {
    Happened: Daemon._on_happened,
    Synced: Daemon._on_synced,
    SyncFailed: Daemon._on_sync_failed,
    Looked: Daemon._on_looked,
    Fatal: Daemon._on_fatal,
    NewTask: Daemon._on_new_task,
    RunsKilled: Daemon._on_runs_killed,
    SocketUp: Daemon._on_socket_up,
    SocketDown: Daemon._on_socket_down,
    ContainerEnded: Daemon._on_container_ended,
    EngineBack: Daemon._on_engine_back,
}
