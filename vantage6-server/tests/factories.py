"""Makes what tests need, with everything filled in that a test does not care about."""

import secrets
from collections.abc import Iterable
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.common.envelope.binary import end, start
from vantage6.common.envelope.context import InputContext
from vantage6.common.envelope.form import Header, prefix
from vantage6.common.task_status import TaskStatus, is_final
from vantage6.common.text import bytes_to_base64s
from vantage6.server.model import (
    AlgorithmPort,
    Collaboration,
    Node,
    Organization,
    Result,
    Role,
    Rule,
    Run,
    Task,
    Upload,
    User,
)
from vantage6.server.model.base import Model, now
from vantage6.server.permission.catalogue import RuleRecord

IMAGE = "registry.example/algorithm:1"
# In the two forms of an encrypted payload.
ENVELOPE = f"{'A' * 342}==${'B' * 22}==$QUJD"
_HEADER = Header(InputContext(1, IMAGE, 2, 3), 64, bytes(256), "0" * 64, "1" * 64)
_FRAME = prefix(0, is_last=True) + bytes(16)
AUTHENTICATED = "$".join(["2", *map(bytes_to_base64s, [_HEADER.encode(), _FRAME, bytes(256)])])
# The same in its binary form.
BINARY = start(_HEADER.encode()) + _FRAME + end(bytes(256))


class Factory:
    """Makes objects and stores them at once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self._numbers = count(1)

    def organization(self, **values: Any) -> Organization:
        """An organization."""
        values.setdefault("name", f"hospital {next(self._numbers)}")
        return self._store(Organization, **values)

    def collaboration(self, *organizations: Organization, **values: Any) -> Collaboration:
        """A collaboration, without encryption unless told otherwise, and without nodes."""
        values = {"name": f"study {next(self._numbers)}", "encrypted": False, **values}
        return self._store(Collaboration, organizations=list(organizations), **values)

    def node(self, organization: Organization, collaboration: Collaboration, **values: Any) -> Node:
        """The node of an organization in a collaboration."""
        number = next(self._numbers)
        values = {"name": f"node {number}", "api_key": f"key {number}", **values}
        return self._store(Node, organization=organization, collaboration=collaboration, **values)

    def user(
        self,
        organization: Organization | None = None,
        *,
        rules: Iterable[RuleRecord] = (),
        role: str | None = None,
        **values: Any,
    ) -> User:
        """A user with some rules, or a default role."""
        number = next(self._numbers)
        values = {
            "username": f"user{number}",
            "password": "Passw0rd!",
            "email": f"user{number}@hospital.example",
            **values,
        }
        return self._store(
            User,
            organization=organization or self.organization(),
            rules=[self.rule(record) for record in rules],
            roles=[self.default_role(role)] if role else [],
            **values,
        )

    def role(
        self, organization: Organization | None = None, rules: Iterable[RuleRecord] = ()
    ) -> Role:
        """A role of an organization."""
        return self._store(
            Role,
            name=f"role {next(self._numbers)}",
            description="",
            organization=organization,
            rules=[self.rule(record) for record in rules],
        )

    def task(
        self,
        collaboration: Collaboration,
        *organizations: Organization,
        parent: Task | None = None,
        status: TaskStatus = TaskStatus.PENDING,
        input: str | None = None,
        **values: Any,
    ) -> Task:
        """A task with a run for each organization, or for all of the collaboration."""
        addressed = organizations or tuple(collaboration.organizations)
        finished = now() if is_final(status) else None
        values = {
            "name": f"task {next(self._numbers)}",
            "image": IMAGE,
            "database": "default",
            "initiator": addressed[0],
            **values,
        }
        return self._store(
            Task,
            collaboration=collaboration,
            parent=parent,
            run=parent.run if parent else Run(),
            results=[
                Result(
                    organization_id=organization.id,
                    input=input,
                    status=status,
                    finished_at=finished,
                )
                for organization in addressed
            ],
            **values,
        )

    def port(self, result: Result, **values: Any) -> AlgorithmPort:
        """A port of the container of a run."""
        return self._store(AlgorithmPort, **{"port": 8888, "result_id": result.id, **values})

    def upload(self, node: Node, **values: Any) -> Upload:
        """An upload of a node, of which nothing has arrived."""
        values = {"size": 10, "form": "text", "name": secrets.token_hex(16), **values}
        return self._store(
            Upload, identity_id=node.id, collaboration_id=node.collaboration_id, **values
        )

    def rule(self, record: RuleRecord) -> Rule:
        """The row of a rule of the catalogue."""
        return self.session.scalars(
            select(Rule).where(
                Rule.name == record.name,
                Rule.scope == record.scope,
                Rule.operation == record.operation,
            )
        ).one()

    def default_role(self, name: str) -> Role:
        """One of the default roles."""
        return self.session.scalars(
            select(Role).where(Role.name == name, Role.organization_id.is_(None))
        ).one()

    def _store(self, model: type[Any], **values: Any) -> Any:
        # What was read before may be older than what the application wrote meanwhile.
        self.session.commit()
        made = model(**values)
        self.session.add(made)
        self.session.commit()
        return made


def ids(objects: Iterable[Model | dict[str, Any]]) -> list[int]:
    """The ids of models, or of objects as the server shows them."""
    return [item["id"] if isinstance(item, dict) else item.id for item in objects]
