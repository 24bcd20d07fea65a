"""Results: read by those who may, reported by the node whose run it is."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import request
from sqlalchemy import ColumnElement, and_, exists, select

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import AlgorithmPort, Model, Node, Result, Task
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import INLINE, equal, one_of, since, until, where
from vantage6.server.schema.base import Embedding, Output
from vantage6.server.schema.result import WITHOUT_PAYLOADS, OwnRunOutput, ResultOutput, ResultReport
from vantage6.server.schema.task import TaskInResultOutput
from vantage6.server.service import own_run, payload, upload
from vantage6.server.service import result as service
from vantage6.server.service.own_run import OwnRun
from vantage6.server.service.staging import Staging

OPEN, CLAIMED, STOPPING = "open", "claimed", "stopping"


def _is_in(state: str) -> ColumnElement[bool]:
    """Whether it has not ended, or is claimed too; or its kill is not yet confirmed by its node."""
    if state == OPEN:
        return Result.finished_at.is_(None)
    if state == CLAIMED:
        return and_(Result.finished_at.is_(None), Result.claim.is_not(None))
    return and_(Result.status == TaskStatus.KILLED, Result.stopped_at.is_(None))


def _is_of_run(run_id: int) -> ColumnElement[bool]:
    return Result.task.has(Task.run_id == run_id)


def _is_of_node(node_id: int) -> ColumnElement[bool]:
    """Whether a node has to run it: one of its organization, in its collaboration."""
    organization = select(Node.organization_id).where(Node.id == node_id).scalar_subquery()
    is_in_collaboration = exists().where(
        Task.id == Result.task_id,
        Task.collaboration_id == Node.collaboration_id,
        Node.id == node_id,
    )
    return and_(Result.organization_id == organization, is_in_collaboration)


FILTERS = {
    "task_id": equal(Result.task_id),
    "organization_id": equal(Result.organization_id),
    "run_id": where(_is_of_run),
    "state": where(_is_in, one_of(OPEN, CLAIMED, STOPPING)),
    "node_id": where(_is_of_node),
    "port": where(lambda port: Result.ports.any(AlgorithmPort.port == port)),
    "assigned_from": since(Result.assigned_at),
    "assigned_till": until(Result.assigned_at),
    "started_from": since(Result.started_at),
    "started_till": until(Result.started_at),
    "finished_from": since(Result.finished_at),
    "finished_till": until(Result.finished_at),
}

INCLUDES = {
    "task": "The task in the place of the link to it",
    "payload": "Input, result and log, which lists leave empty unless they are about one task, "
    "or about the open runs of one node",
}


class ResultResource(Resource):
    """What the resources of results share: showing tasks within results."""

    def output(self, **options: Any) -> Output:
        """The schema of results, with their tasks where the request asks for them."""
        embed: dict[str, Embedding] = {}
        if self.includes("task"):
            embed["task"] = self._tasks_of
        return super().output(embed=embed, inline=self.optional("inline"), **options)

    def _tasks_of(self, results: Sequence[Model]) -> Mapping[int, dict[str, Any]]:
        """The tasks of some results, as far as the caller may see tasks."""
        if not results:
            # Most nodes that ask find nothing.
            return {}
        task_ids = {result.id: result.task_id for result in results if isinstance(result, Result)}
        query = self.visible(select(Task).where(Task.id.in_(set(task_ids.values()))))
        tasks = self.session.scalars(query).all()
        shown = TaskInResultOutput(self.session, self.identity).dump(tasks, many=True)
        by_id = {task["id"]: task for task in shown}
        return {id_: by_id[task_id] for id_, task_id in task_ids.items() if task_id in by_id}


class Results(ResultResource):
    """All results."""

    route = "/result"

    @contract(
        gives=ResultOutput,
        shape=Shape.PAGE,
        filters=FILTERS,
        includes=INCLUDES,
        arguments={"inline": INLINE},
    )
    def get(self) -> Answer:
        """List the results that the caller may see, the newest first."""
        query = self.filtered(self.visible(select(Result)))
        if self._asks_for_payload():
            return self.page(query, newest_first=True)
        schema = self.output(payload=False)
        return self.page(query.options(*WITHOUT_PAYLOADS), schema, newest_first=True)

    def _asks_for_payload(self) -> bool:
        """Whether inputs and results are asked for; clients and nodes ask with these filters."""
        asked = request.args
        of_node = "node_id" in asked and asked.get("state") == OPEN
        return self.includes("payload") or "task_id" in asked or of_node


class OneResult(ResultResource):
    """One result."""

    route = "/result/<id>"
    takes_data = True

    @contract(gives=ResultOutput, includes=INCLUDES, arguments={"inline": INLINE})
    def get(self, id: int) -> Answer:
        """Show a result."""
        return self.show(self.load(Operation.VIEW, Result, id))

    @contract(takes=ResultReport, partial=True, gives=(ResultOutput, OwnRunOutput), refusals=(409,))
    def patch(self, id: int) -> Answer:
        """Report how a run is doing, or what came out of it.

        Whoever claims the run is answered with less: input and result empty, and no node.
        """
        run = own_run.load(self.session, self.identity, id)
        news = self.read()
        # Else it is told that it has, also when it repeats what was answered and got lost.
        if not run.complete:
            self._use_upload(run, news)
        service.report(self.session, run, news)
        if "claim" in news:
            return self.show(run, OwnRunOutput(self.session, self.identity, payload=False))
        result = self.session.get_one(Result, id)
        return self.show(result, ResultOutput(self.session, self.identity))

    def stage(self, staging: Staging, body: dict[str, Any]) -> None:
        """Put a large result into the store."""
        if "result" in body:
            body["result"] = staging.put(body["result"])

    def _use_upload(self, run: OwnRun, news: dict[str, Any]) -> None:
        """Put what was uploaded in the place of the id of the upload."""
        ids = {news["result_upload"]} if "result_upload" in news else set()
        uploaded = upload.use(self.session, self.identity, ids, run.task.collaboration_id)
        given = payload.chosen(news, "result", uploaded)
        news.pop("result_upload", None)
        if given is not None:
            news["result"] = given
