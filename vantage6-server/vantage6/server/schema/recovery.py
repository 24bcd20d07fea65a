from typing import Any

from marshmallow import Schema, ValidationError, fields, validates_schema

from vantage6.server.schema.base import Input
from vantage6.server.schema.token import Code


class AccountInput(Input):
    """Somebody who lost a password."""

    username = fields.String()
    email = fields.String()

    @validates_schema
    def _need_one(self, values: dict[str, Any], **_: Any) -> None:
        if not values.get("username") and not values.get("email"):
            raise ValidationError("Give a username or an e-mail address.", field_name="username")


class AccountWithPasswordInput(AccountInput):
    """Somebody who lost a second factor."""

    password = fields.String(required=True)


class PasswordResetInput(Input):
    """A mailed token and the new password."""

    reset_token = fields.String(required=True)
    password = fields.String(required=True)


class RecoveryCodesInput(Input):
    """The password, and the code that the authenticator app shows."""

    password = fields.String(required=True)
    mfa_code = Code(required=True)


class RecoveryCodesOutput(Schema):
    """New recovery codes."""

    recovery_codes = fields.List(fields.String())
    msg = fields.String()


class SecondFactorResetInput(Input):
    """A mailed token, and a recovery code of the app that is lost."""

    reset_token = fields.String(required=True)
    recovery_code = fields.String(load_default="")
