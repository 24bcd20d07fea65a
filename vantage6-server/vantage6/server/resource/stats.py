"""A summary in numbers."""

from typing import Any

from sqlalchemy import Select, func, select

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
        return self.answer({name: self._count(query) for name, query in _COUNTED.items()})

    def _count(self, query: Select[Any]) -> int | None:
        model = query.column_descriptions[0]["entity"]
        try:
            self.require(Operation.VIEW, model)
        except Forbidden:
            return None
        ids = self.visible(query).with_only_columns(func.count(model.id))
        return self.session.scalar(ids)
