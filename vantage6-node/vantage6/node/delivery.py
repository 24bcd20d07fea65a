"""From a report to the server's acknowledgement."""

from http import HTTPStatus

from vantage6.common.client.large import Letters
from vantage6.common.exceptions import EncryptionError, ServerError
from vantage6.node.assignment import Assignment, Report
from vantage6.node.audit.runs import RunAudit
from vantage6.node.envelopes import Envelopes
from vantage6.node.outbox import OutputUnusable
from vantage6.node.reports import DEFINITE, as_failure
from vantage6.node.server import Server
from vantage6.node.settings import Settings
from vantage6.node.state import Delivered, Event, Gone, Postponed, Rejected
from vantage6.node.workspace import Workspace


class Delivery:
    """Sends reports to the server.

    Parameters
    ----------
    server, workspace, envelopes, settings : object
        Those of the node.
    audit : RunAudit
        Nothing leaves before its line is written.
    """

    def __init__(
        self,
        server: Server,
        workspace: Workspace,
        envelopes: Envelopes,
        settings: Settings,
        audit: RunAudit,
    ) -> None:
        self._server, self._workspace = server, workspace
        self._envelopes, self._settings, self._audit = envelopes, settings, audit

    def deliver(self, assignment: Assignment, report: Report) -> Event:
        """Send the report, with its result as only the one who asked can read it."""
        try:
            result = self._result(assignment, report)
            self._server.deliver(assignment.result_id, report, result)
        except (OutputUnusable, EncryptionError) as error:
            return Rejected(as_failure(report, str(error)))
        except ServerError as error:
            if error.status not in DEFINITE:
                return Postponed(str(error))
            if is_over(self._server, assignment, error):
                return Gone()
            return Rejected(as_failure(report, f"The server does not take the result: {error}"))
        return Delivered()

    def _result(self, assignment: Assignment, report: Report) -> Letters:
        """The letters of the result as it goes over the wire; only its initiator can read it."""
        if not report.has_output:
            self._audit.leaves(assignment, report, b"")
            return b""
        output = self._workspace.outbox.read(assignment.result_id)
        self._audit.leaves(assignment, report, output)
        return self._envelopes.seal_result(assignment, output)


def is_over(server: Server, assignment: Assignment, error: ServerError) -> bool:
    """Whether a refusal means that the run is not ours, or not any more."""
    return error.status == HTTPStatus.CONFLICT or not server.wants(assignment.result_id)
