"""Who calls the server, and what that gives them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from vantage6.server.permission.catalogue import Kind, Operation, RuleKey, Scope


@dataclass(frozen=True)
class ContainerRun:
    """The one run that an algorithm container is there for."""

    result_id: int
    task_id: int
    run_id: int
    image: str


@dataclass(frozen=True)
class Identity:
    """A caller whose token was checked.

    Attributes
    ----------
    kind : Kind
    id : int
        Id of the user or node; of a container, that of its node.
    organization_id : int
        The organization that scopes are about.
    rules : frozenset of RuleKey
        All that was given to this identity, directly or by a role.
    collaboration_id : int, optional
        The collaboration of a node or container.
    run : ContainerRun, optional
        What a container works on.
    name : str, optional
        What the user or node is called; of a container, its node.
    """

    kind: Kind
    id: int
    organization_id: int
    rules: frozenset[RuleKey]
    collaboration_id: int | None = None
    run: ContainerRun | None = None
    last_seen: datetime | None = None
    credential_version: int = 0
    name: str | None = None

    def scopes(self, name: str, operation: Operation) -> set[Scope]:
        """The scopes in which the identity may do something to a kind of resource."""
        return {scope for scope in Scope if (name, scope, operation) in self.rules}

    def lacks(self, rules: Iterable[RuleKey]) -> set[RuleKey]:
        """Those of `rules` that the identity does not hold itself."""
        return set(rules) - self.rules
