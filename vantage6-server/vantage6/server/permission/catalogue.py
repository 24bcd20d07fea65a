"""All that can be permitted: the rules, and which kind of identity may call which route.

The order of the rules is that in which they are registered, hence that of their ids in a fresh
database. Clients look rules up by name, scope and operation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache


class Operation(Enum):
    """What is done to a resource; rules are stored under these names."""

    VIEW = "v"
    EDIT = "e"
    CREATE = "c"
    DELETE = "d"


class Scope(Enum):
    """Whose resources a rule is about; rules are stored under these names."""

    OWN = "own"
    ORGANIZATION = "org"
    COLLABORATION = "col"
    GLOBAL = "glo"


@dataclass(frozen=True)
class RuleRecord:
    """One thing that a role can allow. Two records are the same rule whatever they say."""

    name: str
    scope: Scope
    operation: Operation
    description: str = ""

    @property
    def key(self) -> "RuleKey":
        """What identifies the rule."""
        return (self.name, self.scope, self.operation)


RuleKey = tuple[str, Scope, Operation]

_GLOBAL, _COLLABORATION = Scope.GLOBAL, Scope.COLLABORATION
_ORGANIZATION, _OWN = Scope.ORGANIZATION, Scope.OWN
_VIEW, _EDIT, _CREATE, _DELETE = Operation

RULES: tuple[RuleRecord, ...] = (
    RuleRecord("node", _GLOBAL, _VIEW, "See any node"),
    RuleRecord("node", _ORGANIZATION, _VIEW, "See the nodes of your organization"),
    RuleRecord("node", _GLOBAL, _EDIT, "Change any node and reset its API key"),
    RuleRecord(
        "node", _ORGANIZATION, _EDIT, "Change nodes of your organization and reset their API keys"
    ),
    RuleRecord("node", _GLOBAL, _CREATE, "Create nodes for any organization"),
    RuleRecord("node", _ORGANIZATION, _CREATE, "Create nodes for your organization"),
    RuleRecord("node", _GLOBAL, _DELETE, "Delete any node"),
    RuleRecord("node", _ORGANIZATION, _DELETE, "Delete nodes of your organization"),
    RuleRecord("collaboration", _GLOBAL, _VIEW, "See any collaboration"),
    RuleRecord(
        "collaboration", _ORGANIZATION, _VIEW, "See the collaborations of your organization"
    ),
    RuleRecord(
        "collaboration", _GLOBAL, _EDIT, "Change any collaboration, its organizations and nodes"
    ),
    RuleRecord("collaboration", _GLOBAL, _CREATE, "Create collaborations"),
    RuleRecord(
        "collaboration",
        _GLOBAL,
        _DELETE,
        "Delete any collaboration, or remove an organization from it",
    ),
    RuleRecord("organization", _GLOBAL, _VIEW, "See any organization"),
    RuleRecord("organization", _ORGANIZATION, _VIEW, "See your organization"),
    RuleRecord(
        "organization",
        _COLLABORATION,
        _VIEW,
        "See your organization and all that share a collaboration with it",
    ),
    RuleRecord("organization", _GLOBAL, _EDIT, "Change any organization"),
    RuleRecord("organization", _ORGANIZATION, _EDIT, "Change your organization"),
    RuleRecord("organization", _GLOBAL, _CREATE, "Create organizations"),
    RuleRecord("task", _GLOBAL, _VIEW, "See any task"),
    RuleRecord("task", _ORGANIZATION, _VIEW, "See the tasks of your collaborations"),
    RuleRecord(
        "task", _GLOBAL, _CREATE, "Create tasks in collaborations that your organization is in"
    ),
    RuleRecord("task", _ORGANIZATION, _CREATE, "Create tasks in your collaborations"),
    RuleRecord("task", _GLOBAL, _DELETE, "Delete or kill any task"),
    RuleRecord("task", _ORGANIZATION, _DELETE, "Delete or kill tasks of your collaborations"),
    RuleRecord("result", _GLOBAL, _VIEW, "See any result"),
    RuleRecord("result", _ORGANIZATION, _VIEW, "See the results of your collaborations"),
    RuleRecord("user", _GLOBAL, _VIEW, "See any user"),
    RuleRecord("user", _ORGANIZATION, _VIEW, "See the users of your organization"),
    RuleRecord("user", _GLOBAL, _CREATE, "Create users in any organization"),
    RuleRecord("user", _ORGANIZATION, _CREATE, "Create users in your organization"),
    RuleRecord("user", _GLOBAL, _EDIT, "Change any user"),
    RuleRecord("user", _ORGANIZATION, _EDIT, "Change users of your organization"),
    RuleRecord("user", _OWN, _EDIT, "Change your own account"),
    RuleRecord("user", _GLOBAL, _DELETE, "Delete any user"),
    RuleRecord("user", _ORGANIZATION, _DELETE, "Delete users of your organization"),
    RuleRecord("user", _OWN, _DELETE, "Delete your own account"),
    RuleRecord("role", _GLOBAL, _VIEW, "See any role"),
    RuleRecord("role", _ORGANIZATION, _VIEW, "See the roles of your organization"),
    RuleRecord("role", _GLOBAL, _CREATE, "Create roles for any organization"),
    RuleRecord("role", _ORGANIZATION, _CREATE, "Create roles for your organization"),
    RuleRecord("role", _GLOBAL, _EDIT, "Change any role"),
    RuleRecord("role", _ORGANIZATION, _EDIT, "Change roles of your organization"),
    RuleRecord("role", _GLOBAL, _DELETE, "Delete any role, or a rule from it"),
    RuleRecord(
        "role", _ORGANIZATION, _DELETE, "Delete roles of your organization, or rules from them"
    ),
    RuleRecord("port", _GLOBAL, _VIEW, "See any port of the private network"),
    RuleRecord("port", _ORGANIZATION, _VIEW, "See the ports of your collaborations"),
)

_BY_KEY: Mapping[RuleKey, RuleRecord] = {record.key: record for record in RULES}

RESOURCES = tuple(dict.fromkeys(record.name for record in RULES))


def rule(name: str, scope: Scope, operation: Operation) -> RuleRecord:
    """The rule of this name, scope and operation; KeyError when nobody declared it."""
    return _BY_KEY[name, scope, operation]


class Kind(Enum):
    """Who can call the server."""

    USER = "user"
    NODE = "node"
    CONTAINER = "container"


Admitted = frozenset[Kind]

_USER, _NODE = frozenset({Kind.USER}), frozenset({Kind.NODE})
_USER_OR_NODE = _USER | _NODE
_USER_OR_CONTAINER = _USER | {Kind.CONTAINER}
_EVERYBODY = frozenset(Kind)
ANONYMOUS: Admitted = frozenset()

# Route -> method -> who may call it at all. ANONYMOUS asks for no token. A route that is not
# here cannot be registered. The rules say what those who are admitted may do.
ADMISSION: Mapping[str, Mapping[str, Admitted]] = {
    "/token/user": {"POST": ANONYMOUS},
    "/token/node": {"POST": ANONYMOUS},
    "/token/container": {"POST": _NODE},
    "/token/refresh": {"POST": _USER_OR_NODE},
    "/organization": {"GET": _EVERYBODY, "POST": _USER},
    "/organization/<id>": {"GET": _EVERYBODY, "PATCH": _USER_OR_NODE},
    "/organization/<id>/collaboration": {"GET": _USER_OR_NODE},
    "/organization/<id>/node": {"GET": _USER_OR_NODE},
    "/collaboration": {"GET": _USER, "POST": _USER},
    "/collaboration/<id>": {"GET": _EVERYBODY, "PATCH": _USER, "DELETE": _USER},
    "/collaboration/<id>/organization": {"GET": _EVERYBODY, "POST": _USER, "DELETE": _USER},
    "/collaboration/<id>/node": {"GET": _USER, "POST": _USER, "DELETE": _USER},
    "/collaboration/<id>/task": {"GET": _USER_OR_NODE},
    "/node": {"GET": _USER_OR_NODE, "POST": _USER},
    "/node/<id>": {"GET": _USER_OR_NODE, "PATCH": _USER_OR_NODE, "DELETE": _USER},
    "/recover/node": {"POST": _USER},
    "/task": {"GET": _EVERYBODY, "POST": _USER_OR_CONTAINER},
    "/task/<id>": {"GET": _EVERYBODY, "DELETE": _USER},
    "/task/<id>/payload": {"DELETE": _USER},
    "/task/<id>/result": {"GET": _USER_OR_CONTAINER},
    "/result": {"GET": _EVERYBODY},
    "/result/<id>": {"GET": _EVERYBODY, "PATCH": _NODE},
    "/result/<id>/input": {"GET": _EVERYBODY},
    "/result/<id>/output": {"GET": _EVERYBODY},
    "/upload": {"POST": _EVERYBODY},
    "/upload/<id>": {"GET": _EVERYBODY, "PATCH": _EVERYBODY, "DELETE": _EVERYBODY},
    "/claim": {"POST": _NODE},
    "/claim/take": {"POST": _NODE},
    "/user": {"GET": _USER, "POST": _USER},
    "/user/<id>": {"GET": _USER, "PATCH": _USER, "DELETE": _USER},
    "/user/<id>/2fa": {"DELETE": _USER},
    "/role": {"GET": _USER, "POST": _USER},
    "/role/<id>": {"GET": _USER, "PATCH": _USER, "DELETE": _USER},
    "/role/<id>/rule": {"GET": _USER},
    "/role/<id>/rule/<rule_id>": {"POST": _USER, "DELETE": _USER},
    "/rule": {"GET": _USER},
    "/rule/<id>": {"GET": _USER},
    "/password/change": {"PATCH": _USER},
    "/port": {"GET": _EVERYBODY, "POST": _NODE, "DELETE": _NODE},
    "/port/<id>": {"GET": _EVERYBODY},
    "/vpn": {"GET": _NODE},
    "/vpn/update": {"POST": _NODE},
    "/kill/task": {"POST": _USER},
    "/kill/node/tasks": {"POST": _USER},
    "/stats": {"GET": _USER},
    "/recover/lost": {"POST": ANONYMOUS},
    "/recover/reset": {"POST": ANONYMOUS},
    "/recover/2fa/lost": {"POST": ANONYMOUS},
    "/recover/2fa/reset": {"POST": ANONYMOUS},
    "/recover/2fa/codes": {"POST": _USER},
    "/version": {"GET": ANONYMOUS},
    "/health": {"GET": ANONYMOUS},
    "/health/fix": {"GET": ANONYMOUS},
}


@cache
def methods_of(resource: str) -> tuple[str, ...]:
    """What can be done with one object of a resource, for the links to it."""
    return tuple(ADMISSION[f"/{resource}/<id>"])
