"""Answers as files, which are never held in memory."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.common.client.purged import require_kept
from vantage6.common.client.unverified import require_verified
from vantage6.common.exceptions import EncryptionError, TaskFailed, TaskUnfinished
from vantage6.common.files import written_beside
from vantage6.common.task_status import is_failure, is_final, status_of

if TYPE_CHECKING:
    from vantage6.client.client import UserClient

# Of a digest, in the name of the file that holds what came in
_DIGITS = 16


def save(client: "UserClient", result_id: int, path: Path, *, overwrite: bool) -> Path:
    """Write what a run answered to a file; see `client.result.download`."""
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} is there already; overwrite=True replaces it")
    result = client.send("get", f"result/{result_id}", params=client.large_elsewhere())
    _require_answer(result)
    if result.get("result_stored") and not result["result"]:
        _save_stored(client, result, result_id, path)
        return path
    client.decrypt_results(result, result_id=result_id, stored_inputs=False)
    require_verified(result)
    if not isinstance(result["result"], bytes):
        raise EncryptionError(f"Result {result_id} was encrypted for another key than yours")
    with written_beside(path) as file:
        file.write(result["result"])
    return path


def _save_stored(client: "UserClient", result: dict[str, Any], result_id: int, path: Path) -> None:
    # What it needs takes its time to import.
    from vantage6.common.client.download import Stored
    from vantage6.common.client.parcels import open_result

    stored = Stored.from_wire(result["result_stored"])
    assert stored is not None
    kept = path.with_name(f".{path.name}.{stored.digest[:_DIGITS]}.part")
    if kept.is_symlink():
        raise FileExistsError(f"{kept} is a link; remove it")
    try:
        with written_beside(path) as file:
            open_result(client, result, file, result_id=result_id, kept=kept)
    except EncryptionError:
        # Another attempt would come to the same end.
        kept.unlink(missing_ok=True)
        raise
    kept.unlink(missing_ok=True)


def _require_answer(result: dict[str, Any]) -> None:
    status, id_ = status_of(result), result["id"]
    if not is_final(status):
        raise TaskUnfinished(f"Result {id_} is not there yet: its run is {status}")
    if is_failure(status):
        raise TaskFailed(f"Result {id_} has no answer: its run is {status}", [result])
    require_kept(result)
    if not result["result"] and not result.get("result_stored"):
        raise TaskFailed(f"Result {id_} has no answer, or it was deleted", [result])
