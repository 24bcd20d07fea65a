"""Changes of accounts, rights and tasks, written to the audit trail.

They are found where they are stored, not where they are asked for: whatever route, command or
service changes something, none can forget to say so.
"""

from typing import Any

from sqlalchemy import event, inspect
from sqlalchemy.orm import Mapper, Session

from vantage6.server.model import Collaboration, Model, Node, Organization, Role, Task, User
from vantage6.server.service import audit
from vantage6.server.service.commit import Sessions

_WATCHED = (Collaboration, Node, Organization, Role, Task, User)
# What gives rights by belonging together.
_RELATIONS = {"organizations", "roles", "rules"}
# Columns whose values stand in the line; of all others it says only that they changed.
_OPEN = {
    "collaboration_id",
    "email",
    "encrypted",
    "image",
    "init_user_id",
    "initiator_id",
    "name",
    "organization_id",
    "parent_id",
    "retention_days",
    "run_id",
    "username",
}
# Columns that follow from something else that is written, or from no decision of anybody.
_QUIET = {
    "credential_version",
    "failed_login_attempts",
    "id",
    "ip",
    "last_login_attempt",
    "last_seen",
    "purged_till",
    "status",
    "type",
}
_NAMES = {"_public_key": "public_key", "api_key_digest": "api_key", "password_hash": "password"}


def watch(sessions: Sessions) -> None:
    """Write what changes in a session, or those of a factory, once it is committed."""
    event.listen(sessions, "after_flush", _after_flush)


def _after_flush(session: Session, _context: Any) -> None:
    for one in _watched(session.new):
        _record(session, one, "create", {**_opened(one), **_addressed(one)})
    for one in _watched(session.dirty):
        changed = _changed(one)
        if changed and not isinstance(one, Task):
            _record(session, one, "change", {"changed": changed})
    for one in _watched(session.deleted):
        _record(session, one, "delete", {})


def _watched(objects: Any) -> list[Model]:
    return [one for one in objects if isinstance(one, _WATCHED)]


def _record(session: Session, one: Model, operation: str, facts: dict[str, Any]) -> None:
    kind = one.__tablename__
    # By id and name, also for what is gone when the line is read.
    name = one.username if isinstance(one, User) else getattr(one, "name", None)
    about = {f"{kind}_id": one.id, "name": name, **facts}
    audit.record(f"{kind}.{operation}", "success", session=session, **about)


def _opened(one: Model) -> dict[str, Any]:
    """What a new object is like, as far as the trail may say."""
    values = inspect(one).dict
    return {
        **{name: values[name] for name in sorted(_OPEN & values.keys() - {"name"})},
        **{name: _ids(values[name]) for name in sorted(_RELATIONS & values.keys())},
    }


def _addressed(one: Model) -> dict[str, Any]:
    """Whom a new task asks."""
    if not isinstance(one, Task):
        return {}
    # Only what is there: while something is stored nothing may be looked up.
    results = inspect(one).dict.get("results", ())
    return {"organizations": sorted(result.organization_id for result in results)}


def _changed(one: Model) -> dict[str, Any]:
    mapper: Mapper[Any] = inspect(type(one))
    histories = {attribute.key: attribute.history for attribute in inspect(one).attrs}
    changed = {name: history for name, history in histories.items() if history.has_changes()}
    columns = {column.key for column in mapper.column_attrs} - _QUIET
    return {
        **{
            _NAMES.get(name, name): _step(name, changed[name])
            for name in sorted(columns & changed.keys())
        },
        **{
            name: {"added": _ids(changed[name].added), "removed": _ids(changed[name].deleted)}
            for name in sorted(_RELATIONS & changed.keys())
        },
    }


def _step(name: str, history: Any) -> dict[str, Any] | None:
    if name not in _OPEN:
        return None
    return {
        "from": next(iter(history.deleted or ()), None),
        "to": next(iter(history.added or ()), None),
    }


def _ids(objects: Any) -> list[int]:
    return sorted(one.id for one in objects or ())
