"""What the audit log says about runs; no payload, no token, no path."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from vantage6.common.text import base64s_to_bytes
from vantage6.node.assignment import Assignment, Report
from vantage6.node.audit.chain import sha256
from vantage6.node.audit.log import AuditLog, AuditUnavailable
from vantage6.node.inbox import Input
from vantage6.node.policy import Decision, Origin, Request

# Of a subtask; more than there are members of any collaboration.
_MOST_INPUTS = 1000
# The digest of no bytes at all
NOTHING = sha256(b"")

log = logging.getLogger(__name__)


class RunAudit:
    """Writes the lines about runs.

    Each method returns when its line is on the disk, so it is called before what it tells:
    what cannot be written down does not happen.

    Parameters
    ----------
    log : AuditLog
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        # A result that is sent again and again is told once by each process.
        self._leaving: dict[int, str] = {}

    def allowed(
        self,
        assignment: Assignment,
        request: Request,
        decision: Decision,
        input_: Input,
        databases: Sequence[str],
    ) -> None:
        """A container is about to be made, for whom, of what, on which data, and why it may."""
        self._log.append(
            "run allowed",
            **_about(assignment),
            **_origin(request.origin),
            digests=sorted(request.digests or ()),
            method=request.input.method if request.input else None,
            input_bytes=input_.size,
            input_sha256=input_.sha256,
            databases=list(databases),
            rule=decision.rule,
        )

    def not_started(
        self, assignment: Assignment, origin: Origin, status: str, reason: str, rule: str
    ) -> None:
        """A run ends without a container."""
        self._log.append(
            "run not started",
            **_about(assignment),
            **_origin(origin),
            status=status,
            reason=reason,
            rule=rule,
        )

    def ended(
        self,
        assignment: Assignment,
        report: Report,
        exit_code: int | None,
        connections: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """A container has ended, and this went to and from what it was connected with."""
        self._log.append(
            "run ended",
            **_about(assignment),
            status=report.status.value,
            exit_code=exit_code,
            connections=list(connections),
            started_at=report.started_at,
            finished_at=report.finished_at,
        )

    def subtask(self, result_id: int, image: str, entries: Sequence[Any]) -> None:
        """An algorithm is about to send inputs to other organizations."""
        self._log.append(
            "subtask leaves",
            result_id=result_id,
            image=image,
            inputs=[_sent(entry) for entry in entries[:_MOST_INPUTS]],
            inputs_in_all=len(entries),
        )

    def leaves(
        self, assignment: Assignment, report: Report, size: int = 0, digest: str = NOTHING
    ) -> None:
        """A report is about to leave the house, with a result of so many bytes and this digest."""
        key = f"{digest} {report.status.value}"
        if self._leaving.get(assignment.result_id) == key:
            return
        self._log.append(
            "result leaves",
            **_about(assignment),
            organization_id=assignment.initiator,
            status=report.status.value,
            output_bytes=size,
            output_sha256=digest,
            log_lines=len(report.log.splitlines()),
            log_bytes=len(report.log.encode()),
        )
        self._leaving[assignment.result_id] = key

    def stopped(self, assignment: Assignment) -> None:
        """The server wants a run no more, and nothing of it is left here."""
        self._note("run dropped", **_about(assignment))

    def disconnected(self, result_id: int, connections: Sequence[Mapping[str, Any]]) -> None:
        """A run was killed, or the node stops before it: this went through until now."""
        self._note("connections closed", result_id=result_id, connections=list(connections))

    def close(self) -> None:
        """The node stops."""
        self._note("node stopped")
        self._log.tell_head()

    def _note(self, event: str, **facts: Any) -> None:
        """Write a line that nothing waits for: whatever the disk is like, runs can be killed."""
        try:
            self._log.append(event, **facts)
        except AuditUnavailable as error:
            log.error("%s; what it does not have: %s %s", error, event, facts)

    def forget(self, result_id: int) -> None:
        """Nothing more will be told about a run."""
        self._leaving.pop(result_id, None)


def _sent(entry: Any) -> dict[str, Any]:
    """One input of a subtask, by the digest under which the node that gets it notes it."""
    values = entry if isinstance(entry, dict) else {}
    id_, text = values.get("id"), values.get("input")
    data = _decoded(text) if isinstance(text, str) else b""
    return {"organization_id": str(id_)[:20], "bytes": len(data), "sha256": sha256(data)}


def _decoded(text: str) -> bytes:
    try:
        return base64s_to_bytes(text)
    except ValueError:
        return text.encode()  # plain text, as scripts may send it where nothing is encrypted


def _about(assignment: Assignment) -> dict[str, Any]:
    return {
        "result_id": assignment.result_id,
        "task_id": assignment.task_id,
        "run_id": assignment.run_id,
        "image": assignment.image,
    }


def _origin(origin: Origin) -> dict[str, Any]:
    return {
        "organization_id": origin.organization_id,
        "organization_name": origin.organization_name,
        "user_id": origin.user_id,
        "user_name": origin.user_name,
        "proven": origin.proven,
    }
