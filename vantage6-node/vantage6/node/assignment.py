"""What the server asks of this node, and how it will be told that it ended."""

from dataclasses import dataclass, field
from typing import Any

from vantage6.common.client.download import Stored
from vantage6.common.exceptions import EncryptionError
from vantage6.common.task_status import TaskStatus

# What the journal can hold as a number.
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Assignment:
    """What the server asks of this node: one run of one task.

    Attributes
    ----------
    input : str
        As the server shows it; "" where it does not, since it is large.
    stored_input : Stored, optional
        What the server has in the place of that.
    is_subtask : bool
        Whether another run has asked for it, and waits.
    """

    result_id: int
    task_id: int
    run_id: int
    image: str
    database: str
    input: str
    initiator: int | None
    user: int | None = None
    claimed_by: str = ""
    user_name: str | None = None
    stored_input: Stored | None = None
    is_subtask: bool = False
    # Of a run that was taken; one without has to ask for it.
    container_token: str = field(default="", repr=False)

    @classmethod
    def from_wire(cls, result: dict[str, Any]) -> "Assignment":
        """The assignment in a result as the server lists it, with its task included.

        Raises
        ------
        KeyError, TypeError
            When something is missing, or is not what it should be.
        """
        task = result["task"]
        return cls(
            result_id=_id(result["id"]),
            task_id=_id(task["id"]),
            run_id=_id(task["run_id"]),
            image=_text(task["image"]),
            database=_text(task.get("database")) or "default",
            input=_text(result["input"]),
            initiator=_optional_id(task["initiator"]),
            user=_optional_id(task.get("init_user")),
            claimed_by=_text(result.get("claim")),
            user_name=_text(task.get("init_user_name")) or None,
            stored_input=_stored_input(result),
            is_subtask=task.get("parent") is not None,
            container_token=_text(result.get("container_token")),
        )

    def __str__(self) -> str:
        return f"run {self.result_id} (task {self.task_id})"


def _id(value: Any) -> int:
    """An id: names of folders are made of them, so a server must not get anything else in."""
    if type(value) is not int or not 0 <= value <= _LARGEST_ID:
        raise TypeError(f"{value!r:.100} is not an id")
    return value


def _stored_input(result: dict[str, Any]) -> Stored | None:
    try:
        return Stored.of(result, "input")
    except EncryptionError as error:
        raise TypeError(str(error)) from error


def _optional_id(value: Any) -> int | None:
    return None if value is None else _id(value)


def _text(value: Any) -> str:
    if not isinstance(value, str | None):
        raise TypeError(f"{value!r:.100} is not a text")
    return value or ""


@dataclass(frozen=True)
class Report:
    """How a run ended, as the server will be told; the output itself stays in its file."""

    status: TaskStatus
    log: str
    finished_at: str
    started_at: str | None = None
    has_output: bool = False
