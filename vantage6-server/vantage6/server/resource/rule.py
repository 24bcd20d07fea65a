"""Rules: open to every user, because without them nobody could be given any."""

from sqlalchemy import select

from vantage6.server.model import Role, Rule, role_rule_association
from vantage6.server.permission.catalogue import Operation, Scope
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import equal, member_of, text, where
from vantage6.server.schema.rule import RuleOutput

FILTERS = {
    "name": equal(Rule.name, text),
    "operation": equal(Rule.operation, member_of(Operation)),
    "scope": equal(Rule.scope, member_of(Scope)),
    "role_id": where(
        lambda id_: Rule.id.in_(
            select(role_rule_association.c.rule_id).where(role_rule_association.c.role_id == id_)
        )
    ),
}


class Rules(Resource):
    """All rules."""

    route = "/rule"

    @contract(gives=RuleOutput, shape=Shape.PAGE, filters=FILTERS, refusals=(404,))
    def get(self) -> Answer:
        """List the rules."""
        query = self.filtered(select(Rule))
        self.check_filter("role_id", Role)
        return self.page(query)


class OneRule(Resource):
    """One rule."""

    route = "/rule/<id>"

    @contract(gives=RuleOutput)
    def get(self, id: int) -> Answer:
        """Show a rule."""
        return self.show(self.load_any(Rule, id))
