"""The audit trail: one line of JSON for every log-in, refusal and change of rights.

The lines go to the logger `vantage6.audit`, whatever level the rest logs at. Nothing here deletes
them: how long they are kept is for the operator to say.
"""

import json
import logging
import logging.handlers
import os
import threading
from collections import Counter
from datetime import UTC, datetime
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from flask import g, has_request_context, request
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.common.log import request_id
from vantage6.server.model import Authenticatable, Node, User
from vantage6.server.permission.identity import Identity
from vantage6.server.service import commit

trail = logging.getLogger("vantage6.audit")
trail.setLevel(logging.INFO)

# The refusals that are written, by the status of the answer.
_REFUSALS = (401, 403, _TOO_MANY := 429)
_counts: Counter[tuple[str, str, str]] = Counter()
_counting = threading.Lock()
_operator: dict[str, Any] | None = None
# Nobody makes a line long by what he sends.
_LONGEST_TEXT = 300


def keep_in(path: Path) -> None:
    """Append the lines to a file, and nowhere else; may be called again.

    Raises
    ------
    ConfigurationError
        When the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = _File(path, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            f"The audit file {path} cannot be written: {error.strerror}"
        ) from error
    handler.setFormatter(logging.Formatter("%(message)s"))
    for old in trail.handlers[:]:
        trail.removeHandler(old)
        old.close()
    trail.addHandler(handler)
    trail.propagate = False


def by_operator() -> None:
    """Let lines name whoever runs this process: it is a command on the machine of the server."""
    global _operator
    _operator = {"kind": "operator", "uid": os.getuid()}


class _File(logging.handlers.WatchedFileHandler):
    """A file of its owner alone, which others may move away to keep it elsewhere."""

    def _open(self) -> TextIOWrapper:
        descriptor = os.open(self.baseFilename, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return os.fdopen(descriptor, "a", encoding=self.encoding)


def record(
    action: str,
    outcome: str,
    *,
    identity: Identity | None = None,
    session: Session | None = None,
    **facts: Any,
) -> None:
    """Write one line.

    Parameters
    ----------
    action : str
        What was asked for, such as `login` or `role.change`.
    outcome : str
        How it ended: `success`, `failure`, `refused` or `limited`.
    identity : Identity, optional
        Who asked; without it whoever is logged in for the current request.
    session : Session, optional
        The line tells of a change in the transaction of this session: it is written once that
        is committed, and never if it is rolled back. Without it the line is written now.
    **facts
        What else there is to know: ids, names, numbers. Never a secret.
    """
    entry = _entry(action, outcome, identity or _caller(), facts)
    if session is None:
        _write(entry)
    else:
        commit.after(session, lambda: _write(entry))


def set_caller(identity: Identity) -> None:
    """Let all lines of the current request name this identity."""
    g.audit_identity = identity


def attempt(action: str, **facts: Any) -> None:
    """Say what the current request is about to try; how it ends is written at its end.

    For what is tried with a secret, so that a wrong one and a right one are both on record: a
    refusal is written as the failure of this action, `succeeded` writes its success.
    """
    if has_request_context():
        g.audit_attempt = (action, facts)


def know(one: Authenticatable | None) -> None:
    """Add whom it is about to what the current request is about to try."""
    action, facts = _attempted()
    if action:
        attempt(action, **{**facts, **about(one)})


def succeeded() -> None:
    """The secret was right: write the success of what was tried."""
    action, facts = _attempted()
    if action:
        record(action, "success", **facts)


def incomplete(wanted: str) -> None:
    """What came so far was right, but more is wanted: write that, too."""
    action, facts = _attempted()
    if action:
        record(action, "incomplete", **facts, wanted=wanted)


def failed(status: int, reason: str) -> None:
    """The current request failed: write it if it is a refusal, or was tried with a secret."""
    action, facts = _attempted()
    if status not in _REFUSALS and not action:
        return
    outcome = "limited" if status == _TOO_MANY else "failure" if action else "refused"
    record(
        action or "request",
        outcome,
        **facts,
        method=request.method,
        path=request.path,
        status=status,
        reason=reason,
    )


def about(one: Authenticatable | None) -> dict[str, Any]:
    """What a line says about a user or node; nothing about those that do not exist.

    Not even the name that was tried: people type their password into the wrong field.
    """
    if not isinstance(one, User | Node):
        return {"id": None}
    name = one.username if isinstance(one, User) else one.name
    return {"id": one.id, "name": name, "organization_id": one.organization_id}


def _attempted() -> tuple[str | None, dict[str, Any]]:
    nothing: tuple[str | None, dict[str, Any]] = (None, {})
    return g.get("audit_attempt", nothing) if has_request_context() else nothing


def _caller() -> Identity | None:
    return g.get("audit_identity") if has_request_context() else None


def _entry(
    action: str, outcome: str, identity: Identity | None, facts: dict[str, Any]
) -> dict[str, Any]:
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "request_id": request_id.get(),
        "address": request.remote_addr if has_request_context() else None,
        "actor": _actor(identity),
        "action": action,
        "outcome": outcome,
        **facts,
    }


def _actor(identity: Identity | None) -> dict[str, Any] | None:
    if identity is None:
        return None if has_request_context() else _operator
    actor: dict[str, Any] = {
        "kind": identity.kind.value,
        "id": identity.id,
        "name": identity.name,
        "organization_id": identity.organization_id,
    }
    if identity.run:
        actor["result_id"] = identity.run.result_id
    return actor


def counts() -> dict[tuple[str, str, str], int]:
    """How many lines this process wrote, by action, outcome and kind of who logged in."""
    with _counting:
        return dict(_counts)


def _write(entry: dict[str, Any]) -> None:
    with _counting:
        _counts[entry["action"], entry["outcome"], str(entry.get("kind", ""))] += 1
    # Written in ASCII: what ends a line elsewhere is escaped here, so that one stays one.
    trail.info("%s", json.dumps(_shortened(entry), default=str))


def _shortened(value: Any) -> Any:
    match value:
        case str():
            return value[:_LONGEST_TEXT]
        case dict():
            return {key: _shortened(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_shortened(item) for item in value]
    return value
