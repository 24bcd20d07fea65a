"""Which inputs were sent in authenticated envelopes: what their results have to answer.

A server that shows a result in the classic envelope, or one that answers another input, is found
out only by whoever remembers what was sent. A small SQLite file does, also for other processes.
"""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from vantage6.common.exceptions import ConfigurationError

_TABLE = """
CREATE TABLE IF NOT EXISTS sent (
    server TEXT NOT NULL,
    task_id INTEGER NOT NULL,
    organization_id INTEGER NOT NULL,
    digest TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (server, task_id, organization_id)
) WITHOUT ROWID
"""
_MEMORY_SECONDS = 400 * 24 * 3600
_PATIENCE = 30.0


class Sent:
    """The inputs that were sent to one server.

    Parameters
    ----------
    path : Path
        The file; made at the first use.
    server : str
        Address of the API.

    Raises
    ------
    ConfigurationError
        By all methods, where the file cannot be used.
    """

    def __init__(self, path: Path, server: str) -> None:
        self._path, self._server = path, server

    def note(self, task_id: int, digests: Mapping[int, str]) -> None:
        """Note the digests of the inputs of a task, by organization."""
        now = int(time.time())
        rows = [(self._server, task_id, id_, text, now) for id_, text in digests.items()]
        with self._connection() as connection:
            connection.execute("DELETE FROM sent WHERE at < ?", (now - _MEMORY_SECONDS,))
            connection.executemany("INSERT OR REPLACE INTO sent VALUES (?, ?, ?, ?, ?)", rows)

    def digest(self, task_id: int, organization_id: int) -> str | None:
        """The digest of what was sent to an organization; None where nothing is known of it."""
        if not self._path.exists():
            return None
        with self._connection() as connection:
            row = connection.execute(
                "SELECT digest FROM sent WHERE server = ? AND task_id = ? AND organization_id = ?",
                (self._server, task_id, organization_id),
            ).fetchone()
        return row[0] if row else None

    def has(self, task_id: int) -> bool:
        """Whether anything is known of what was sent for a task."""
        if not self._path.exists():
            return False
        with self._connection() as connection:
            row = connection.execute(
                "SELECT 1 FROM sent WHERE server = ? AND task_id = ?", (self._server, task_id)
            ).fetchone()
        return row is not None

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self._path.exists():
            self._path.touch(mode=0o600)
        try:
            with (
                closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as connection,
                connection,
            ):
                connection.execute(_TABLE)
                yield connection
        except sqlite3.Error as error:
            raise ConfigurationError(
                f"{self._path}, in which is noted what was sent, cannot be used: {error}. Where it "
                "is damaged, move it away: results of earlier questions are checked without it"
            ) from error
