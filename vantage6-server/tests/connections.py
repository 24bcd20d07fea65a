"""Whether a request ever holds one connection of the database while it asks for another."""

from typing import Any

from flask import Flask, g, has_request_context, request
from sqlalchemy import event

from vantage6.server.database import Database


class Frugality:
    """Watches the connections that the requests of an application take.

    With as many requests at once as there are connections, those that wait for a second one
    would wait for each other. One request alone never shows that.
    """

    def __init__(self, app: Flask) -> None:
        self.violations: list[str] = []
        database: Database = app.extensions["database"]
        event.listen(database.engine, "checkout", self._take)
        event.listen(database.engine, "checkin", _give_back)

    def check(self) -> None:
        """Fail when a request held two."""
        assert not self.violations, "\n".join(self.violations)

    def _take(self, _connection: Any, record: Any, _proxy: Any) -> None:
        if not has_request_context():
            return
        held = g.setdefault("connections", set())
        if held:
            self.violations.append(f"{request.method} {request.path} takes a second connection")
        held.add(record)


def _give_back(_connection: Any, record: Any) -> None:
    # What a test holds itself is not that of a request.
    if has_request_context():
        g.setdefault("connections", set()).discard(record)
