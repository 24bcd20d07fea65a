"""The node: one loop over one queue, one stop flag, teardown whatever happens.

Threads only feed the queue: the socket, the engine's events, the workers, the clock. All that
is decided about runs is decided in `state.py`; all that is done, in `work.py`.
"""

import heapq
import itertools
import logging
import queue
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Protocol

from vantage6.common.exceptions import IllegalTransition
from vantage6.common.retry import Backoff
from vantage6.common.task_status import is_failure
from vantage6.node import state
from vantage6.node.assignment import Assignment, Report
from vantage6.node.inquiry import Inquiry
from vantage6.node.messages import (
    Fatal,
    Happened,
    Killed,
    LeftBehind,
    Listed,
    LoggedIn,
    Looked,
    ServerAway,
    Synced,
    Taken,
)
from vantage6.node.places import Places
from vantage6.node.runner.interface import ContainerEnded, EngineBack, Runner, RunnerError
from vantage6.node.server import Identity, Server
from vantage6.node.socket import NewTask, RunsKilled, SocketDown, SocketUp
from vantage6.node.state import Action, Event, Phase, Run, Trace
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
    recall : callable
        Gives who we were at our last log-in, and what does the work; None before the first.
    settle : callable
        From who we are at the server to what does the work, the same as recalled where that
        is still true; raises what makes it impossible, such as a key that is missing.
    listener : callable
        From where to tell news to a Listener.
    workers, calls : Workers
        For actions on runs, and for short calls that such an action may wait for.
    places : int
        How many runs go on side by side; of subtasks, as many more.
    kill_on_exit : bool
        Whether containers are killed at the end rather than left to the next start.
    on_ready : callable
        Called when the server knows us, and we take tasks.
    clock : callable
        Seconds that only go forward.
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        recall: Callable[[], tuple[Identity, RunWork] | None],
        settle: Callable[[Identity], RunWork],
        listener: Callable[[Callable[[Any], None]], Listener],
        workers: Workers,
        calls: Workers,
        *,
        places: int,
        kill_on_exit: bool = False,
        on_ready: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._server, self._runner = server, runner
        self._recall, self._settle = recall, settle
        self._workers, self._calls = workers, calls
        self._places, self._kill_on_exit, self._clock = Places(places), kill_on_exit, clock
        self._on_ready = on_ready
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._inquiry = Inquiry(server, runner, calls, self.tell, clock)
        self._listener = listener(self.tell)
        self._work: RunWork | None = None
        self._identity: Identity | None = None
        self._stopping = False
        self._entries: dict[int, Entry] = {}
        self._finished: dict[int, float] = {}
        self._traces: dict[int, Trace] = {}
        self._later: list[tuple[float, int, int, Action]] = []
        self._numbers = itertools.count()
        self._socket_is_up = self._syncing = False
        # Runs of earlier processes of which there still is something to be removed; None until
        # the server has said which of them nobody waits for.
        self._left: set[int] | None = None
        # Whether we are being given runs just now, and whether there may be more to be had: of
        # any kind, and of subtasks.
        self._taking = self._more = self._more_subtasks = False
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
        self._take_more()

    # From start to end

    def _open(self) -> None:
        """Take up what an earlier process left, where we know who we are without the server."""
        self._runner.connect()
        if known := self._recall():
            _, work = known
            self._take_up(work)

    def _take_up(self, work: RunWork) -> None:
        """Go on with what the engine and the journal hold of earlier processes."""
        self._work = work
        self._traces = self._runner.open(self.tell)
        work.watchdog.start(self._tell_overrun)
        for record in work.records():
            assignment = record.assignment
            trace = self._traces.get(assignment.result_id, Trace.NOTHING)
            if record.report or trace in (Trace.RUNNING, Trace.EXITED):
                self._begin(assignment, record.report)

    def _on_logged_in(self, message: LoggedIn) -> None:
        log.info("Logged in as %s", message.identity)
        self._sync_backoff.reset()
        if self._work is None:
            self._take_up(message.work)
        elif self._work is not message.work:
            log.warning("This node has another place at the server than before")
            self._work.close()
            message.work.watchdog.start(self._tell_overrun)
        self._work, self._identity = message.work, message.identity
        self._syncing = False
        self._next_sync = self._clock()
        self._listener.start()
        self._on_ready()

    def _close(self) -> None:
        self._listener.close()
        self._workers.stop(_GRACE)
        self._calls.stop(_GRACE)
        if self._work is not None:
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
        """Ask the server for all there is to do; or who we are, as long as it did not say."""
        self._next_sync = self._clock() + (
            POLL_WITH_SOCKET if self._socket_is_up else POLL_WITHOUT_SOCKET
        )
        if self._syncing:
            return
        self._syncing = True
        if self._identity is None:
            self._inquiry.log_in(self._settle)
            return
        if self._server.gives:
            self._more = self._more_subtasks = True
            self._take_more()
            self._inquiry.compare(self._identity.node_id)
        else:
            self._inquiry.ask(self._identity.node_id, None)
        self._inquiry.look()

    def _take_more(self) -> None:
        """Ask for as many runs as may begin, where there may be some; one question at a time."""
        if self._identity is None or self._taking:
            return
        runs = [entry.run for entry in self._entries.values()]
        room = self._places.free(runs)
        if only_subtasks := room <= 0:
            room = self._places.free_for_subtasks(runs)
        if room <= 0 or not (self._more_subtasks if only_subtasks else self._more):
            return
        self._taking, self._more_subtasks = True, False
        self._more = self._more and only_subtasks
        self._inquiry.take(room, frozenset(self._entries), only_subtasks=only_subtasks)

    def _on_synced(self, message: Synced) -> None:
        self._sync_backoff.reset()
        for assignment in message.runs:
            self._take(assignment, message.asked_at)
        if message.complete:
            self._syncing = False
            listed = {assignment.result_id for assignment in message.runs}
            self._drop_what_is_not_wanted(listed, message.asked_at)
            self._sweep()
            self._forget_finished()

    def _on_taken(self, message: Taken) -> None:
        self._sync_backoff.reset()
        self._taking = False
        if len(message.runs) >= message.limit:
            self._more, self._more_subtasks = self._more or not message.only_subtasks, True
        for assignment in message.runs:
            self._take(assignment, message.asked_at)

    def _on_listed(self, message: Listed) -> None:
        """Compare what the server says that processes of this node have with what is in hand."""
        self._sync_backoff.reset()
        self._syncing = False
        for result_id, holder in message.holders.items():
            if holder not in ("", self._server.claim):
                self._leave(result_id, message.asked_at)
        self._drop_what_is_not_wanted(message.holders.keys(), message.asked_at)
        ours = {id_ for id_, holder in message.holders.items() if holder == self._server.claim}
        if ours - self._entries.keys() - self._finished.keys():
            self._more = self._more_subtasks = True
        self._sweep(ours)
        self._forget_finished()

    def _on_server_away(self, message: ServerAway) -> None:
        self._syncing = self._taking = False
        pause = self._sync_backoff.pause()
        self._next_sync = self._clock() + pause
        wish = "asking for work" if self._identity else "trying to log in"
        log.warning("%s; %s again in %.0f s", message.reason, wish, pause)

    def _take(self, assignment: Assignment, asked_at: float) -> None:
        """Take a run in hand, unless it is already, or was done after the server was asked."""
        result_id = assignment.result_id
        if assignment.claimed_by not in ("", self._server.claim):
            self._leave(result_id, asked_at)
            return
        if result_id in self._entries or self._finished.get(result_id, -1.0) >= asked_at:
            return
        self._begin(assignment, None)

    def _leave(self, result_id: int, asked_at: float) -> None:
        """Leave a run to another process of this node, and stop what we have of it."""
        entry = self._entries.get(result_id)
        if entry is not None and entry.changed_at < asked_at:
            assignment = entry.run.assignment
            log.warning("%s has been taken over by another process of this node", assignment)
            self._advance(result_id, state.Unwanted())

    def _begin(self, assignment: Assignment, report: Report | None) -> None:
        """Take a run in hand, with what an earlier process left of it."""
        result_id = assignment.result_id
        trace = self._traces.pop(result_id, Trace.NOTHING)
        run, actions = state.begin(assignment, trace, report)
        if run.phase is not Phase.WAITING:
            left = "a report" if report else trace.value
            log.info("%s is taken up again: there is %s", assignment, left)
        entry = Entry(run, self._clock(), self._clock())
        self._entries[result_id] = entry
        self._carry_out(entry, actions)
        if run.phase is Phase.RUNNING:
            # It may have ended before we knew it was ours.
            self._inquiry.look()

    def _drop_what_is_not_wanted(self, listed: Collection[int], asked_at: float) -> None:
        """Ask about runs that the server no longer lists; they may have been deleted."""
        for result_id, entry in self._entries.items():
            idle = entry.run.phase in (Phase.WAITING, Phase.RUNNING)
            if idle and result_id not in listed and entry.taken_at < asked_at:
                self._inquiry.confirm(result_id)

    def _sweep(self, coming: Collection[int] = ()) -> None:
        """Remove what earlier processes left of runs that nobody waits for.

        Parameters
        ----------
        coming : collection of int
            Runs that are ours, and will be given to us again.
        """
        work = self._working()
        if self._left is None:
            self._left = (self._traces.keys() | work.on_disk()).difference(coming)
            self._traces = {id_: trace for id_, trace in self._traces.items() if id_ in coming}
        left, self._left = self._left - self._entries.keys(), set()
        for result_id in left:
            log.info("Removing what was left of run %d", result_id)
            self._workers.submit(lambda id_=result_id: self._sweep_run(work, id_))  # type: ignore[misc]

    def _sweep_run(self, work: RunWork, result_id: int) -> None:
        if not work.sweep(result_id):
            self.tell(LeftBehind(result_id))

    def _on_left_behind(self, message: LeftBehind) -> None:
        """Try again when the server is asked the next time: the engine may be away."""
        assert self._left is not None, "something was swept"
        self._left.add(message.result_id)

    def _forget_finished(self) -> None:
        oldest = self._clock() - _MEMORY_OF_FINISHED
        self._finished = {id_: at for id_, at in self._finished.items() if at > oldest}

    def _on_new_task(self, message: NewTask) -> None:
        if self._server.gives:
            self._more = self._more_subtasks = True
        elif self._identity is not None:
            self._inquiry.ask(self._identity.node_id, message.task_id)

    def _on_runs_killed(self, message: RunsKilled) -> None:
        """Ask about runs that are said to be stopped: what the server's database says counts."""
        for result_id in self._entries.keys() & message.result_ids:
            self._inquiry.confirm(result_id)
        if self._identity is not None and message.result_ids - self._entries.keys():
            self._inquiry.ask_for_killed(self._identity.node_id)

    def _on_killed(self, message: Killed) -> None:
        """Say that nothing is left of runs that were killed before we began them."""
        for result_id in set(message.result_ids) - self._entries.keys():
            if self._left is not None:
                self._submit_confirmation(result_id)

    def _submit_confirmation(self, result_id: int) -> None:
        work = self._working()
        self._calls.submit(lambda: work.confirm_stop(result_id))

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
        self._inquiry.look()

    # Runs

    def _fill_places(self) -> None:
        for result_id in self._places.admitted(entry.run for entry in self._entries.values()):
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
        assignment, work = entry.run.assignment, self._working()

        def perform() -> None:
            event = work.perform(action, assignment, entry.timeline)
            if event is not None:
                self.tell(Happened(assignment.result_id, event))

        self._workers.submit(perform)

    def _working(self) -> RunWork:
        """What does the work; there are no runs before it is known."""
        assert self._work is not None
        return self._work

    def _postpone(self, entry: Entry, later: state.Later) -> None:
        pause = entry.backoff.pause()
        name = type(later.action).__name__
        log.warning(
            "%s: %s; trying again in %.0f s: %s", entry.run.assignment, name, pause, later.reason
        )
        due = self._clock() + pause
        result_id = entry.run.assignment.result_id
        item = (due, next(self._numbers), result_id, later.action)
        heapq.heappush(self._later, item)

    def _repeat_what_is_due(self) -> None:
        while self._later and self._later[0][0] <= self._clock():
            *_, result_id, action = heapq.heappop(self._later)
            entry = self._entries.get(result_id)
            if entry is not None and state.is_due(entry.run, action):
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
    Taken: Daemon._on_taken,
    Listed: Daemon._on_listed,
    LoggedIn: Daemon._on_logged_in,
    ServerAway: Daemon._on_server_away,
    Looked: Daemon._on_looked,
    Fatal: Daemon._on_fatal,
    NewTask: Daemon._on_new_task,
    Killed: Daemon._on_killed,
    LeftBehind: Daemon._on_left_behind,
    RunsKilled: Daemon._on_runs_killed,
    SocketUp: Daemon._on_socket_up,
    SocketDown: Daemon._on_socket_down,
    ContainerEnded: Daemon._on_container_ended,
    EngineBack: Daemon._on_engine_back,
}
