"""Tasks, and the results of one task."""

from collections.abc import Mapping, Sequence
from typing import Any

from flask import current_app, request
from sqlalchemy import select

from vantage6.common.task_status import TaskStatus
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import Model, Result, Task
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.filter import equal, includes, like, where
from vantage6.server.schema.base import Embedding
from vantage6.server.schema.result import ResultOfTaskOutput
from vantage6.server.schema.task import TaskInput, TaskOutput
from vantage6.server.service import task as service

FILTERS = {
    "initiator_id": equal(Task.initiator_id),
    "init_user_id": equal(Task.init_user_id),
    "collaboration_id": equal(Task.collaboration_id),
    "parent_id": equal(Task.parent_id),
    "run_id": equal(Task.run_id),
    "result_id": where(lambda id_: Task.id.in_(select(Result.task_id).where(Result.id == id_))),
    "name": like(Task.name),
    "image": like(Task.image),
    "description": like(Task.description),
    "database": like(Task.database),
    "status": where(service.has_status, TaskStatus),
}

# The documented name, and the one that the classic server listens to.
INCLUDE_RESULTS = ("results", "result")

# Seconds that one request may wait for a task.
MAXIMUM_WAIT = 60.0


class TaskResource(Resource):
    """What the resources of tasks share: showing results within tasks."""

    def output(self) -> TaskOutput:
        """The schema of tasks, with their results where the request asks for them."""
        embed: dict[str, Embedding] = {}
        if includes(request.args, INCLUDE_RESULTS):
            embed["results"] = self._results_of
        return TaskOutput(self.session, self.identity, embed=embed)

    def _results_of(self, tasks: Sequence[Model]) -> Mapping[int, list[dict[str, Any]]]:
        """The results of some tasks, as far as the caller may see results."""
        ids = [task.id for task in tasks]
        query = self.visible(select(Result).where(Result.task_id.in_(ids)))
        results = self.session.scalars(query.order_by(Result.id)).all()
        by_task: dict[int, list[dict[str, Any]]] = {id_: [] for id_ in ids}
        for shown in ResultOfTaskOutput(self.session, self.identity).dump(results, many=True):
            by_task[shown.pop("task")].append(shown)
        return by_task


class Tasks(TaskResource):
    """All tasks."""

    route = "/task"
    takes_data = True

    def get(self) -> Answer:
        """List the tasks that the caller may see, the newest first."""
        query = self.filtered(self.visible(select(Task)), FILTERS)
        return self.page(query, self.output(), newest_first=True)

    def post(self) -> Answer:
        """Create a task, or a subtask when a container asks."""
        if self.identity.run is None:
            self.require(Operation.CREATE, Task)
        task = service.create(self.session, self.identity, self.read(TaskInput()))
        return TaskOutput(self.session, self.identity).dump(task), 201


class OneTask(TaskResource):
    """One task."""

    route = "/task/<id>"

    def get(self, id: int) -> Answer:
        """Show a task; with `wait`, once it has ended or that many seconds have passed."""
        seconds = _seconds_to_wait()
        task = self.load(Operation.VIEW, Task, id)
        if seconds and not service.is_final(self.session, id):
            self._wait_for(id, seconds)
            task = self.load(Operation.VIEW, Task, id)
        return self.output().dump(task), 200

    def delete(self, id: int) -> Answer:
        """Delete a task with its results and subtasks."""
        service.delete(self.session, self.load(Operation.DELETE, Task, id))
        return {"msg": f"Task {id} is deleted"}, 200

    def _wait_for(self, id: int, seconds: float) -> None:
        # Others need the connection while this request sleeps.
        self.session.close()

        def is_final() -> bool:
            with self.database.reading() as session:
                return service.is_final(session, id)

        current_app.extensions["events"].wait_for_task(id, is_final, seconds)


class TaskResults(Resource):
    """The results of one task."""

    route = "/task/<id>/result"

    def get(self, id: int) -> Answer:
        """List the results of a task."""
        self.load(Operation.VIEW, Task, id, by=Result)
        query = self.visible(select(Result).where(Result.task_id == id))
        return self.page(query, ResultOfTaskOutput(self.session, self.identity))


def _seconds_to_wait() -> float:
    """How long the request wants to wait."""
    text = request.args.get("wait")
    if not text:
        return 0
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= MAXIMUM_WAIT:
        message = f"`wait` must be a number of seconds up to {MAXIMUM_WAIT:.0f}"
        raise BadRequest(message, {"wait": ["Not valid."]})
    return seconds
