"""The way back into an account, for those who lost a password or a second factor."""

from flask import current_app

from vantage6.server.model import User
from vantage6.server.permission.catalogue import Operation
from vantage6.server.resource.base import Answer, Resource
from vantage6.server.resource.contract import contract
from vantage6.server.schema.answer import MessageOutput
from vantage6.server.schema.recovery import (
    AccountInput,
    AccountWithPasswordInput,
    PasswordResetInput,
    RecoveryCodesInput,
    RecoveryCodesOutput,
    SecondFactorResetInput,
)
from vantage6.server.schema.token import EnrolmentOutput
from vantage6.server.service import recovery
from vantage6.server.service.recovery import Account

_UNLESS_LATELY = "unless one was sent lately"


class PasswordLost(Resource):
    """Where users who forgot a password ask for a mail."""

    route = "/recover/lost"

    @contract(takes=AccountInput, gives=MessageOutput)
    def post(self) -> Answer:
        """Mail a token, if there is such an account; the answer does not tell."""
        values = self.read()
        recovery.password_lost(self.guard, Account(values.get("username"), values.get("email")))
        return self.say(
            f"If the account exists, a mail is on its way to its owner, {_UNLESS_LATELY}"
        )


class PasswordReset(Resource):
    """Where they choose a new one."""

    route = "/recover/reset"

    @contract(takes=PasswordResetInput, gives=MessageOutput, refusals=(401, 429))
    def post(self) -> Answer:
        """Set a new password with a mailed token."""
        values = self.read()
        recovery.reset_password(self.guard, values["reset_token"], values["password"])
        return self.say("The password is changed; log in with the new one")


class SecondFactorLost(Resource):
    """Where users who lost an authenticator app ask for a mail."""

    route = "/recover/2fa/lost"

    @contract(takes=AccountWithPasswordInput, gives=MessageOutput, refusals=(401, 429))
    def post(self) -> Answer:
        """Mail a token to somebody who knows the password."""
        values = self.read()
        account = Account(values.get("username"), values.get("email"))
        recovery.second_factor_lost(self.guard, account, values["password"])
        return self.say(f"A mail is on its way to the owner of the account, {_UNLESS_LATELY}")


class SecondFactorReset(Resource):
    """Where they set up another one."""

    route = "/recover/2fa/reset"

    @contract(takes=SecondFactorResetInput, gives=EnrolmentOutput, refusals=(401, 429))
    def post(self) -> Answer:
        """Show what to set another app up with, for a mailed token and a recovery code."""
        values = self.read()
        factors = current_app.extensions["second_factors"]
        answer = recovery.reset_second_factor(
            self.guard, factors, values["reset_token"], values["recovery_code"]
        )
        return self.answer(answer)


class RecoveryCodes(Resource):
    """Where users get other recovery codes."""

    route = "/recover/2fa/codes"

    @contract(takes=RecoveryCodesInput, gives=RecoveryCodesOutput)
    def post(self) -> Answer:
        """Make new recovery codes, for the password and a code of the app."""
        values = self.read()
        factors = current_app.extensions["second_factors"]
        codes = recovery.new_recovery_codes(
            self.guard, factors, self.identity, values["password"], values["mfa_code"]
        )
        return self.answer(codes)


class UserSecondFactor(Resource):
    """The second factor of one user."""

    route = "/user/<id>/2fa"

    @contract(gives=MessageOutput)
    def delete(self, id: int) -> Answer:
        """Remove the second factor of somebody who lost it, by an administrator."""
        user = self.load(Operation.EDIT, User, id)
        recovery.remove_second_factor(self.session, self.guard, self.identity, user)
        return self.say(f"User {id} sets up a second factor at the next log-in")
