"""Ports of containers in a private network, kept by the nodes that run them."""

from sqlalchemy import delete, func, select

from vantage6.server.exceptions import BadRequest
from vantage6.server.model import AlgorithmPort, Result, Task
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import Shape, contract
from vantage6.server.resource.filter import equal, id_of, where
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.port import PortInput, PortOutput
from vantage6.server.service import own_run

# How many ports a run may have; all of them are shown with every look at its result.
PORTS_EACH = 100

FILTERS = {
    "result_id": equal(AlgorithmPort.result_id),
    "task_id": where(
        lambda id_: AlgorithmPort.result_id.in_(select(Result.id).where(Result.task_id == id_))
    ),
    "run_id": where(
        lambda id_: AlgorithmPort.result_id.in_(
            select(Result.id).join(Result.task).where(Task.run_id == id_)
        )
    ),
}


class Ports(Resource):
    """All ports."""

    route = "/port"

    @contract(gives=PortOutput, shape=Shape.PAGE, filters=FILTERS)
    def get(self) -> Answer:
        """List the ports that the caller may see, the newest first."""
        return self.page(self.filtered(self.visible(select(AlgorithmPort))), newest_first=True)

    @contract(takes=PortInput, gives=PortOutput, status=201)
    def post(self) -> Answer:
        """Tell at which port the container of a run can be reached."""
        values = self.read()
        run = own_run.load(self.session, self.identity, values["result_id"])
        if run.complete:
            raise BadRequest("The run has finished already")
        ports = select(func.count()).where(AlgorithmPort.result_id == run.id)
        if (self.session.scalar(ports) or 0) >= PORTS_EACH:
            raise BadRequest(f"The run has {PORTS_EACH} ports already")
        port = AlgorithmPort(**values)
        self.session.add(port)
        self.session.flush()
        return self.show(port)

    @contract(gives=MessageOutput, arguments={"result_id": id_of("The run whose ports go.")})
    def delete(self) -> Answer:
        """Remove all ports of a run."""
        result_id = self.argument("result_id")
        own_run.load(self.session, self.identity, result_id)
        self.session.execute(delete(AlgorithmPort).where(AlgorithmPort.result_id == result_id))
        return self.say(f"The ports of result {result_id} are removed")


class OnePort(Resource):
    """One port."""

    route = "/port/<id>"

    @contract(gives=PortOutput)
    def get(self, id: int) -> Answer:
        """Show a port."""
        return self.show(self.load(Operation.VIEW, AlgorithmPort, id))
