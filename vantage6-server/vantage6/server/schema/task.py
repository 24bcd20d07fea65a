import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, validate
from sqlalchemy import bindparam, select

from vantage6.common.image import canonical
from vantage6.common.task_status import TaskStatus
from vantage6.server.model import Model, Result, Task, User
from vantage6.server.permission.catalogue import Kind
from vantage6.server.schema.base import (
    MAXIMUM_INTEGER,
    Flag,
    Id,
    Input,
    LenientMoment,
    Link,
    Links,
    Moment,
    Output,
    Related,
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
    # In its place: an upload of the caller, which may serve several organizations.
    input_upload = Id(load_default=None)


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
    # How many of the organizations must answer, and by when.
    quorum = fields.Integer(strict=True, validate=validate.Range(1, MAXIMUM_INTEGER))
    deadline = LenientMoment()


STATUS = {"type": "string", "enum": [str(status) for status in TaskStatus]}


# What tells the state of a task.
_FACTS = (Result.status, Result.finished_at, Result.late)


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
    quorum = fields.Integer(allow_none=True)
    deadline = Moment(allow_none=True)
    settled_at = Moment(attribute="over_at", allow_none=True)
    collaboration = Link("collaboration", "collaboration_id")
    parent = Link("task", "parent_id")
    children = Links("task", Task.id, Task.parent_id)
    results = Links("result", Result.id, Result.task_id, facts=_FACTS)

    @property
    def runs(self) -> Related:
        """What is known of the runs, also where they are not shown: it tells the state."""
        field = self.declared_fields["results"]
        assert isinstance(field, Related)
        return field

    def related(self) -> list[Related]:
        """With the runs, which also tell how far the task is."""
        tells = not self.fields.keys().isdisjoint(("complete", "status"))
        return list(dict.fromkeys([*super().related(), *([self.runs] if tells else [])]))

    def is_complete(self, task: Task) -> bool:
        """Whether it is settled, or all runs have ended."""
        return task.is_over(self.runs.rows_of(task))

    def show_status(self, task: Task) -> str:
        """The state of the task, from those of its runs."""
        return task.state(self.runs.rows_of(task)).value


_USER_NAMES = select(User.__table__.c.id, User.__table__.c.username).where(
    User.__table__.c.id.in_(bindparam("ids", expanding=True))
)


class TaskInResultOutput(TaskOutput):
    """A task, as the server shows it in the place of a link."""

    class Meta:
        exclude = ("results",)

    # The policy of a node may name users; nobody else learns those of other organizations.
    init_user_name = fields.Method(
        "show_user_name",
        metadata={
            "type": "string",
            "nullable": True,
            "description": "The name of `init_user`, for nodes only.",
        },
    )

    def fetch(self, objects: Sequence[Model]) -> None:
        """Also fetch the names of the users, for a node."""
        super().fetch(objects)
        ids = {task.init_user_id for task in objects if isinstance(task, Task)} - {None}
        self._user_names: dict[int, str] = {}
        if ids and self.identity.kind is Kind.NODE:
            rows = self.session.execute(_USER_NAMES, {"ids": list(ids)})
            self._user_names = {row.id: row.username for row in rows}

    def show_user_name(self, task: Task) -> str | None:
        """The name of the user who asked."""
        return self._user_names.get(task.init_user_id or 0)


class TaskOfRunOutput(TaskInResultOutput):
    """A task, as the server shows it to the process that takes a run: what does not change."""

    class Meta:
        exclude = ("results", "children", "complete", "status")

    def show_user_name(self, task: Any) -> str | None:
        """The name of the user who asked, which came with the task."""
        name: str | None = task.init_user_name
        return name
