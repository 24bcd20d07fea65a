"""Somebody who logs in the way people do."""

import time
from typing import Any

import pyotp
from flask.testing import FlaskClient

from vantage6.server.service import second_factor

PASSWORD, NEW_PASSWORD = "Passw0rd!", "N3w-passw0rd"


def log_in(
    client: FlaskClient, username: str, secret: str = PASSWORD, address: str = "127.0.0.1"
) -> Any:
    """Show a name and a password, from some address; the answer."""
    body = {"username": username, "password": secret}
    return client.post("/api/token/user", json=body, environ_base={"REMOTE_ADDR": address})


class Person:
    """Somebody with a password and an authenticator app."""

    def __init__(self, client: FlaskClient, username: str) -> None:
        self.client, self.username = client, username
        self.secret = ""
        self.recovery_codes: list[str] = []

    def log_in(self, code: Any = None, secret: str = PASSWORD, **more: Any) -> Any:
        """Show a password, and a code if there is one."""
        body = {"username": self.username, "password": secret, "mfa_code": code}
        return self.client.post("/api/token/user", json=body, **more)

    def code(self, step: int = 0) -> str:
        """What the app shows now, or some steps later."""
        return pyotp.TOTP(self.secret).at(time.time() + step * second_factor.STEP_SECONDS)

    def enrol(self) -> Any:
        """Set the app up, and confirm it."""
        self.secret = self.log_in().json["otp_secret"]
        answer = self.log_in(self.code())
        self.recovery_codes = answer.json["recovery_codes"]
        return answer
