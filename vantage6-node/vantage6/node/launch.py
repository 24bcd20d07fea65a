"""From an assignment to a running container; or to the reason why there is none."""

import logging
from concurrent.futures import Future

from vantage6.common.exceptions import ServerError, ServerUnreachable
from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Assignment
from vantage6.node.audit.runs import RunAudit
from vantage6.node.delivery import is_over
from vantage6.node.envelopes import Envelopes, claimed_origin
from vantage6.node.fetching import Abandoned, Fetching
from vantage6.node.outbound.outbound import Outbound
from vantage6.node.permission import Permission, Permit
from vantage6.node.preparation import Preparation
from vantage6.node.proxy import Proxy
from vantage6.node.refusals import NoStart, no_start
from vantage6.node.reports import DEFINITE, failure, now
from vantage6.node.runner.interface import Runner
from vantage6.node.server import Server
from vantage6.node.settings import Settings
from vantage6.node.state import Event, Gone, Postponed, Refused, Started
from vantage6.node.timeline import Timeline
from vantage6.node.workers import Workers
from vantage6.node.workspace import Workspace

log = logging.getLogger(__name__)


class Launch:
    """Starts runs.

    Parameters
    ----------
    server, runner, proxy, outbound, workspace, envelopes, settings : object
        Those of the node.
    calls : Workers
        For calls to the server beside the work on the container.
    audit : RunAudit
        No container starts before its line is written.
    """

    def __init__(
        self,
        server: Server,
        runner: Runner,
        proxy: Proxy,
        outbound: Outbound,
        workspace: Workspace,
        envelopes: Envelopes,
        settings: Settings,
        calls: Workers,
        audit: RunAudit,
    ) -> None:
        self._server, self._runner, self._proxy = server, runner, proxy
        self._outbound, self._workspace = outbound, workspace
        self._calls, self._audit = calls, audit
        self._permission = Permission(server, runner, envelopes, settings, workspace.inbox)
        self._preparation = Preparation(runner, outbound, workspace, settings, calls, audit)
        self._fetching = Fetching()

    def start(self, assignment: Assignment, timeline: Timeline) -> Event:
        """Check the run, make its container and start it."""
        try:
            if not self._runner.has_started(assignment.result_id):
                self._launch(assignment, timeline)
        except Abandoned:
            return Gone()
        except ServerError as error:
            return self._refused_by_server(assignment, error)
        except Exception as error:
            end = no_start(error)
            if end is None:
                raise
            return self._refuse(assignment, end)
        finally:
            self._fetching.forget(assignment.result_id)
        return Started()

    def abandon(self, result_id: int) -> None:
        """Have a start that is under way end soon, if it can."""
        self._fetching.abandon(result_id)

    def _refused_by_server(self, assignment: Assignment, error: ServerError) -> Event:
        if error.status not in DEFINITE:
            return Postponed(str(error))
        if is_over(self._server, assignment, error):
            return Gone()
        reason = f"The server refused what the run needs to start: {error}"
        return self._refuse(assignment, NoStart(TaskStatus.START_FAILED, reason))

    def _refuse(self, assignment: Assignment, end: NoStart) -> Event:
        origin = end.origin or claimed_origin(assignment)
        self._audit.not_started(assignment, origin, end.status.value, end.reason, end.rule)
        return Refused(failure(end.status, end.reason))

    def _launch(self, assignment: Assignment, timeline: Timeline) -> None:
        """From an assignment to a running container; calls to the server run beside it."""
        self._permission.check_name(assignment.image)
        token = self._calls.submit(lambda: self._token(assignment))
        claimed = self._calls.submit(lambda: self._claim(assignment))
        reader = self._calls.submit(lambda: self._permission.check_reader(assignment))
        permit = self._ask(assignment)
        timeline.mark("image")
        ways = self._preparation.make(assignment, permit, timeline)
        self._outbound.open(assignment, ways)
        reader.result()
        claimed.result()
        self._admit(assignment, token.result())
        timeline.mark("token")
        told = self._calls.submit(lambda: self._tell(assignment, TaskStatus.ACTIVE, now()))
        self._runner.start(assignment.result_id)
        timeline.mark("start")
        _log_lost(told, assignment)

    def _token(self, assignment: Assignment) -> str:
        """The token for the container of a run; one that was taken came with it."""
        if assignment.container_token:
            return assignment.container_token
        return self._server.container_token(assignment.task_id, assignment.image)

    def _claim(self, assignment: Assignment) -> None:
        """Have a run for this process alone; one that was taken is claimed."""
        if not assignment.container_token:
            self._server.claim_run(assignment.result_id)

    def _ask(self, assignment: Assignment) -> Permit:
        """The permission for a run, and with it the image that may run."""
        asked = self._permission.open(assignment)
        self._preparation.check_database(assignment)
        image = self._fetching.wait(
            assignment.result_id,
            lambda: self._permission.find_image(asked, lambda: self._tell_fetching(assignment)),
        )
        return self._permission.grant(asked, image)

    def _admit(self, assignment: Assignment, token: str) -> None:
        """Let the container speak to our proxy, in the name of its token."""
        self._workspace.write_token(assignment, token)
        folder = self._runner.sandbox(assignment.result_id)
        self._proxy.admit(assignment.result_id, folder, token)

    def _tell_fetching(self, assignment: Assignment) -> None:
        log.info("%s: fetching the image %s", assignment, assignment.image)
        if not assignment.container_token:
            # One that was taken is known to begin.
            self._tell(assignment, TaskStatus.INITIALIZING)

    def _tell(
        self, assignment: Assignment, status: TaskStatus, started_at: str | None = None
    ) -> None:
        """Tell the progress once: the report at the end says all of it again."""
        try:
            self._server.tell_progress(assignment.result_id, status, started_at)
        except (ServerError, ServerUnreachable) as error:
            log.warning("%s: the server was not told that it is %s: %s", assignment, status, error)


def _log_lost(told: "Future[None]", assignment: Assignment) -> None:
    """Wait for a call that ran beside; what it raises is no reason to stop a started run."""
    error = told.exception()
    if error:
        log.warning("%s: telling the server of its start failed: %s", assignment, error)
