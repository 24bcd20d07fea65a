"""The mails of the application under test, caught before they leave."""

import re

from flask import Flask

from vantage6.server.service.mail import Letter, Mailer, MailSettings
from vantage6.server.service.notice import Notices

SUPPORT = "help@hospital.example"


class Letters:
    """Catches what an application mails."""

    def __init__(self, app: Flask) -> None:
        self._sent: list[Letter] = []
        old: Notices = app.extensions["notices"]
        settings = MailSettings.from_config({"smtp": {}, "support_email": SUPPORT})
        self._notices = Notices(
            app.extensions["database"], old.tokens, old.limit, settings, Mailer(self._sent.append)
        )
        app.extensions["notices"] = self._notices

    @property
    def sent(self) -> list[Letter]:
        """All letters, once nothing is left to be sent."""
        self._notices.wait()
        return self._sent

    def token(self) -> str:
        """The token in the last letter."""
        (found,) = re.findall(r"^ey[\w-]+\.[\w-]+\.[\w-]+$", self.sent[-1].text, re.MULTILINE)
        return str(found)
