"""The default roles are those of the classic line."""

import pytest

from vantage6.server.permission import role
from vantage6.server.permission.catalogue import RULES, Operation, Scope, rule

_VIEWER = {2, 10, 15, 16, 21, 27, 29, 34, 37, 39, 47}
_RESEARCHER = _VIEWER | {23, 25}
_ORGANIZATION_ADMIN = _RESEARCHER | {31, 33, 36, 18, 41, 43, 45, 4}

EXPECTED = {
    "container": {2, 10, 15, 16, 21, 27, 47},
    "node": {2, 10, 15, 16, 21, 27, 47, 4, 18},
    "Root": set(range(1, 48)),
    "Viewer": _VIEWER,
    "Researcher": _RESEARCHER,
    "Organization Admin": _ORGANIZATION_ADMIN,
    "Collaboration Admin": _ORGANIZATION_ADMIN | {28, 30, 32, 14, 17, 9, 11, 38, 5, 1, 7},
}


@pytest.mark.parametrize("default", role.DEFAULT_ROLES, ids=lambda default: default.name)
def test_a_default_role_holds_its_rules(default: role.DefaultRole) -> None:
    ids = [RULES.index(record) + 1 for record in default.rules]
    assert len(ids) == len(set(ids))
    assert set(ids) == EXPECTED[default.name]


def test_the_order_is_that_of_a_fresh_database() -> None:
    assert [default.name for default in role.DEFAULT_ROLES] == list(EXPECTED)


def test_a_rule_that_nobody_declared_cannot_be_named() -> None:
    with pytest.raises(KeyError):
        rule("task", Scope.GLOBAL, Operation.EDIT)
