"""Results: what nodes report of their runs."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus, check_move, is_final
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Result
from vantage6.server.model.base import now
from vantage6.server.service import claim as claims
from vantage6.server.service import event, kill, payload, settling
from vantage6.server.service.own_run import OwnRun
from vantage6.server.service.payload import Given
from vantage6.server.service.task import check_encryption


def report(session: Session, run: OwnRun, news: Mapping[str, Any]) -> None:
    """Take over what a node says about a run.

    Raises
    ------
    BadRequest
        When the run has ended already, or the report contradicts itself.
    Conflict
        When another process of the node has the run.
    IllegalTransition
        When the run cannot get from its state to the reported one.
    """
    news = dict(news)
    claim = news.pop("claim", None)
    if news.pop("stopped", False):
        kill.confirm(session, run, claim)
        return
    if run.complete:
        raise BadRequest("The run has finished already")
    news |= claims.taken_by(claim, run)
    status = news.get("status") or _status_of_classic_report(run, news)
    check_move(run.status, status)
    if news.get("result"):
        check_encryption(run.task.collaboration, [news["result"]])
    moments = _moments(run, status, news)
    is_change = status is not run.status
    if "result" in news:
        news |= payload.columns(session, "result", news["result"])
    run.write(session, {**news, **moments, "status": status})
    if run.complete and run.task.is_limited:
        result = session.get_one(Result, run.id)
        settling.note_ends(session, [result])
        run.late = result.late
    if is_change or run.complete:
        event.record(session, event.result_status(run))


def _status_of_classic_report(run: OwnRun, news: Mapping[str, Any]) -> TaskStatus:
    """The state behind a report that has timestamps only, as nodes of the classic line send it."""
    if "finished_at" in news:
        is_success = not run.exit_code and not _is_empty(news.get("result"))
        return TaskStatus.COMPLETED if is_success else TaskStatus.FAILED
    if "started_at" in news and run.status is TaskStatus.PENDING:
        return TaskStatus.ACTIVE
    status: TaskStatus = run.status
    return status


def _is_empty(text: Given) -> bool:
    """Whether a result holds nothing: that is how the classic node shows most failures.

    Where results are encrypted, the last part of the envelope is the payload.
    """
    return not text or (isinstance(text, str) and text.endswith("$"))


def _moments(run: OwnRun, status: TaskStatus, news: Mapping[str, Any]) -> dict[str, Any]:
    """The moments that the report left out, but that its state calls for."""
    if not is_final(status):
        if "finished_at" in news:
            raise BadRequest(f"A run that is {status.value!r} has not finished")
        is_start = status is TaskStatus.ACTIVE and not run.started_at
        return {"started_at": now()} if is_start and "started_at" not in news else {}
    at = now()
    return {"finished_at": news.get("finished_at") or at, "ended_at": at}
