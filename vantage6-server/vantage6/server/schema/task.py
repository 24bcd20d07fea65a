import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate
from sqlalchemy import Row, Select, select

from vantage6.common.image import canonical
from vantage6.common.task_status import TaskStatus, combined
from vantage6.server.model import Model, Result, Task
from vantage6.server.permission.identity import Identity
from vantage6.server.schema.base import (
    Flag,
    Id,
    Input,
    Link,
    Links,
    Output,
    among_owners,
    plain,
)


class Payload(fields.Field):
    """The input of a run: text as it is, or plain data that is kept as JSON text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> str:
        return value if isinstance(value, str) else json.dumps(value)


def _is_image(value: str) -> None:
    if not value:
        return
    try:
        canonical(value)
    except ValueError as error:
        raise ValidationError("Not the name of a container image.") from error


# All of these are in every list of tasks, of everybody; only inputs may be large.
_is_name = validate.Length(max=1_000)
_is_description = validate.Length(max=10_000)


class AssignmentInput(Input):
    """The part of a task that one organization is asked to run."""

    id = Id(required=True)
    input = Payload(load_default=None)


class TaskInput(Input):
    """A new task."""

    collaboration_id = Id(required=True)
    organizations = fields.List(fields.Nested(AssignmentInput), required=True)
    image = fields.String(load_default="", validate=[_is_name, _is_image])
    name = fields.String(load_default="", validate=_is_name)
    description = fields.String(load_default="", validate=_is_description)
    database = fields.String(load_default="", validate=_is_name)
    # Of the R client: run only the part of one's own organization.
    master = Flag(load_default=False)


STATUS = {"type": "string", "enum": [str(status) for status in TaskStatus]}


class ResultLinks(Links):
    """The references to the results of a task, from the query that also tells its state."""

    def queries(self, identity: Identity) -> Sequence[Select[Any]]:
        """None of its own."""
        return []

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **_: Any) -> Any:
        """The references of one task."""
        assert isinstance(self.parent, TaskOutput)
        return self.show([run.id for run in self.parent.runs[obj.id]])


class TaskOutput(Output):
    """A task, as the server shows it."""

    embedded: ClassVar[Mapping[str, str]] = {"results": "ResultInTaskOutput"}

    id = fields.Integer()
    run_id = fields.Integer()
    name = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    image = fields.String(allow_none=True)
    database = fields.String(allow_none=True)
    initiator = fields.Integer(attribute="initiator_id")
    init_user = fields.Integer(attribute="init_user_id", allow_none=True)
    complete = fields.Method("is_complete", metadata={"type": "boolean"})
    status = fields.Method("show_status", metadata=STATUS)
    collaboration = Link("collaboration", "collaboration_id")
    parent = Link("task", "parent_id")
    children = Links("task", Task.id, Task.parent_id)
    results = ResultLinks("result", Result.id, Result.task_id)

    runs_query: ClassVar[Select[Any]] = (
        select(*map(plain, (Result.task_id, Result.id, Result.status, Result.finished_at)))
        .where(among_owners(Result.task_id))
        .order_by(plain(Result.id))
    )

    def fetch(self, objects: Sequence[Model]) -> None:
        """Also fetch how far the runs are."""
        super().fetch(objects)
        self.runs: dict[int, list[Row[Any]]] = defaultdict(list)
        for run in self.rows(self.runs_query, objects):
            self.runs[run.task_id].append(run)

    def is_complete(self, task: Task) -> bool:
        """Whether all runs have ended."""
        return all(run.finished_at for run in self.runs[task.id])

    def show_status(self, task: Task) -> str:
        """The state of the task, from those of its runs."""
        return combined(run.status for run in self.runs[task.id]).value


class TaskInResultOutput(TaskOutput):
    """A task, as the server shows it in the place of a link."""

    class Meta:
        exclude = ("results",)
