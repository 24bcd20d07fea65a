"""Tasks, and the results of one task."""

import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from flask import current_app, request
from sqlalchemy import select

from vantage6.common.task_status import TaskStatus
from vantage6.common.wire import IDEMPOTENCY_KEY
from vantage6.server.model import Model, Result, Task
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import Operation
from vantage6.server.permission.identity import ContainerRun
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import (
    INLINE,
    Value,
    equal,
    like,
    seconds,
    value_of,
    where,
)
from vantage6.server.schema.answer import MessageOutput, PurgedOutput
from vantage6.server.schema.base import Embedding, Output
from vantage6.server.schema.result import WITHOUT_PAYLOADS, ResultOfTaskOutput
from vantage6.server.schema.task import TaskInput, TaskOutput
from vantage6.server.service import retention, settling, task_order
from vantage6.server.service import task as service
from vantage6.server.service.staging import Staging
from vantage6.server.tracing import note_wait

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
    "status": where(service.has_status, value_of(TaskStatus)),
}

# Made once: to put a statement together costs more than to run it.
TASKS = select(Task)

# The documented name, and the one that the classic server listens to.
RESULTS = ("results", "result")
INCLUDES = dict.fromkeys(RESULTS, "The results in the place of the links to them")
PAYLOAD = {"payload": "Input, result and log of these results, which lists leave empty"}

# Seconds that one request may wait for a task.
MAXIMUM_WAIT = 60.0
WAIT = seconds(MAXIMUM_WAIT, "Answer once the task has ended, or after so many seconds.")


# What headers carry without being changed on the way.
_WORD = re.compile(r"[!-~]{1,255}")


def _word(text: str) -> str:
    if not _WORD.fullmatch(text):
        raise ValueError(text)
    return text


_ORDER = Value(
    _word,
    {"type": "string", "pattern": f"^{_WORD.pattern}$"},
    "A word of the user's or the container's own, such as a UUID: the same task with the same "
    "word, within a day, is answered with the task that was made at first.",
)


class TaskResource(Resource):
    """What the resources of tasks share: showing results within tasks."""

    def output(self, **options: Any) -> Output:
        """The schema of tasks, with their results where the request asks for them."""
        embed: dict[str, Embedding] = {}
        if self.includes(*RESULTS):
            embed["results"] = self._results_of
        return super().output(embed=embed, **options)

    def _results_of(self, tasks: Sequence[Model]) -> Mapping[int, list[dict[str, Any]]]:
        """The results of some tasks, as far as the caller may see results."""
        ids = [task.id for task in tasks]
        payload = self.contract.shape is Shape.ONE or self.includes("payload")
        query = self.visible(select(Result).where(Result.task_id.in_(ids))).order_by(Result.id)
        results = self.session.scalars(query if payload else query.options(*WITHOUT_PAYLOADS))
        schema = ResultOfTaskOutput(
            self.session, self.identity, payload=payload, inline=self.optional("inline")
        )
        by_task: dict[int, list[dict[str, Any]]] = {id_: [] for id_ in ids}
        for shown in schema.dump(results, many=True):
            by_task[shown.pop("task")].append(shown)
        return by_task


class Tasks(TaskResource):
    """All tasks."""

    route = "/task"
    takes_data = True

    @contract(
        gives=TaskOutput,
        shape=Shape.PAGE,
        filters=FILTERS,
        includes=INCLUDES | PAYLOAD,
        arguments={"inline": INLINE},
    )
    def get(self) -> Answer:
        """List the tasks that the caller may see, the newest first."""
        return self.page(self.filtered(self.visible(TASKS)), newest_first=True)

    @contract(
        takes=TaskInput,
        gives=TaskOutput,
        status=201,
        takes_headers={IDEMPOTENCY_KEY: _ORDER},
        refusals=(404, 409),
    )
    def post(self) -> Answer:
        """Create a task, or a subtask when a container asks."""
        word = self.header(IDEMPOTENCY_KEY)
        if self.identity.run is not None:
            return self.show(self._create_subtask(self.identity.run, word))
        self.require(Operation.CREATE, Task)
        if word is None:
            return self.show(self._create())
        body = request.get_data()
        return self.show(task_order.once(self.session, self.identity.id, word, body, self._create))

    def _create_subtask(self, run: ContainerRun, word: str | None) -> Task:
        user_id = self.session.get_one(Task, run.task_id).init_user_id
        if word is None or user_id is None:
            return self._create()
        return task_order.once(
            self.session, user_id, word, b"", self._create, result_id=run.result_id
        )

    def stage(self, staging: Staging, body: dict[str, Any]) -> None:
        """Put large inputs into the store."""
        for part in body["organizations"]:
            part["input"] = staging.put(part["input"])

    def _create(self) -> Task:
        return service.create(self.session, self.identity, self.read())


class OneTask(TaskResource):
    """One task."""

    route = "/task/<id>"

    @contract(
        gives=TaskOutput,
        includes=INCLUDES | PAYLOAD,
        arguments={"wait": WAIT, "inline": INLINE},
    )
    def get(self, id: int) -> Answer:
        """Show a task; with `wait`, once it has ended or that many seconds have passed."""
        patience = self.argument("wait")
        task = self.load(Operation.VIEW, Task, id)
        if patience and not service.is_over(self.session, id):
            self._wait_for(id, patience)
            task = self.load(Operation.VIEW, Task, id)
        if task.settled_at is None and task.over_at is not None:
            task = self._settled(id)
        return self.show(task)

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Delete a task with its results and subtasks."""
        service.delete(self.session, self.load(Operation.DELETE, Task, id))
        return self.say(f"Task {id} is deleted")

    def _wait_for(self, id: int, seconds: float) -> None:
        deadline = service.deadline_of(self.session, id)
        # Others need the connection while this request sleeps.
        self.session.close()

        def is_over() -> bool:
            with self.database.reading() as session:
                return service.is_over(session, id)

        if deadline is not None:
            seconds = min(seconds, max(0.0, (deadline - now()).total_seconds()))
        start = time.monotonic()
        try:
            current_app.extensions["events"].wait_for_task(id, is_over, seconds)
        finally:
            note_wait(time.monotonic() - start)

    def _settled(self, id: int) -> Task:
        """A task whose deadline has passed, with what nobody noted yet: then it is seen once."""
        self.session.close()
        self.database.run(lambda session: settling.settle_when_due(session, id))
        return self.load(Operation.VIEW, Task, id)


class TaskPayload(Resource):
    """Inputs, results and logs of one task and its subtasks."""

    route = "/task/<id>/payload"

    @contract(gives=PurgedOutput, refusals=(409,))
    def delete(self, id: int) -> Answer:
        """Delete inputs, results and logs of a task and its subtasks; all else of them stays."""
        purged = retention.purge_task(self.session, self.load(Operation.DELETE, Task, id))
        message = f"Inputs, results and logs of {purged.runs} run(s) are deleted"
        return self.answer({"msg": message, "runs": purged.runs, "bytes": purged.size})


class TaskResults(Resource):
    """The results of one task."""

    route = "/task/<id>/result"

    @contract(gives=ResultOfTaskOutput, shape=Shape.PAGE, arguments={"inline": INLINE})
    def get(self, id: int) -> Answer:
        """List the results of a task."""
        self.load(Operation.VIEW, Task, id, by=Result)
        schema = self.output(inline=self.argument("inline"))
        return self.page(self.visible(select(Result).where(Result.task_id == id)), schema)
