"""Roles, and the rules in them."""

from flask import request
from sqlalchemy import ColumnElement, or_, select

from vantage6.server.exceptions import Forbidden, NotFound
from vantage6.server.model import Organization, Permission, Role, Rule, User, role_rule_association
from vantage6.server.permission import role as default
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import Filter, integer, like, text, where
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.role import RoleChange, RoleInput, RoleOutput
from vantage6.server.schema.rule import RuleOutput
from vantage6.server.service import granting

# Nodes and containers live by these: what they hold is part of the program.
_BUILT_IN = (default.NODE.name, default.CONTAINER.name)


def _is_of_organizations(values: list[str]) -> ColumnElement[bool]:
    """Roles of some organizations; with `include_root` also those without one."""
    conditions = [Role.organization_id == integer.read(value) for value in values]
    if request.args.get("include_root"):
        conditions.append(Role.organization_id.is_(None))
    return or_(*conditions)


def _with_organizations_only(_: list[str]) -> ColumnElement[bool]:
    return Role.id.is_not(None)


FILTERS: dict[str, Filter] = {
    "name": like(Role.name),
    "description": like(Role.description),
    "organization_id": Filter(_is_of_organizations, integer),
    "include_root": Filter(
        _with_organizations_only,
        text,
        description="Not empty: with `organization_id`, also the roles of no organization.",
    ),
    "rule_id": where(
        lambda id_: Role.id.in_(
            select(role_rule_association.c.role_id).where(role_rule_association.c.rule_id == id_)
        )
    ),
    "user_id": where(
        lambda id_: Role.id.in_(select(Permission.c.role_id).where(Permission.c.user_id == id_))
    ),
}


class RoleResource(Resource):
    """What the resources of roles share: loading one that can be changed."""

    def load_changeable(self, operation: Operation, id: int) -> Role:
        """The role, unless it is one of those that belong to the program."""
        role = self.load(operation, Role, id)
        if role.organization_id is None and role.name in _BUILT_IN:
            raise Forbidden(f"The role {role.name!r} belongs to the server and cannot be changed")
        return role


class Roles(Resource):
    """All roles."""

    route = "/role"

    @contract(gives=RoleOutput, shape=Shape.PAGE, filters=FILTERS, refusals=(404,))
    def get(self) -> Answer:
        """List the roles that the caller may see."""
        query = self.filtered(self.visible(select(Role)))
        self.check_filter("user_id", User)
        return self.page(query)

    @contract(takes=RoleInput, gives=RoleOutput, status=201, refusals=(404,))
    def post(self) -> Answer:
        """Create a role."""
        self.require(Operation.CREATE, Role)
        values = self.read()
        values.setdefault("organization_id", self.identity.organization_id)
        self.require(Operation.CREATE, Role, values["organization_id"])
        self.load_any(Organization, values["organization_id"])
        values["rules"] = granting.load_rules(self.session, values["rules"])
        granting.check_holds(self.identity, values["rules"])
        role = Role(**values)
        self.session.add(role)
        self.session.flush()
        return self.show(role)


class OneRole(RoleResource):
    """One role."""

    route = "/role/<id>"

    @contract(gives=RoleOutput)
    def get(self, id: int) -> Answer:
        """Show a role."""
        return self.show(self.load(Operation.VIEW, Role, id))

    @contract(takes=RoleChange, partial=True, gives=RoleOutput)
    def patch(self, id: int) -> Answer:
        """Change a role."""
        role = self.load_changeable(Operation.EDIT, id)
        values = self.read()
        if "rules" in values:
            values["rules"] = granting.load_rules(self.session, values["rules"])
            granting.check_holds(self.identity, set(values["rules"]) ^ set(role.rules))
        role.update(values)
        self.session.flush()
        return self.show(role)

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Delete a role; whoever has it loses it."""
        role = self.load_changeable(Operation.DELETE, id)
        granting.check_holds(self.identity, role.rules)
        self.session.delete(role)
        return self.say(f"Role {id} is deleted")


class RoleRules(Resource):
    """The rules of one role."""

    route = "/role/<id>/rule"

    @contract(gives=RuleOutput, shape=Shape.PAGE)
    def get(self, id: int) -> Answer:
        """List the rules of a role."""
        self.require(Operation.VIEW, Role)
        self.load(Operation.VIEW, Role, id)
        return self.page(select(Rule).where(Rule.roles.any(Role.id == id)))


class OneRoleRule(RoleResource):
    """One rule of one role."""

    route = "/role/<id>/rule/<rule_id>"

    @contract(gives=MessageOutput, status=201)
    def post(self, id: int, rule_id: int) -> Answer:
        """Put a rule into a role."""
        role = self.load_changeable(Operation.EDIT, id)
        rule = self.load_any(Rule, rule_id)
        granting.check_holds(self.identity, [rule])
        if rule not in role.rules:
            role.rules.append(rule)
        return self.say(f"Rule {rule_id} is in role {id}")

    @contract(gives=MessageOutput)
    def delete(self, id: int, rule_id: int) -> Answer:
        """Take a rule out of a role."""
        role = self.load_changeable(Operation.DELETE, id)
        rule = self.load_any(Rule, rule_id)
        granting.check_holds(self.identity, [rule])
        if rule not in role.rules:
            raise NotFound(f"Rule {rule_id} is not in role {id}")
        role.rules.remove(rule)
        return self.say(f"Rule {rule_id} is no longer in role {id}")
