"""Where the processes of nodes take runs, and say that they are there to keep them."""

from collections.abc import Mapping, Sequence
from typing import Any

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import INLINE
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.claim import ClaimsToKeep, RunsToTake
from vantage6.server.schema.result import TakenRunOutput
from vantage6.server.schema.task import TaskOfRunOutput
from vantage6.server.service import authentication
from vantage6.server.service import claim as service

# Of those that are larger a process is told how large they are.
_INLINE = 2**20


class Claims(Resource):
    """The claims of one process of a node."""

    route = "/claim"

    @contract(takes=ClaimsToKeep, gives=MessageOutput)
    def post(self) -> Answer:
        """Keep the open runs that a process has claimed, so that no other process starts them."""
        values = self.read()
        kept = service.keep(
            self.session, self.identity, values["claim"], take_over=values["take_over"]
        )
        return self.say(f"{kept} run(s) are kept for {service.LEASE.total_seconds():.0f} seconds")


class TakenRuns(Resource):
    """The runs that a process takes to work on them."""

    route = "/claim/take"

    @contract(takes=RunsToTake, gives=TakenRunOutput, shape=Shape.ALL, arguments={"inline": INLINE})
    def post(self) -> Answer:
        """Claim open runs of the node, oldest first, with all that is needed to start them.

        A run is given to one process only. What a process has claimed and does not name among
        those that it holds is given to it again: the answer with it was lost.
        """
        values = self.read()
        taken = service.take_open(self.session, self.identity, **values)
        tokens = {run.id: authentication.token_of_run(self.identity, run) for run in taken}
        schema = TakenRunOutput(
            self.session,
            self.identity,
            embed={"task": self._tasks_of},
            tokens=tokens,
            inline=_INLINE if self.argument("inline") is None else self.argument("inline"),
        )
        return self.show(taken, schema)

    def _tasks_of(self, runs: Sequence[Any]) -> Mapping[int, dict[str, Any]]:
        """The tasks of some runs, which were taken with them."""
        shown = TaskOfRunOutput(self.session, self.identity).dump(
            [run.task for run in runs], many=True
        )
        return {run.id: task for run, task in zip(runs, shown, strict=True)}
