"""Writes the audit log: one line at a time, on the disk before anything else happens.

Several threads write, and now and then another process (a command that confirms a key), so a
lock on the file is held from looking at its end until the new line is behind it.
"""

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vantage6.common.exceptions import Vantage6Error
from vantage6.common.files import sync_folder
from vantage6.node.audit.chain import Head, make_line, read_line, sha256
from vantage6.node.audit.files import CURRENT, SEAL, archive, files, last_record, read_seal
from vantage6.node.reports import now

TORN = "torn line"
CUT = "lines missing"

_LARGEST_FILE = 16 * 2**20
_FOR_US = 0o600

log = logging.getLogger(__name__)


class AuditUnavailable(Vantage6Error):
    """A line cannot be written; what it would have told must not happen."""


class AuditLog:
    """The audit log of one node.

    Parameters
    ----------
    folder : Path
        Made when it is not there.
    largest_file : int
        Bytes after which a new file is begun.
    """

    def __init__(self, folder: Path, *, largest_file: int = _LARGEST_FILE) -> None:
        self._folder, self._largest_file = folder, largest_file
        self._path = folder / CURRENT
        self._writing = threading.Lock()
        self._head = Head()
        # Where our last line ends, and in which file; anything else has to be looked at.
        self._known: tuple[int, int] | None = None

    @property
    def head(self) -> Head:
        """Number and hash of the last line that was written here."""
        return self._head

    def append(self, event: str, **facts: Any) -> None:
        """Write a line, and return when it is on the disk.

        Parameters
        ----------
        event : str
            What happened, or is about to.
        **facts : object
            What JSON knows.

        Raises
        ------
        AuditUnavailable
            When that is impossible; then nothing of it is in the log.
        """
        with self._writing:
            try:
                with self._open() as file:
                    self._note_damage(file)
                    self._write(file, event, facts)
            except OSError as error:
                self._known = None
                raise AuditUnavailable(
                    f"The audit log of this node cannot be written: {error.strerror}"
                ) from error

    def tell_head(self) -> None:
        """Note the head in the ordinary log, which may be kept on another machine."""
        log.info("The audit log ends with line %s", self._head)

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        """The current file, ours alone until we are done."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            with _descriptor(self._path) as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                if not _is_at(file, self._path):
                    continue  # somebody put it aside while we waited
                if os.fstat(file).st_size > self._largest_file:
                    self._put_aside(file)
                    continue
                yield file
                return

    def _put_aside(self, file: int) -> None:
        """Begin a new file; the old one stays beside it under the number of its first line."""
        record = read_line(_content(file).partition(b"\n")[0])
        first = record.number if record else self._head.count
        self._path.rename(archive(self._folder, first))
        sync_folder(self._folder)

    def _note_damage(self, file: int) -> None:
        """Find the end of the chain, and write down what is wrong with it."""
        status = os.fstat(file)
        if self._known == (status.st_ino, status.st_size):
            return
        content = _content(file)
        self._head, rest = self._find_end(content)
        sealed = read_seal(self._folder)
        if content and not content.endswith(b"\n"):
            os.write(file, b"\n")
        if rest:
            log.warning("The audit log ended in a line that was not whole; it is kept")
            self._write(file, TORN, {"bytes": len(rest), "sha256": sha256(rest)})
        elif status.st_size == 0:
            sync_folder(self._folder)
        if sealed and _is_ahead(sealed, self._head):
            log.error("The audit log is shorter than it was, or another one: run `audit verify`")
            self._write(file, CUT, {"sealed": str(sealed)})

    def _find_end(self, content: bytes) -> tuple[Head, bytes]:
        """The head of the chain, and what stands behind its last line."""
        record, rest = last_record(content)
        if record is None:
            for older in reversed(files(self._folder)[:-1]):
                record, _ = last_record(older.read_bytes())
                if record:
                    break
        return (record.head if record else Head()), rest

    def _write(self, file: int, event: str, facts: dict[str, Any]) -> None:
        line, head = make_line(self._head, now(), event, facts)
        size = os.fstat(file).st_size
        try:
            _write_all(file, line)
            os.fsync(file)
        except OSError:
            # Half a line would be noted as damage; if it cannot be removed, it will be.
            with contextlib.suppress(OSError):
                os.ftruncate(file, size)
            raise
        self._head = head
        status = os.fstat(file)
        self._known = (status.st_ino, status.st_size)
        self._seal()

    def _seal(self) -> None:
        """Note the head beside the log, so that its last lines cannot be cut off unnoticed.

        Not synced: after a power failure it may be behind the log, but never before it.
        """
        with _descriptor(self._folder / SEAL, os.O_RDWR) as file:
            os.pwrite(file, f"{self._head.count:015d}:{self._head.hash}\n".encode(), 0)


@contextlib.contextmanager
def _descriptor(path: Path, flags: int = os.O_RDWR | os.O_APPEND) -> Iterator[int]:
    file = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, _FOR_US)
    try:
        yield file
    finally:
        os.close(file)


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is still the one at this path."""
    try:
        return path.stat().st_ino == os.fstat(file).st_ino
    except FileNotFoundError:
        return False


def _content(file: int) -> bytes:
    return os.pread(file, os.fstat(file).st_size, 0)


def _is_ahead(sealed: Head, head: Head) -> bool:
    """Whether the log had lines that it has no more."""
    return sealed.count > head.count or (sealed.count == head.count and sealed.hash != head.hash)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
