"""Where the processes of nodes say that they are there, and keep the runs that they claimed."""

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.claim import ClaimsToKeep
from vantage6.server.service import claim as service


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
