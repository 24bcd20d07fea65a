"""From the end of a container to a report on its run."""

from collections.abc import Sequence

from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Assignment, Report
from vantage6.node.audit.runs import RunAudit
from vantage6.node.outbound.outbound import Outbound, faults
from vantage6.node.outbox import OutputUnusable
from vantage6.node.proxy import Proxy
from vantage6.node.reasons import reason, remark
from vantage6.node.reports import as_failure, failure
from vantage6.node.rules import Limits
from vantage6.node.runner.interface import ContainerMissing, Ending, Runner
from vantage6.node.settings import Settings
from vantage6.node.state import Collected, Event
from vantage6.node.workspace import Workspace


class Collection:
    """Finds out how runs ended.

    Parameters
    ----------
    runner, proxy, outbound, workspace, settings, audit : object
        Those of the node.
    """

    def __init__(
        self,
        runner: Runner,
        proxy: Proxy,
        outbound: Outbound,
        workspace: Workspace,
        settings: Settings,
        audit: RunAudit,
    ) -> None:
        self._runner, self._proxy, self._outbound = runner, proxy, outbound
        self._workspace, self._settings, self._audit = workspace, settings, audit

    def collect(self, assignment: Assignment, overrun: str = "") -> Event:
        """Judge the end of a container, and move its output to where it waits for delivery.

        Parameters
        ----------
        assignment : Assignment
        overrun : str
            Why the container has to end now; empty where it has ended by itself.
        """
        self._proxy.dismiss(assignment.result_id)
        passed = self._outbound.close(assignment.result_id)
        met = faults(passed)
        logs = self._settings.logs
        lines = None if logs.share == "always" else logs.lines
        exit_code = None
        try:
            if overrun:
                self._runner.stop(assignment.result_id)
            ending = self._runner.ending(assignment.result_id, lines)
        except ContainerMissing:
            report = failure(
                TaskStatus.CRASHED, "The container vanished from the engine before it had ended"
            )
        else:
            report = self._judge(assignment, ending, overrun, met)
            exit_code = ending.exit_code
        report = self._take_output(assignment, report)
        connections = [traffic.facts() for traffic in passed]
        self._audit.ended(assignment, report, exit_code, connections)
        return Collected(report)

    def _limits(self, assignment: Assignment) -> Limits:
        digests = self._workspace.read_digests(assignment)
        return self._settings.rules_for(assignment.image, digests).limits

    def _take_output(self, assignment: Assignment, report: Report) -> Report:
        """The report, and the output with it; or why that cannot be sent."""
        if report.has_output:
            try:
                limit = self._limits(assignment).output
                self._workspace.take_output(assignment.result_id, limit)
            except OutputUnusable as error:
                return as_failure(report, str(error))
        return report

    def _judge(
        self, assignment: Assignment, ending: Ending, overrun: str, met: Sequence[str]
    ) -> Report:
        """What the end of a container means for its run."""
        limits = self._limits(assignment)
        status, why = TaskStatus.COMPLETED, remark(ending, limits)
        if overrun:
            status, why = TaskStatus.FAILED, overrun
        elif ending.exit_code:
            status, why = TaskStatus.CRASHED, reason(ending, limits)
        # The last line is taken for the reason.
        remarks = (
            self._workspace.read_remark(assignment),
            self._settings.databases.remark(assignment.database),
            why,
            *met,
        )
        words = self._shared_words(ending, failed=status is not TaskStatus.COMPLETED)
        return Report(
            status=status,
            log="\n".join(part for part in (*remarks, words) if part),
            finished_at=ending.finished_at,
            started_at=ending.started_at,
            has_output=status is TaskStatus.COMPLETED,
        )

    def _shared_words(self, ending: Ending, *, failed: bool) -> str:
        """What the algorithm itself said, as far as the researcher gets to read it."""
        logs = self._settings.logs
        shared = logs.share == "always" or (failed and logs.share == "on_failure")
        return ending.log[-logs.characters :].replace("\0", "").strip() if shared else ""
