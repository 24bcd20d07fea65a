"""The own password."""

from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.user import PasswordInput
from vantage6.server.service import authentication


class PasswordChange(Resource):
    """Where users change their password."""

    route = "/password/change"

    @contract(takes=PasswordInput, gives=MessageOutput)
    def patch(self) -> Answer:
        """Change the own password; all tokens are void, and whoever has it logs in anew."""
        values = self.read()
        authentication.change_password(
            self.guard, self.identity, values["current_password"], values["new_password"]
        )
        return self.say("The password is changed; log in with the new one")
