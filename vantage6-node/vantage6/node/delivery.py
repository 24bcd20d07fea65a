"""From a report to the server's acknowledgement."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from vantage6.common.client.ability import Uploads
from vantage6.common.exceptions import EncryptionError, ServerError, Vantage6Error
from vantage6.common.sealed import Sealed
from vantage6.common.wire import SMALL
from vantage6.node.assignment import Assignment, Report
from vantage6.node.audit.runs import RunAudit
from vantage6.node.envelopes import Envelopes
from vantage6.node.outbox import OutputUnusable
from vantage6.node.reports import DEFINITE, as_failure
from vantage6.node.server import Server
from vantage6.node.settings import Settings
from vantage6.node.state import Delivered, Event, Gone, Postponed, Rejected
from vantage6.node.workspace import Workspace

# How the server answers where there is no such upload
_GONE = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE})

log = logging.getLogger(__name__)


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
            self._deliver(assignment, report)
        except _UploadGone as error:
            # Perhaps the run is final, and only the answer that said so was lost.
            if not self._server.wants(assignment.result_id):
                return Gone()
            return Postponed(str(error))
        except (OutputUnusable, EncryptionError) as error:
            return Rejected(as_failure(report, str(error)))
        except ServerError as error:
            if error.status not in DEFINITE:
                return Postponed(str(error))
            if is_over(self._server, assignment, error):
                return Gone()
            return Rejected(as_failure(report, f"The server does not take the result: {error}"))
        return Delivered()

    def _deliver(self, assignment: Assignment, report: Report) -> None:
        if not report.has_output:
            self._audit.leaves(assignment, report)
            self._server.deliver(assignment.result_id, report, b"")
            return
        id_, outbox = assignment.result_id, self._workspace.outbox
        size = outbox.source(id_).size
        self._audit.leaves(assignment, report, size, outbox.digest(id_))
        uploads = self._server.uploads() if size > SMALL else None
        if uploads and (upload_id := self._upload(assignment, uploads)) is not None:
            self._server.deliver(id_, report, b"", upload_id)
        else:
            result = self._envelopes.seal_result(assignment, outbox.read(id_))
            self._server.deliver(id_, report, result)

    def _upload(self, assignment: Assignment, uploads: Uploads) -> int | None:
        """Send a large output, from where an earlier attempt or process came to.

        Returns
        -------
        int or None
            The upload; None where it is not so large that the server wants one.
        """
        id_, outbox = assignment.result_id, self._workspace.outbox
        upload_id, sealed = self._begun(assignment) or (None, None)
        if upload_id is None or sealed is None:
            sealed = self._seal(assignment, None)
            if sealed.size <= uploads.start:
                return None
            # A power cut must not leave another output than the one that this key has seen.
            outbox.secure(id_)
            upload_id = self._server.begin_upload(sealed)
            self._keep(assignment, upload_id, sealed.state())
        try:
            self._server.send_upload(upload_id, sealed)
        except ServerError as error:
            if error.status not in _GONE:
                raise
            outbox.forget_upload(id_)
            raise _UploadGone(f"The upload of the result begins anew: {error}") from error
        return upload_id

    def _begun(self, assignment: Assignment) -> tuple[int, Sealed] | None:
        """The upload of an earlier attempt, and the same envelope as then."""
        id_, outbox = assignment.result_id, self._workspace.outbox
        kept = outbox.upload(id_)
        if kept is None or kept.get("sha256") != outbox.digest(id_):
            return None
        try:
            return int(kept["upload"]), self._seal(assignment, kept)
        except (EncryptionError, KeyError, TypeError, ValueError) as error:
            log.warning("The upload of result %d begins anew: %s", id_, error)
            return None

    def _seal(self, assignment: Assignment, kept: Mapping[str, Any] | None) -> Sealed:
        source = self._workspace.outbox.source(assignment.result_id)
        state = None if kept is None else dict(kept["sealed"])
        return self._envelopes.sealed_result(assignment, source, state, self._keeping(assignment))

    def _keeping(self, assignment: Assignment) -> Callable[[dict[str, str]], None]:
        """What keeps the state of an envelope once it has its signature."""

        def keep(state: dict[str, str]) -> None:
            if kept := self._workspace.outbox.upload(assignment.result_id):
                self._keep(assignment, kept["upload"], state)

        return keep

    def _keep(self, assignment: Assignment, upload_id: int, state: dict[str, str]) -> None:
        outbox = self._workspace.outbox
        digest = outbox.digest(assignment.result_id)
        kept = {"upload": upload_id, "sha256": digest, "sealed": state}
        outbox.keep_upload(assignment.result_id, kept)


class _UploadGone(Vantage6Error):
    """The server does not know an upload any more."""


def is_over(server: Server, assignment: Assignment, error: ServerError) -> bool:
    """Whether a refusal means that the run is not ours, or not any more."""
    return error.status == HTTPStatus.CONFLICT or not server.wants(assignment.result_id)
