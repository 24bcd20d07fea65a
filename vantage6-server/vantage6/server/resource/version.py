"""What anybody may ask: the version, and whether the server is well."""

from flask import current_app

from vantage6.common import __version__
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import HealthOutput, VersionOutput


class Version(Resource):
    """The version of the server."""

    route = "/version"

    @contract(gives=VersionOutput)
    def get(self) -> Answer:
        """Show the version."""
        uploads = {"from": self.payloads.stored_from}
        can = {"idempotency_keys": True, "take": True, "quorum": True, "uploads": uploads}
        return self.answer({"version": __version__, **can})


class Health(Resource):
    """The state of the parts that the server needs."""

    route = "/health"

    @contract(gives=HealthOutput)
    def get(self) -> Answer:
        """Show whether the database answers, and the broker if the server is to have one."""
        broker = current_app.extensions["broker"]
        state = {"database": self.database.is_reachable()}
        return self.answer({**state, "broker": broker.is_up} if broker else state)


class HealthFix(Resource):
    """A nudge to the database, kept from the classic line."""

    route = "/health/fix"

    @contract()
    def get(self) -> Answer:
        """Ask the database for anything at all."""
        self.database.is_reachable()
        return self.answer(None)
