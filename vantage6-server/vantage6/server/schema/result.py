from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from flask import current_app
from marshmallow import fields, validate
from sqlalchemy import and_, select
from sqlalchemy.orm import Session, defer

from vantage6.common.long_text import LongText
from vantage6.common.task_status import TaskStatus
from vantage6.server.model import AlgorithmPort, Blob, Model, Node, Result, Task
from vantage6.server.schema.base import Id, Input, LenientMoment, Link, Moment, Output, among_owners
from vantage6.server.schema.claim import Claim
from vantage6.server.service import claim
from vantage6.server.service.blob import FORMS, StoredText
from vantage6.server.service.payload import Kept, of_text
from vantage6.server.store.payloads import Payloads


class ResultReport(Input):
    """What a node reports of a run; what it leaves out stays as it is."""

    status = fields.Enum(TaskStatus, by_value=True)
    started_at = LenientMoment()
    finished_at = LenientMoment()
    result = fields.String()
    # In its place: an upload of the node.
    result_upload = Id()
    log = fields.String()
    claim = Claim()
    stopped = fields.Boolean(truthy={True}, falsy=set(), validate=validate.Equal(True))


_NODES_AND_PORTS = (
    select(
        Result.id.label("result_id"),
        Node.id,
        Node.name,
        Node.ip,
        Node.status.label("node_status"),
        AlgorithmPort.id.label("port_id"),
        AlgorithmPort.port,
        AlgorithmPort.label,
    )
    .join(Task, Result.task_id == Task.id)
    .outerjoin(
        Node,
        and_(
            Node.organization_id == Result.organization_id,
            Node.collaboration_id == Task.collaboration_id,
        ),
    )
    .outerjoin(AlgorithmPort, AlgorithmPort.result_id == Result.id)
    .where(among_owners(Result.id))
    .order_by(AlgorithmPort.id)
)

_PORTS_SHOWN = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "port": {"type": "integer"},
            "label": {"type": "string", "nullable": True},
        },
        "required": ["id", "port", "label"],
        "additionalProperties": False,
    },
}

_NODE_SHOWN = {
    "type": "object",
    "description": "The node that runs it; empty when there is none.",
    "properties": {
        "id": {"type": "integer"},
        "name": {"type": "string", "nullable": True},
        "ip": {"type": "string", "nullable": True},
        "status": {"type": "string", "nullable": True},
    },
    "additionalProperties": False,
}


_CLAIM_SHOWN = {
    "type": "string",
    "nullable": True,
    "description": "The process of the node that has it, as long as it is open.",
}


# Which may be in the payload store instead.
_STORED = ("input", "result")
_STORED_SHOWN = {
    "type": "object",
    "nullable": True,
    "description": "What there is to fetch as bytes: of a payload that is kept beside the "
    "database, or is larger than the request wants it inline.",
    "properties": {
        "size": {"type": "integer"},
        "digest": {"type": "string"},
        "form": {"type": "string", "enum": [*FORMS]},
    },
    "required": ["size", "digest", "form"],
    "additionalProperties": False,
}

# Each of these may be as large as a data set.
PAYLOADS = (Result.input, Result.result, Result.log)
WITHOUT_PAYLOADS = tuple(defer(column, raiseload=True) for column in PAYLOADS)


class ShownPayload(fields.String):
    """The data or words of an algorithm; null where nobody asked for them."""

    def serialize(self, attr: str, obj: Any, accessor: Any = None, **options: Any) -> Any:
        """The text; it is not even loaded where nobody asked for it."""
        assert isinstance(self.parent, ResultOutput)
        if not self.parent.payload:
            return None
        if attr in _STORED:
            return self.parent.shown_payload(obj, attr)
        return super().serialize(attr, obj, accessor, **options)


class ResultOutput(Output):
    """A result, as the server shows it.

    Parameters
    ----------
    payload : bool
        Whether input, result and log are shown; else they need not be loaded.
    inline : int, optional
        Bytes up to which input and result are shown, where they are; else as the configuration
        says.
    """

    embedded: ClassVar[Mapping[str, str]] = {"task": "TaskInResultOutput"}

    id = fields.Integer()
    input = ShownPayload(allow_none=True)
    result = ShownPayload(allow_none=True)
    input_stored = fields.Method("show_input_stored", metadata=_STORED_SHOWN)
    result_stored = fields.Method("show_result_stored", metadata=_STORED_SHOWN)
    log = ShownPayload(allow_none=True)
    status = fields.Enum(TaskStatus, by_value=True)
    assigned_at = Moment()
    started_at = Moment(allow_none=True)
    finished_at = Moment(allow_none=True)
    stopped_at = Moment(allow_none=True)
    late = fields.Boolean()
    purged_at = Moment(allow_none=True)
    claim = fields.Method("show_claim", metadata=_CLAIM_SHOWN)
    organization: fields.Field = Link("organization", "organization_id")
    task: fields.Field = Link("task", "task_id")
    node = fields.Method("show_node", metadata=_NODE_SHOWN)
    ports = fields.Method("show_ports", metadata=_PORTS_SHOWN)

    def __init__(
        self, *args: Any, payload: bool = True, inline: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.payload, self.inline = payload, inline

    def fetch(self, objects: Sequence[Model]) -> None:
        """Also fetch the nodes that run them, and their ports."""
        super().fetch(objects)
        self._blobs = _blobs_of(self.session, objects)
        if self.fields.keys().isdisjoint(("node", "ports")):
            return
        self._nodes: dict[int, dict[str, Any]] = {}
        self._ports: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for row in self.rows(_NODES_AND_PORTS, objects):
            if row.id is not None:
                self._nodes[row.result_id] = {
                    "id": row.id,
                    "name": row.name,
                    "ip": row.ip,
                    "status": row.node_status,
                }
            if row.port_id is not None:
                shown = {"id": row.port_id, "port": row.port, "label": row.label}
                self._ports[row.result_id].append(shown)

    def shown_payload(self, result: Result, name: str) -> str | LongText | None:
        """The text of an input or result, or None for one that is too large."""
        blob = self._blobs.get(getattr(result, f"{name}_blob_id"))
        if blob is None:
            text: str | None = getattr(result, name)
            return None if text is not None and self._is_too_long(text) else text
        payloads: Payloads = current_app.extensions["payloads"]
        limit = payloads.inline_limit if self.inline is None else self.inline
        if blob.text_size > min(limit, payloads.inline_limit):
            return None
        return StoredText(payloads.store, blob)

    def _is_too_long(self, text: str) -> bool:
        return self.inline is not None and len(text) > self.inline

    def show_input_stored(self, result: Result) -> dict[str, Any] | None:
        """What there is to fetch of the input."""
        return self._show_stored(result, "input")

    def show_result_stored(self, result: Result) -> dict[str, Any] | None:
        """What there is to fetch of what came out."""
        return self._show_stored(result, "result")

    def _show_stored(self, result: Result, name: str) -> dict[str, Any] | None:
        found: Blob | Kept | None = self._blobs.get(getattr(result, f"{name}_blob_id"))
        if found is None and self.payload:
            text = getattr(result, name)
            found = of_text(text) if text is not None and self._is_too_long(text) else None
        if found is None:
            return None
        return {"size": found.size, "digest": found.digest, "form": found.form}

    def show_node(self, result: Result) -> dict[str, Any]:
        """The node of the organization in the collaboration of the task."""
        return self._nodes.get(result.id, {})

    def show_claim(self, result: Result) -> str | None:
        """The process of the node that has it, and is there."""
        return claim.holder(result)

    def show_ports(self, result: Result) -> list[dict[str, Any]]:
        """Where the container can be reached."""
        return self._ports[result.id]


def _blobs_of(session: Session, results: Sequence[Any]) -> dict[int | None, Blob]:
    """The blobs of some results, by their ids; there is no query where there are none."""
    ids = {id_ for each in results for id_ in (each.input_blob_id, each.result_blob_id)} - {None}
    if not ids:
        return {}
    return {blob.id: blob for blob in session.scalars(select(Blob).where(Blob.id.in_(ids)))}


class ResultOfTaskOutput(ResultOutput):
    """A result, as the server shows it among those of one task."""

    embedded: ClassVar[Mapping[str, str]] = {}

    organization = fields.Integer(attribute="organization_id")
    task = fields.Integer(attribute="task_id")


class ResultInTaskOutput(ResultOfTaskOutput):
    """A result, as the server shows it in the place of a link."""

    class Meta:
        exclude = ("task",)


class OwnRunOutput(ResultOutput):
    """A run, as the server shows it to the process that has it: without what that knows."""

    class Meta:
        exclude = ("node", "ports")

    embedded: ClassVar[Mapping[str, str]] = {}


class TakenRunOutput(OwnRunOutput):
    """A run, as the server shows it to the process that takes it.

    Parameters
    ----------
    tokens : mapping
        The tokens of the containers, by the ids of their runs.
    """

    embedded: ClassVar[Mapping[str, str]] = {"task": "TaskOfRunOutput"}

    container_token = fields.Method(
        "show_token",
        metadata={
            "type": "string",
            "nullable": True,
            "description": "For the container of the run; null where its image has no good name.",
        },
    )

    def __init__(
        self, *args: Any, tokens: Mapping[int, str | None] | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self._tokens = tokens or {}

    def show_token(self, result: Result) -> str | None:
        """The token of its container."""
        return self._tokens.get(result.id)
