"""Carries out the actions of the state machine; runs on worker threads.

Each action is done for one run and gives the event that came of it. Nothing is remembered
between actions: what matters is on disk, in the engine, or at the server, so that it can be
taken up again by the next process. How a run ended is in the journal before anybody acts on it.
Starting, collecting and delivering have rooms of their own.
"""

import errno
import logging
import threading
from pathlib import Path

from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Assignment
from vantage6.node.audit import AuditUnavailable
from vantage6.node.audit.runs import RunAudit
from vantage6.node.collection import Collection
from vantage6.node.delivery import Delivery
from vantage6.node.envelopes import Envelopes
from vantage6.node.journal import Journal, JournalError, Record
from vantage6.node.launch import Launch
from vantage6.node.outbound.outbound import Outbound
from vantage6.node.proxy import Proxy
from vantage6.node.readmission import Readmission
from vantage6.node.reports import DEFINITE, failure
from vantage6.node.runner.interface import EngineUnreachable, Runner, RunnerError
from vantage6.node.server import ApiKeyRefused, Server
from vantage6.node.settings import Settings
from vantage6.node.state import (
    Abandon,
    Action,
    Broken,
    Clean,
    Cleaned,
    Collect,
    Collected,
    Deliver,
    Event,
    Postponed,
    Readmit,
    Refused,
    Rejected,
    Release,
    Released,
    Start,
    Started,
    Unreleased,
)
from vantage6.node.timeline import Timeline
from vantage6.node.usage import Disk
from vantage6.node.watchdog import Watchdog
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace

# What will be better some time, so that the action is repeated until then.
_PASSING = (ServerUnreachable, EngineUnreachable, ApiKeyRefused, AuditUnavailable, JournalError)
_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

log = logging.getLogger(__name__)


class RunWork:
    """Carries out actions for runs; see the module."""

    def __init__(
        self,
        server: Server,
        runner: Runner,
        proxy: Proxy,
        workspace: Workspace,
        journal: Journal,
        envelopes: Envelopes,
        settings: Settings,
        calls: Workers,
        audit: RunAudit,
    ) -> None:
        self._audit = audit
        self._runner, self._proxy, self._workspace = runner, proxy, workspace
        self._journal, self._server = journal, server
        self._delivery = Delivery(server, workspace, envelopes, settings, self._audit)
        self._outbound = Outbound(runner, workspace, settings.services)
        self._collection = Collection(
            runner, proxy, self._outbound, workspace, settings, self._audit
        )
        self._launch = Launch(
            server,
            runner,
            proxy,
            self._outbound,
            workspace,
            envelopes,
            settings,
            calls,
            self._audit,
        )
        self._readmission = Readmission(
            server, runner, proxy, self._outbound, workspace, settings, calls
        )
        self._is_closed = False
        self._making_room = threading.Lock()
        self._disk = Disk(workspace.root, settings.kept_free)
        self.watchdog = Watchdog(runner, workspace, settings, self._disk)

    def perform(self, action: Action, assignment: Assignment, timeline: Timeline) -> Event | None:
        """Carry out one action and say what came of it; never raises."""
        try:
            return self._noted(assignment, self._perform(action, assignment, timeline))
        except Exception as error:  # noqa: BLE001 - becomes an event, and a line in the log
            return self._in_trouble(action, assignment, error)

    def _noted(self, assignment: Assignment, event: Event | None) -> Event | None:
        """The event, once the report in it cannot be lost any more with this process."""
        if isinstance(event, Refused | Collected | Rejected | Broken):
            if self._is_closed:
                # Our own doing, perhaps, and no end of the run: the next process looks again.
                return Postponed("The node stops")
            self._journal.end(assignment, event.report)
        return event

    def _in_trouble(self, action: Action, assignment: Assignment, error: Exception) -> Event | None:
        """What becomes of a run when an action could not be carried out."""
        passes = _passes(error)
        if not passes:
            log.error("%s: %s failed", assignment, type(action).__name__, exc_info=error)
        match action:
            case Readmit() | Abandon():
                return None  # it runs on, without a way to the server
            case Release():
                return Unreleased(str(error))
            case _ if passes:
                return Postponed(str(error))
        reason = f"The node met an error that it does not know ({_kind(error)}); its log says more"
        broken = Broken(failure(TaskStatus.UNKNOWN_ERROR, reason))
        if isinstance(action, Clean):
            return broken
        try:
            return self._noted(assignment, broken)
        except JournalError as again:
            return Postponed(str(again))

    def _perform(self, action: Action, assignment: Assignment, timeline: Timeline) -> Event | None:
        match action:
            case Start():
                return self._start(assignment, timeline)
            case Readmit():
                self.watchdog.follow(assignment, self._runner.age(assignment.result_id))
                self._readmission.readmit(assignment)
                return None
            case Collect(overrun):
                self.watchdog.leave(assignment.result_id)
                return self._collection.collect(assignment, overrun)
            case Deliver(report):
                return self._delivery.deliver(assignment, report)
            case Release():
                return self._release(assignment)
            case Clean(confirm):
                return self._clean(assignment, confirm)
            case Abandon():
                self._launch.abandon(assignment.result_id)
                return None
        raise TypeError(f"{action} cannot be carried out")

    def _start(self, assignment: Assignment, timeline: Timeline) -> Event:
        """Start a run where there is room for it; from then on the watchdog looks after it."""
        self._journal.begin(assignment)
        if self._disk.is_short:
            self._make_room()
        if self._disk.is_short:
            return Postponed("The disk of this node is nearly full; nothing more begins")
        event = self._launch.start(assignment, timeline)
        if isinstance(event, Started):
            self.watchdog.follow(assignment)
        return event

    def _make_room(self) -> None:
        """Delete what rounds left that no run here needs now, the largest first.

        Nothing else would: an algorithm could fill the disk a little with each of its tasks.
        """
        with self._making_room:
            used = [record.assignment for record in self._journal.records()]
            for folder in self._workspace.left_temporary(used):
                if not self._disk.is_short:
                    return
                log.warning("The disk is nearly full: what run id %s shared goes", folder.name)
                self._remove_folder(folder)

    def _release(self, assignment: Assignment) -> Event:
        """Free the engine of a run that may be delivered late; make safe what is, before."""
        self._workspace.outbox.secure(assignment.result_id)
        self._journal.secure()
        self._remove(assignment.result_id)
        return Released()

    def _clean(self, assignment: Assignment, confirm: bool) -> Event:
        self._remove(assignment.result_id)
        if confirm:
            self.confirm_stop(assignment.result_id)
            self._audit.stopped(assignment)
        self._workspace.remove_temporary(assignment)
        self._audit.forget(assignment.result_id)
        self._strike_out(assignment.result_id)
        return Cleaned()

    def _strike_out(self, result_id: int) -> None:
        """Forget a run; an output without a row is swept, the other way round it is missed."""
        self._journal.forget(result_id)
        self._workspace.outbox.discard(result_id)

    # What earlier processes left

    def records(self) -> list[Record]:
        """The runs of earlier processes that are not over."""
        return self._journal.records()

    def on_disk(self) -> set[int]:
        """The runs of which there is anything."""
        return self._workspace.results() | {
            record.assignment.result_id for record in self._journal.records()
        }

    def confirm_stop(self, result_id: int) -> None:
        """Tell the server that nothing of a killed run is left here; of others it knows better."""
        try:
            self._server.confirm_stop(result_id)
        except ServerError as error:
            if error.status not in DEFINITE:
                raise
            log.debug("The end of run %d need not be confirmed: %s", result_id, error)

    def sweep(self, result_id: int) -> bool:
        """Remove what is left of a run that nobody waits for; False when that did not succeed."""
        try:
            self._remove(result_id)
            if record := self._journal.record(result_id):
                self._workspace.remove_temporary(record.assignment)
            self.confirm_stop(result_id)
            self._strike_out(result_id)
        except (RunnerError, ServerError, ServerUnreachable, JournalError, OSError) as error:
            log.warning("What is left of run %d stays for now: %s", result_id, error)
            return False
        return True

    def close(self) -> None:
        """Let no algorithm speak to the server any more; no run ends here from now on."""
        self._is_closed = True
        self.watchdog.close()
        self._proxy.close()
        for result_id, passed in self._outbound.close_all().items():
            self._audit.disconnected(result_id, [traffic.facts() for traffic in passed])
        self._audit.close()

    def _remove(self, result_id: int) -> None:
        self.watchdog.leave(result_id)
        self._proxy.dismiss(result_id)
        if passed := self._outbound.close(result_id):
            # It was not collected: killed, most likely.
            self._audit.disconnected(result_id, [traffic.facts() for traffic in passed])
        self._runner.remove(result_id)
        self._workspace.inbox.discard(result_id)
        self._remove_folder(self._workspace.folder(result_id))

    def _remove_folder(self, folder: Path) -> None:
        try:
            self._workspace.remove_tree(folder)
        except PermissionError:
            # The algorithm ran as a user of its image and made folders of its own.
            self._runner.empty(folder)
            self._workspace.remove_tree(folder)


def _kind(error: Exception) -> str:
    """What went wrong, for the researcher: the error's own words may name paths of the house."""
    words = error.strerror if isinstance(error, OSError) else None
    return words or type(error).__name__


def _passes(error: Exception) -> bool:
    """Whether trouble will be over some time: somebody is away, or the disk is full."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    if isinstance(error, ServerError):
        return error.status not in DEFINITE
    return isinstance(error, _PASSING)
