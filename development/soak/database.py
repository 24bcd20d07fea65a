"""PostgreSQL on a small disk of its own, as it is shipped, and what is in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row

from development import postgres
from development.ports import LOOPBACK
from development.postgres import Postgres

#: As it is shipped, unlike in other tests: what is committed must be there after a kill.
_LASTING = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
# Only so that its logs fit on a small disk.
_POLL_SECONDS = 0.2
_SMALL = {"min_wal_size": "32MB", "max_wal_size": "64MB"}


class Database:
    """See the module.

    Parameters
    ----------
    server : Postgres

    Attributes
    ----------
    server : Postgres
    """

    def __init__(self, server: Postgres) -> None:
        self.server = server
        self._uri = server.create()

    def uri(self, port: int) -> str:
        """What a server of ours is told, which comes over a port."""
        return self._uri.replace(f"@{LOOPBACK}:{self.server.port}/", f"@{LOOPBACK}:{port}/")

    def revive(self) -> None:
        """Do what whoever watches over it does: start it where it has ended, until it answers."""
        while not self._answers():
            if not self.server.runs:
                self.server.start()
            time.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        try:
            self.rows("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def rows(self, query: LiteralString) -> list[dict[str, Any]]:
        """What is in its tables, asked without any server in between."""
        uri = self._uri.replace("+psycopg", "")
        with psycopg.connect(uri, row_factory=dict_row) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def made(disk: Path) -> Iterator[Database]:
    """A database whose files are on this disk."""
    with postgres.serve(disk, **_LASTING, **_SMALL) as server:
        yield Database(server)
