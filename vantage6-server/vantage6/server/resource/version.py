"""What anybody may ask: the version, and whether the server is well."""

from vantage6.common import __version__
from vantage6.server.resource.base import Answer, Resource


class Version(Resource):
    """The version of the server."""

    route = "/version"

    def get(self) -> Answer:
        """Show the version."""
        return {"version": __version__}, 200


class Health(Resource):
    """The state of the parts that the server needs."""

    route = "/health"

    def get(self) -> Answer:
        """Show whether the database answers."""
        return {"database": self.database.is_reachable()}, 200


class HealthFix(Resource):
    """A nudge to the database, kept from the classic line."""

    route = "/health/fix"

    def get(self) -> Answer:
        """Ask the database for anything at all."""
        self.database.is_reachable()
        return None, 200
