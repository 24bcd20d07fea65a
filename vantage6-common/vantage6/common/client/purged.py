"""Runs of which input, result and log were deleted."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from vantage6.common.exceptions import PayloadDeleted


def deletion(run: Mapping[str, Any]) -> str | None:
    """When and after how long the payload of a run was deleted, in words; None if it was not."""
    purged_at = run.get("purged_at")
    if not isinstance(purged_at, str):
        return None
    purged = datetime.fromisoformat(purged_at)
    told = f"input, result and log were deleted on {purged:%Y-%m-%d}"
    finished_at = run.get("finished_at")
    if not isinstance(finished_at, str):
        return told
    days = (purged - datetime.fromisoformat(finished_at)).days
    return f"{told}, {days} day(s) after the run ended"


def require_kept(run: Mapping[str, Any]) -> None:
    """Raise PayloadDeleted for a run of which the payload was deleted."""
    told = deletion(run)
    if told:
        raise PayloadDeleted(f"The answer of run {run['id']} is no longer kept: its {told}")
