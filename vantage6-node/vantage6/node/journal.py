"""What this node must not forget: its runs, how they ended, and who it is; one SQLite file.

A commit outlives the process, whenever that ends: the system has the bytes. It outlives a power
cut only after `secure`, which is waited for where something else is given up that could tell the
same: before the container of a run is removed, and before an input is used that must not be used
twice. What a power cut can take otherwise is the last rows, and that is harmless: a run whose row
is gone still has its container, or begins anew; a row that was to be deleted is delivered once
more, and the server says that the run is final already.
"""

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vantage6.common.exceptions import ConfigurationError, Vantage6Error
from vantage6.common.files import sync_folder
from vantage6.common.task_status import TaskStatus
from vantage6.node.assignment import Assignment, Report
from vantage6.node.reports import now

_VERSION = 1
_TABLES = """
CREATE TABLE run (
    result_id INTEGER PRIMARY KEY,
    assignment TEXT NOT NULL,
    facts TEXT NOT NULL,
    taken_at TEXT NOT NULL,
    status TEXT,
    report TEXT,
    ended_at TEXT
);
CREATE TABLE nonce (nonce TEXT PRIMARY KEY, result_id INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE memory (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
_COMPANIONS = ("", "-wal", "-shm")
_PATIENCE = 10.0

log = logging.getLogger(__name__)


class JournalError(Vantage6Error):
    """Nothing can be written down or looked up now, as when the disk is full."""


@dataclass(frozen=True)
class Record:
    """What is known of one run.

    Attributes
    ----------
    assignment : Assignment
        Without its input and its token, which the server has.
    facts : mapping
        What its start found out, and its delivery has to know.
    report : Report, optional
        How it ended, once that is known.
    """

    assignment: Assignment
    facts: Mapping[str, Any] = field(default_factory=dict)
    report: Report | None = None


class Journal:
    """The journal of one node; safe to use from several threads of one process.

    Parameters
    ----------
    path : Path
        The file, made where there is none.

    Raises
    ------
    ConfigurationError
        When it cannot be used; a damaged one is put aside.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = _open(path)
            # The companion is there from the first write to the end of this process.
            self._log = os.open(f"{path}-wal", os.O_RDONLY)
        except (sqlite3.OperationalError, OSError) as error:
            raise ConfigurationError(f"The journal {path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError as error:
            raise ConfigurationError(_put_aside(path, error)) from error
        sync_folder(path.parent)

    # Runs

    def begin(self, assignment: Assignment, facts: Mapping[str, Any] | None = None) -> None:
        """Note that a run is about to start, in the place of what was known of it."""
        self._write(
            "INSERT OR REPLACE INTO run (result_id, assignment, facts, taken_at)"
            " VALUES (?, ?, ?, ?)",
            (assignment.result_id, _text_of(assignment), json.dumps(facts or {}), now()),
        )

    def note(self, result_id: int, facts: Mapping[str, Any]) -> None:
        """Note what the start of a run found out."""
        text = json.dumps(facts)
        self._write("UPDATE run SET facts = ? WHERE result_id = ?", (text, result_id))

    def end(self, assignment: Assignment, report: Report) -> None:
        """Note how a run ended; what its start found out stays."""
        self._write(
            "INSERT INTO run (result_id, assignment, facts, taken_at, status, report, ended_at)"
            " VALUES (?, ?, '{}', ?, ?, ?, ?) ON CONFLICT (result_id) DO UPDATE SET"
            " status = excluded.status, report = excluded.report, ended_at = excluded.ended_at",
            (
                assignment.result_id,
                _text_of(assignment),
                now(),
                report.status.value,
                json.dumps(asdict(report)),
                now(),
            ),
        )

    def forget(self, result_id: int) -> None:
        """Strike a run out: the server has acknowledged its end, or does not want it."""
        self._write("DELETE FROM run WHERE result_id = ?", (result_id,))

    def record(self, result_id: int) -> Record | None:
        """What is known of a run."""
        rows = self._read(f"{_QUESTION} WHERE result_id = ?", (result_id,))
        return _record(rows[0]) if rows else None

    def records(self) -> list[Record]:
        """What is known of all runs, oldest first."""
        return [_record(row) for row in self._read(f"{_QUESTION} ORDER BY result_id")]

    # What must not be used twice, and what is good to know

    def use(self, nonce: str, result_id: int) -> bool:
        """Note that an input is used for a run; False when another run has used it before.

        Survives a power cut: the answer is the protection against inputs that are sent again.
        """
        with self._lock, _telling_of_trouble():
            self._connection.execute(
                "INSERT OR IGNORE INTO nonce (nonce, result_id) VALUES (?, ?)", (nonce, result_id)
            )
            (user,) = self._connection.execute(
                "SELECT result_id FROM nonce WHERE nonce = ?", (nonce,)
            ).fetchone()
        self.secure()
        return bool(user == result_id)

    def remember(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep something under a name, in the place of what was there."""
        self._write("INSERT OR REPLACE INTO memory VALUES (?, ?)", (name, json.dumps(value)))

    def recall(self, name: str) -> dict[str, Any] | None:
        """What was kept under a name."""
        rows = self._read("SELECT value FROM memory WHERE name = ?", (name,))
        return dict(json.loads(rows[0][0])) if rows else None

    # The file

    def secure(self) -> None:
        """Wait until what was noted so far outlives a power cut.

        Not as part of the commits, which would hold up each other and every run.
        """
        os.fsync(self._log)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()
            os.close(self._log)

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with self._lock, _telling_of_trouble():
            self._connection.execute(statement, values)

    def _read(self, question: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock, _telling_of_trouble():
            return self._connection.execute(question, values).fetchall()


_QUESTION = "SELECT assignment, facts, report FROM run"


@contextmanager
def _telling_of_trouble() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"The journal of this node cannot be used: {error}") from error


def _open(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    path.chmod(0o600)
    connection = sqlite3.connect(
        path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        _check(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Make the tables where there are none; raise what speaks against using the file."""
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(" ".join(verdict.split()))
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise ConfigurationError(
            f"The journal {path} was written by a newer version of this node: run that one, or "
            "let it finish its runs first"
        )
    if version == 0:
        connection.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {_VERSION}; COMMIT;")
    # A write at every start, so that the companion is there.
    connection.execute(
        "INSERT OR REPLACE INTO memory VALUES ('opened', ?)", (json.dumps({"at": now()}),)
    )


def _put_aside(path: Path, error: sqlite3.DatabaseError) -> str:
    """Rename a damaged file, and say what its owner can do."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    aside = path.with_name(f"{path.name}.damaged-{moment}")
    for companion in _COMPANIONS:
        if (found := Path(f"{path}{companion}")).exists():
            found.rename(f"{aside}{companion}")
    return (
        f"The journal {path} is damaged ({error}) and was put aside as {aside.name}: look for a "
        "disk that fails, then start this node again. It begins a new journal; runs whose results "
        "were not sent yet are computed anew, and signed inputs that were used before would be "
        "taken once more, so restore the file from a backup where that matters"
    )


def _text_of(assignment: Assignment) -> str:
    left_out = {"input": "", "stored_input": None, "container_token": ""}
    return json.dumps({**asdict(assignment), **left_out})


def _record(row: tuple[str, str, str | None]) -> Record:
    assignment, facts, report = row
    return Record(
        Assignment(**_known(Assignment, json.loads(assignment))),
        json.loads(facts),
        _report(json.loads(report)) if report else None,
    )


def _report(content: Mapping[str, Any]) -> Report:
    return Report(**{**_known(Report, content), "status": TaskStatus(content["status"])})


def _known(kind: type[Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """What this version knows of; others may have noted more."""
    names = {one.name for one in fields(kind)}
    return {name: value for name, value in content.items() if name in names}
