"""From the end of a container to a report on its run."""

from vantage6.common.task_status import TaskStatus
from vantage6.node.audit.runs import RunAudit
from vantage6.node.proxy import Proxy
from vantage6.node.reports import failure
from vantage6.node.runner.interface import ContainerMissing, Ending, Runner
from vantage6.node.runner.settings import Limits
from vantage6.node.settings import Settings
from vantage6.node.state import Assignment, Collected, Event, Report
from vantage6.node.workspace import Workspace


class Collection:
    """Finds out how runs ended.

    Parameters
    ----------
    runner, proxy, workspace, settings, audit : object
        Those of the node.
    """

    def __init__(
        self,
        runner: Runner,
        proxy: Proxy,
        workspace: Workspace,
        settings: Settings,
        audit: RunAudit,
    ) -> None:
        self._runner, self._proxy = runner, proxy
        self._workspace, self._settings, self._audit = workspace, settings, audit

    def collect(self, assignment: Assignment) -> Event:
        """Judge the end of a container, and keep the report until it is told."""
        self._proxy.dismiss(assignment.result_id)
        logs = self._settings.logs
        lines = None if logs.share == "always" else logs.lines
        exit_code = None
        try:
            ending = self._runner.ending(assignment.result_id, lines)
        except ContainerMissing:
            report = failure(
                TaskStatus.CRASHED, "The container vanished from the engine before it had ended"
            )
        else:
            report, exit_code = self._judge(assignment, ending), ending.exit_code
        self._audit.ended(assignment, report, exit_code)
        self._workspace.save_report(assignment.result_id, report)
        return Collected(report)

    def _judge(self, assignment: Assignment, ending: Ending) -> Report:
        """What the end of a container means for its run."""
        remark = self._settings.databases.remark(assignment.database)
        return Report(
            status=TaskStatus.CRASHED if ending.exit_code else TaskStatus.COMPLETED,
            log=self._shared_log(ending, remark, self._settings.rules_for(assignment.image).limits),
            finished_at=ending.finished_at,
            started_at=ending.started_at,
            has_output=not ending.exit_code,
        )

    def _shared_log(self, ending: Ending, remark: str, limits: Limits) -> str:
        """What the researcher gets to read: the reason first, the algorithm's words last."""
        logs, failed = self._settings.logs, bool(ending.exit_code)
        shared = logs.share == "always" or (failed and logs.share == "on_failure")
        reason = _reason(ending, limits.memory) if failed else ""
        words = ending.log[-logs.characters :].replace("\0", "").strip() if shared else ""
        return "\n".join(part for part in (remark, reason, words) if part)


def _reason(ending: Ending, memory: int) -> str:
    if ending.out_of_memory:
        return (
            f"The algorithm needed more than the {memory / 2**20:.0f} MiB of memory that this "
            "node allows, and was stopped"
        )
    return f"The algorithm ended with exit code {ending.exit_code}"
