"""The models for the shell: what `vserver shell` offers as `db`.

Elsewhere a model never touches its session. `opened` gives the models of this process the short
calls that operators know, such as `db.User.get()` and `user.save()`: what is changed is
committed at once, and nothing is held between two calls, so that a server works on beside an
open shell. Whoever listens to the server is told nothing of what is changed here.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, event, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server.database import Database, create_plain_engine
from vantage6.server.exceptions import BadRequest
from vantage6.server.model import (
    AlgorithmPort,
    Authenticatable,
    Collaboration,
    Member,
    Model,
    Node,
    Organization,
    Permission,
    Result,
    Role,
    Rule,
    Run,
    Task,
    User,
    UserPermission,
    role_rule_association,
)
from vantage6.server.model.base import now
from vantage6.server.model.node import digest_api_key
from vantage6.server.permission.catalogue import Operation, Scope
from vantage6.server.service import audit, changes, commit, second_factor
from vantage6.server.service import password as passwords

__all__ = [
    "AlgorithmPort",
    "Authenticatable",
    "Collaboration",
    "Member",
    "Node",
    "Operation",
    "Organization",
    "Permission",
    "Result",
    "Role",
    "Rule",
    "Run",
    "Scope",
    "Task",
    "User",
    "UserPermission",
    "opened",
    "role_rule_association",
]


class _ShellSession(Session):
    """Reads one statement at a time; writes in a transaction that is over at once."""

    def __init__(self, database: Database) -> None:
        super().__init__(autoflush=False)
        self._database = database
        self._readers = _readers(database.engine.url)

    def get_bind(self, *_: Any, **__: Any) -> Any:
        """Where a statement goes to."""
        return self._database.session(writes=True).bind if self._flushing else self._readers

    def close(self) -> None:
        """Let go of the database."""
        super().close()
        self._readers.dispose()


def _readers(url: URL) -> Engine:
    """An engine for statements that are each on their own, outside of any transaction."""
    if url.get_backend_name() != "sqlite":
        return create_plain_engine(url, isolation_level="AUTOCOMMIT")
    engine = create_plain_engine(url)
    event.listen(engine, "connect", _leave_transactions_alone)
    return engine


def _leave_transactions_alone(connection: Any, _: object) -> None:
    connection.isolation_level = None


_open: list[Session] = []


@contextmanager
def opened(database: Database) -> Iterator[None]:
    """Give the models the calls below, on a database, until the end."""
    session = _ShellSession(database)
    event.listen(session, "before_flush", _revoke_tokens)
    commit.attach(session)
    changes.watch(session)
    _open.append(session)
    for model, calls in _CALLS.items():
        for name, call in _public(calls).items():
            setattr(model, name, call)
    try:
        yield
    finally:
        for model, calls in _CALLS.items():
            for name in _public(calls):
                delattr(model, name)
        _open.remove(session)
        session.close()


def _session() -> Session:
    if not _open:
        raise ConfigurationError("There is no database open; use `vserver-local shell`")
    return _open[-1]


def _fresh() -> Session:
    """The session, in which all is read again but what was changed and not saved yet."""
    session = _session()
    for item in session.identity_map.values():
        if not session.is_modified(item):
            session.expire(item)
    return session


def _first(model: type[Model], *conditions: ColumnElement[bool]) -> Any:
    return _fresh().scalars(select(model).where(*conditions).order_by(model.id).limit(1)).first()


def _revoke_tokens(session: Session, *_: object) -> None:
    """With a password or an API key the tokens that it was exchanged for become void."""
    for item in session.dirty:
        secret = {User: "password_hash", Node: "api_key_digest"}.get(type(item))
        if secret and inspect(item).attrs[secret].history.has_changes():
            item.revoke_tokens()


class _ModelCalls:
    """What every model can do."""

    @classmethod
    def get(cls: Any, id_: int | None = None) -> Any:
        """All of them; or the one with an id, None when there is none."""
        session = _fresh()
        if id_ is None:
            return list(session.scalars(select(cls).order_by(cls.id)))
        return session.get(cls, id_)

    def save(self) -> None:
        """Store it, new or changed, and commit."""
        _commit(lambda session: session.add(self))
        _record("shell.save", self)

    def delete(self) -> None:
        """Delete it, with all that belongs to it, and commit."""
        _commit(lambda session: session.delete(self))
        _record("shell.delete", self)

    @classmethod
    def help(cls: Any) -> None:
        """Print what it has and what it can do."""
        mapper = inspect(cls)
        parts = {
            "table": [cls.__tablename__],
            "columns": [column.key for column in mapper.column_attrs],
            "relations": list(mapper.relationships.keys()),
            "methods": _methods(cls),
        }
        for what, names in parts.items():
            print(f"{what:10}{', '.join(names)}")


def _methods(model: type[Model]) -> list[str]:
    calls = [_public(calls) for base, calls in _CALLS.items() if issubclass(model, base)]
    return sorted(name for found in calls for name in found)


def _commit(change: Any) -> None:
    session = _session()
    try:
        change(session)
        session.commit()
    except BaseException:
        session.rollback()
        raise


def _record(action: str, item: Any) -> None:
    (id_,) = inspect(item).identity
    audit.record(action, "success", model=type(item).__name__, id=id_)


class _OrganizationCalls:
    @classmethod
    def get_by_name(cls, name: str) -> Organization | None:
        """The first one of a name."""
        return _first(Organization, Organization.name == name)


class _CollaborationCalls:
    @classmethod
    def find_by_name(cls, name: str) -> Collaboration | None:
        """The one of a name."""
        return _first(Collaboration, Collaboration.name == name)

    @classmethod
    def name_exists(cls, name: str) -> bool:
        """Whether there is one of a name."""
        return _first(Collaboration, Collaboration.name == name) is not None

    def get_organization_ids(self: Any) -> list[int]:
        """The ids of the members."""
        return [organization.id for organization in self.organizations]

    def get_task_ids(self: Any) -> list[int]:
        """The ids of the tasks."""
        return [task.id for task in self.tasks]

    def get_nodes_from_organizations(self: Any, ids: list[int]) -> list[Node]:
        """The nodes of some of the members."""
        return [node for node in self.nodes if node.organization_id in ids]

    def get_node_from_organization(self: Any, organization: Organization) -> Node | None:
        """The node of a member, if it has one."""
        found: list[Node] = self.get_nodes_from_organizations([organization.id])
        return found[0] if found else None


class _UserCalls:
    @classmethod
    def get_by_username(cls, username: str) -> User:
        """The one of a name; NoResultFound when there is none."""
        return _fresh().scalars(select(User).where(User.username == username)).one()

    @classmethod
    def get_by_email(cls, email: str) -> User:
        """The one with an e-mail address; NoResultFound when there is none."""
        return _fresh().scalars(select(User).where(User.email == email)).one()

    @classmethod
    def username_exists(cls, username: str) -> bool:
        """Whether there is one of a name."""
        return _first(User, User.username == username) is not None

    @classmethod
    def exists(cls, field: str, value: Any) -> bool:
        """Whether there is one with a value in a column."""
        return _first(User, getattr(User, field) == value) is not None

    def set_password(self: Any, password: str) -> str | None:
        """Give the user another password and commit; what is wrong with it, if anything."""
        try:
            passwords.check_policy(password)
        except BadRequest as refusal:
            return str(refusal)
        self.password = password
        self.save()
        return None

    def remove_second_factor(self: Any) -> None:
        """Forget the user's authenticator app and recovery codes, and commit; tokens are void."""

        def remove(session: Session) -> None:
            second_factor.remove(session, self.id)
            self.revoke_tokens()
            audit.record("second_factor.remove", "success", session=session, **audit.about(self))

        _commit(remove)

    def check_password(self: Any, password: str) -> bool:
        """Whether this is the password."""
        return passwords.matches(password, self.password_hash)

    def is_blocked(
        self: Any, max_failed_attempts: int, inactivation_in_minutes: int
    ) -> tuple[bool, int | None]:
        """Whether a classic server would block the account, and for how many minutes.

        This one never does: it slows down the address that guesses, see `login_limit`.
        """
        if not self.last_login_attempt or self.failed_login_attempts < max_failed_attempts:
            return False, None
        left = self.last_login_attempt + timedelta(minutes=inactivation_in_minutes) - now()
        return (True, -(-left.seconds // 60)) if left > timedelta() else (False, None)


class _NodeCalls:
    @classmethod
    def get_by_api_key(cls, api_key: str) -> Node | None:
        """The one with an API key."""
        return _first(Node, Node.api_key_digest == digest_api_key(api_key))

    @classmethod
    def exists(cls, organization_id: int, collaboration_id: int) -> bool:
        """Whether an organization has one in a collaboration."""
        place = (
            Node.organization_id == organization_id,
            Node.collaboration_id == collaboration_id,
        )
        return _first(Node, *place) is not None

    def check_key(self: Any, api_key: str) -> bool:
        """Whether this is the API key."""
        return bool(self.api_key_digest == digest_api_key(api_key))


class _RoleCalls:
    @classmethod
    def get_by_name(cls, name: str) -> Role | None:
        """The first one of a name."""
        return _first(Role, Role.name == name)


class _RuleCalls:
    @classmethod
    def get_by_(cls, name: str, scope: Scope, operation: Operation) -> Rule | None:
        """The one with a name, a scope and an operation."""
        return _first(Rule, Rule.name == name, Rule.scope == scope, Rule.operation == operation)


class _TaskCalls:
    @classmethod
    def next_run_id(cls) -> int:
        """A run id that no other task has had or will get."""
        run = Run()
        _commit(lambda session: session.add(run))
        return run.id

    def results_for_node(self: Any, node: Node) -> list[Result]:
        """The runs that a node is to do."""
        if node.collaboration_id != self.collaboration_id:
            return []
        return [one for one in self.results if one.organization_id == node.organization_id]


_CALLS: Mapping[type[Model], type] = {
    Model: _ModelCalls,
    Organization: _OrganizationCalls,
    Collaboration: _CollaborationCalls,
    User: _UserCalls,
    Node: _NodeCalls,
    Role: _RoleCalls,
    Rule: _RuleCalls,
    Task: _TaskCalls,
}


def _public(calls: type) -> dict[str, Any]:
    return {name: call for name, call in vars(calls).items() if not name.startswith("_")}
