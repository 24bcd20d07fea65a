"""The roles that every server has, as data."""

from dataclasses import dataclass

from vantage6.server.permission.catalogue import RULES, Operation, RuleRecord, Scope, rule

_VIEW, _EDIT, _CREATE, _DELETE = Operation
_OWN, _ORGANIZATION, _COLLABORATION, _GLOBAL = Scope


@dataclass(frozen=True)
class DefaultRole:
    """A role without an organization, made when the server starts on a fresh database."""

    name: str
    description: str
    rules: tuple[RuleRecord, ...]


_CONTAINER_RULES = (
    rule("node", _ORGANIZATION, _VIEW),
    rule("collaboration", _ORGANIZATION, _VIEW),
    rule("organization", _ORGANIZATION, _VIEW),
    rule("organization", _COLLABORATION, _VIEW),
    rule("task", _ORGANIZATION, _VIEW),
    rule("result", _ORGANIZATION, _VIEW),
    rule("port", _ORGANIZATION, _VIEW),
)
_NODE_RULES = (
    *_CONTAINER_RULES,
    rule("node", _ORGANIZATION, _EDIT),
    rule("organization", _ORGANIZATION, _EDIT),
)
_VIEWER_RULES = (
    *_CONTAINER_RULES,
    rule("user", _ORGANIZATION, _VIEW),
    rule("user", _OWN, _EDIT),
    rule("user", _OWN, _DELETE),
    rule("role", _ORGANIZATION, _VIEW),
)
_RESEARCHER_RULES = (
    *_VIEWER_RULES,
    rule("task", _ORGANIZATION, _CREATE),
    rule("task", _ORGANIZATION, _DELETE),
)
_ORGANIZATION_ADMIN_RULES = (
    *_RESEARCHER_RULES,
    rule("user", _ORGANIZATION, _CREATE),
    rule("user", _ORGANIZATION, _EDIT),
    rule("user", _ORGANIZATION, _DELETE),
    rule("organization", _ORGANIZATION, _EDIT),
    rule("role", _ORGANIZATION, _CREATE),
    rule("role", _ORGANIZATION, _EDIT),
    rule("role", _ORGANIZATION, _DELETE),
    rule("node", _ORGANIZATION, _EDIT),
)
_COLLABORATION_ADMIN_RULES = (
    *_ORGANIZATION_ADMIN_RULES,
    rule("user", _GLOBAL, _VIEW),
    rule("user", _GLOBAL, _CREATE),
    rule("user", _GLOBAL, _EDIT),
    rule("organization", _GLOBAL, _VIEW),
    rule("organization", _GLOBAL, _EDIT),
    rule("collaboration", _GLOBAL, _VIEW),
    rule("collaboration", _GLOBAL, _EDIT),
    rule("role", _GLOBAL, _VIEW),
    rule("node", _GLOBAL, _CREATE),
    rule("node", _GLOBAL, _VIEW),
    rule("node", _GLOBAL, _DELETE),
)

CONTAINER = DefaultRole("container", "What every algorithm container may do", _CONTAINER_RULES)
NODE = DefaultRole("node", "What every node may do", _NODE_RULES)
ROOT = DefaultRole("Root", "Super user: everything", RULES)
VIEWER = DefaultRole("Viewer", "See what concerns the own organization", _VIEWER_RULES)
RESEARCHER = DefaultRole("Researcher", "Viewer who also creates tasks", _RESEARCHER_RULES)
ORGANIZATION_ADMIN = DefaultRole(
    "Organization Admin",
    "Researcher who also manages the users, roles and nodes of the own organization",
    _ORGANIZATION_ADMIN_RULES,
)
COLLABORATION_ADMIN = DefaultRole(
    "Collaboration Admin",
    "Organization Admin who also manages collaborations, their users and nodes",
    _COLLABORATION_ADMIN_RULES,
)

# In the order of their ids in a fresh database.
DEFAULT_ROLES = (
    CONTAINER,
    NODE,
    ROOT,
    VIEWER,
    RESEARCHER,
    ORGANIZATION_ADMIN,
    COLLABORATION_ADMIN,
)
