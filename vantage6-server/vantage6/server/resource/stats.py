"""A summary in numbers."""

from typing import Any

from sqlalchemy import ColumnElement, Select, func, null, select

from vantage6.server.exceptions import Forbidden
from vantage6.server.model import Collaboration, Node, Organization, Result, Task, User
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import StatsOutput

_COUNTED: dict[str, Select[Any]] = {
    "organizations": select(Organization),
    "collaborations": select(Collaboration),
    "nodes": select(Node),
    "nodes_online": select(Node).where(Node.status == "online"),
    "users": select(User),
    "tasks": select(Task),
    "open_results": select(Result).where(Result.finished_at.is_(None)),
}


class Stats(Resource):
    """How much there is of everything."""

    route = "/stats"

    @contract(gives=StatsOutput)
    def get(self) -> Answer:
        """Count what the caller may see; null for what the caller may not see at all."""
        counts = [self._count(query).label(name) for name, query in _COUNTED.items()]
        return self.answer(dict(self.session.execute(select(*counts)).one()._mapping))

    def _count(self, query: Select[Any]) -> ColumnElement[Any]:
        model = query.column_descriptions[0]["entity"]
        try:
            self.require(Operation.VIEW, model)
        except Forbidden:
            return null()
        return self.visible(query).with_only_columns(func.count(model.id)).scalar_subquery()
