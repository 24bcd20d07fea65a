"""The own password."""

from flask import request

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.schema.user import PasswordInput
from vantage6.server.service import authentication


class PasswordChange(Resource):
    """Where users change their password."""

    route = "/password/change"

    def patch(self) -> Answer:
        """Change the own password; all tokens of before are void, and the answer has new ones."""
        values = self.read(PasswordInput())
        tokens = authentication.change_password(
            self.database,
            self.login_limit,
            request.remote_addr or "",
            self.identity,
            values["current_password"],
            values["new_password"],
        )
        return {"msg": "The password is changed", **tokens}, 200
