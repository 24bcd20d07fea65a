"""Giving roles and rules: nobody hands out, or takes away, power that he lacks."""

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from vantage6.server.exceptions import Forbidden, NotFound
from vantage6.server.model import Role, Rule, User
from vantage6.server.permission import check
from vantage6.server.permission.catalogue import Operation, RuleKey, Scope
from vantage6.server.permission.identity import Identity


def load_rules(session: Session, ids: Iterable[int]) -> list[Rule]:
    """The rules with these ids; NotFound names those that do not exist."""
    wanted = set(ids)
    found = session.scalars(select(Rule).where(Rule.id.in_(wanted)).order_by(Rule.id)).all()
    _refuse_missing("rule", wanted - {rule.id for rule in found})
    return list(found)


def load_roles(session: Session, identity: Identity, ids: Iterable[int]) -> list[Role]:
    """The roles with these ids, which the caller can see.

    Raises
    ------
    NotFound, Forbidden
        As for a role that is asked for by itself.
    """
    wanted = set(ids)
    query = check.visible(identity, Operation.VIEW, select(Role).where(Role.id.in_(wanted)))
    found = session.scalars(query.options(selectinload(Role.rules)).order_by(Role.id)).all()
    missing = wanted - {role.id for role in found}
    if missing and Scope.GLOBAL not in identity.scopes("role", Operation.VIEW):
        raise Forbidden("You are not allowed to give this role")
    _refuse_missing("role", missing)
    return list(found)


def check_holds(identity: Identity, rules: Iterable[Rule]) -> None:
    """Raise Forbidden unless the caller holds all of the rules; a wider one does not count."""
    lacking = identity.lacks(keys(rules))
    if lacking:
        name, scope, operation = min(lacking, key=str)
        raise Forbidden(
            f"You do not hold this rule yourself: {name}, {scope.name}, {operation.name}"
        )


def set_roles(session: Session, identity: Identity, user: User, ids: Sequence[int]) -> None:
    """Let a user have these roles and no others."""
    roles = load_roles(session, identity, ids)
    for role in roles:
        if role.organization_id not in (None, user.organization_id):
            raise Forbidden(f"Role {role.id} belongs to another organization than the user")
    for role in set(roles) ^ set(user.roles):
        check_holds(identity, role.rules)
    user.roles = roles


def set_rules(session: Session, identity: Identity, user: User, ids: Sequence[int]) -> None:
    """Let a user directly have these rules and no others."""
    rules = load_rules(session, ids)
    check_holds(identity, set(rules) ^ set(user.rules))
    user.rules = rules


def power_of(user: User) -> set[RuleKey]:
    """All rules that a user holds."""
    return keys(user.rules).union(*(keys(role.rules) for role in user.roles))


def keys(rules: Iterable[Rule]) -> set[RuleKey]:
    """What identifies each of some rules."""
    return {rule.key for rule in rules}


def _refuse_missing(kind: str, ids: Iterable[int]) -> None:
    missing = ", ".join(map(str, sorted(ids)))
    if missing:
        raise NotFound(f"There is no {kind} {missing}")
