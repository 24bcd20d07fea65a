"""What came of a task: its values, or why there are none."""

from typing import TYPE_CHECKING, Any

from vantage6.common.client.failure import log_lines, reasons
from vantage6.common.client.unverified import require_verified
from vantage6.common.exceptions import EncryptionError, TaskFailed, TaskUnfinished
from vantage6.common.serialization import deserialize
from vantage6.common.task_status import is_failure, is_final, status_of

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

LOG_LINES = 10

Run = dict[str, Any]


def values_of(client: "UserClient", task_id: int, allow_pickle: bool | None = None) -> list[Any]:
    """The values of the runs of a task, in the order of the runs.

    Raises
    ------
    TaskFailed, TaskUnfinished, EncryptionError, DeserializationException
        When there is not a value for each.
    """
    runs = client.send("get", "result", params={"task_id": task_id})
    runs = sorted(client.decrypt_results(runs, task_id=task_id), key=lambda run: run["id"])
    for run in runs:
        run["status"] = status_of(run)
    if any(not is_final(run["status"]) for run in runs):
        raise TaskUnfinished(f"Task {task_id} has not ended yet")
    failed = [run for run in runs if is_failure(run["status"])]
    if failed:
        raise TaskFailed(_failure_text(client, task_id, failed), failed)
    allowed = client.allow_pickle if allow_pickle is None else allow_pickle
    return [_value(run, allowed) for run in runs]


def _value(run: Run, allow_pickle: bool) -> Any:
    require_verified(run)
    if not isinstance(run["result"], bytes):
        raise EncryptionError(f"Result {run['id']} was encrypted for another key than yours")
    return deserialize(run["result"], allow_pickle=allow_pickle)


def _failure_text(client: "UserClient", task_id: int, failed: list[Run]) -> str:
    """Where and why, then what the logs say."""

    def name_of(run: Run) -> str:
        return client.organization_name(run["organization"]["id"])

    logs = [
        "\n".join([f"Log of {name_of(run)}:", *(f"    {line}" for line in lines)])
        for run in failed
        if len(lines := log_lines(run)[-LOG_LINES:]) > 1
    ]
    return "\n".join([f"Task {task_id} failed. {reasons(failed, name_of)}", *logs])
