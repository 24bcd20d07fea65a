"""Carries out the actions of the state machine; runs on worker threads.

Each action is done for one run and gives the event that came of it. Nothing is remembered
between actions: what matters is on disk, in the engine, or at the server, so that it can be
taken up again by the next process. Starting, collecting and delivering have rooms of their own.
"""

import logging

from vantage6.common.encryption import DummyCryptor, RSACryptor
from vantage6.common.exceptions import ServerUnreachable
from vantage6.common.task_status import TaskStatus
from vantage6.node.audit import AuditLog, AuditUnavailable
from vantage6.node.audit.runs import RunAudit
from vantage6.node.collection import Collection
from vantage6.node.delivery import Delivery
from vantage6.node.launch import Launch
from vantage6.node.proxy import Proxy
from vantage6.node.reports import failure
from vantage6.node.runner.interface import EngineUnreachable, Runner, RunnerError
from vantage6.node.server import ApiKeyRefused, Server
from vantage6.node.settings import Settings
from vantage6.node.state import (
    Action,
    Assignment,
    Broken,
    Clean,
    Cleaned,
    Collect,
    Deliver,
    Event,
    Postponed,
    Readmit,
    Report,
    Start,
    Started,
)
from vantage6.node.timeline import Timeline
from vantage6.node.usage import Disk
from vantage6.node.watchdog import Watchdog
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace

# What will be better some time, so that the action is repeated until then.
_PASSING = (ServerUnreachable, EngineUnreachable, ApiKeyRefused, AuditUnavailable)

log = logging.getLogger(__name__)


class RunWork:
    """Carries out actions for runs; see the module."""

    def __init__(
        self,
        server: Server,
        runner: Runner,
        proxy: Proxy,
        workspace: Workspace,
        cryptor: RSACryptor | DummyCryptor,
        settings: Settings,
        calls: Workers,
        audit: AuditLog,
    ) -> None:
        self._audit = RunAudit(audit)
        self._runner, self._proxy, self._workspace = runner, proxy, workspace
        self._delivery = Delivery(server, workspace, cryptor, settings, self._audit)
        self._collection = Collection(runner, proxy, workspace, settings, self._audit)
        self._launch = Launch(
            server, runner, proxy, workspace, cryptor, settings, self._delivery, calls, self._audit
        )
        self._disk = Disk(workspace.root, settings.kept_free)
        self.watchdog = Watchdog(runner, workspace, settings, self._disk)

    def perform(self, action: Action, assignment: Assignment, timeline: Timeline) -> Event | None:
        """Carry out one action and say what came of it; never raises."""
        try:
            return self._perform(action, assignment, timeline)
        except _PASSING as error:
            return Postponed(str(error))
        except Exception as error:
            log.exception("%s: %s failed", assignment, type(action).__name__)
            reason = f"The node met an error that it does not know: {type(error).__name__}: {error}"
            return Broken(failure(TaskStatus.UNKNOWN_ERROR, reason))

    def _perform(self, action: Action, assignment: Assignment, timeline: Timeline) -> Event | None:
        match action:
            case Start():
                return self._start(assignment, timeline)
            case Readmit():
                self._launch.readmit(assignment)
                self.watchdog.follow(assignment, self._runner.age(assignment.result_id))
                return None
            case Collect(overrun):
                self.watchdog.leave(assignment.result_id)
                return self._collection.collect(assignment, overrun)
            case Deliver(report):
                return self._delivery.deliver(assignment, report)
            case Clean():
                return self._clean(assignment)
        raise TypeError(f"{action} cannot be carried out")

    def _start(self, assignment: Assignment, timeline: Timeline) -> Event:
        """Start a run where there is room for it; from then on the watchdog looks after it."""
        if self._disk.is_short:
            return Postponed("The disk of this node is nearly full; nothing more begins")
        event = self._launch.start(assignment, timeline)
        if isinstance(event, Started):
            self.watchdog.follow(assignment)
        return event

    def _clean(self, assignment: Assignment) -> Event:
        self._remove(assignment.result_id)
        self._workspace.remove_temporary(assignment)
        self._audit.forget(assignment.result_id)
        return Cleaned()

    # What earlier processes left

    def undelivered(self, result_id: int) -> Report | None:
        """The report of an earlier process that the server has not acknowledged."""
        return self._workspace.load_report(result_id)

    def on_disk(self) -> set[int]:
        """The runs of which there are files."""
        return self._workspace.results()

    def sweep(self, result_id: int) -> None:
        """Remove what is left of a run that nobody waits for."""
        try:
            self._remove(result_id)
        except (RunnerError, OSError) as error:
            log.warning("What is left of run %d stays until the next start: %s", result_id, error)

    def close(self) -> None:
        """Let no algorithm speak to the server any more."""
        self.watchdog.close()
        self._proxy.close()
        self._audit.close()

    def _remove(self, result_id: int) -> None:
        self.watchdog.leave(result_id)
        self._proxy.dismiss(result_id)
        self._runner.remove(result_id)
        try:
            self._workspace.remove(result_id)
        except PermissionError:
            # The algorithm ran as a user of its image and made folders of its own.
            self._runner.empty(self._workspace.folder(result_id))
            self._workspace.remove(result_id)
