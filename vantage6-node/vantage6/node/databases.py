"""The databases of a node and which of them a task gets."""

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vantage6.common.exceptions import Vantage6Error

DEFAULT_LABEL = "default"

# A scheme has at least two characters: `C:\data.csv` is a path.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")


class DatabaseMissing(Vantage6Error):
    """The database that a task needs is not there; the text says why."""


@dataclass(frozen=True)
class Database:
    """One database of the owner: a file or folder, or the address of a server.

    Attributes
    ----------
    label : str
    uri : str
        As configured.
    path : Path, optional
        Where it is on this machine, for files and folders.
    """

    label: str
    uri: str
    path: Path | None

    @classmethod
    def from_config(cls, label: str, uri: str) -> "Database":
        """Tell files from addresses by the form of the text."""
        if uri.startswith("file://"):
            return cls(label, uri, Path(uri.removeprefix("file://")))
        is_address = _URI.match(uri) and not Path(uri).exists()
        return cls(label, uri, None if is_address else Path(uri).expanduser().absolute())

    def fault(self) -> str | None:
        """Why no container could use it now; None when all is well."""
        if self.path is None or self.path.exists():
            return None
        return f"The database {self.label!r} of this node is not there: no file {self.path.name!r}"


class Databases:
    """All databases of a node by their labels."""

    def __init__(self, configured: Mapping[str, str]) -> None:
        self._by_label = {
            label.lower(): Database.from_config(label, uri) for label, uri in configured.items()
        }

    def __iter__(self) -> Iterator[Database]:
        return iter(self._by_label.values())

    def choose(self, label: str) -> Database:
        """The database for a task; the default one for a label that is not known, as documented.

        Raises
        ------
        DatabaseMissing
            When there is none, or its file is not there.
        """
        database = self._find(label)
        if database is None:
            labels = ", ".join(sorted(self._by_label)) or "none"
            raise DatabaseMissing(
                f"This node has no database {label!r} and none named {DEFAULT_LABEL!r}; "
                f"its databases: {labels}"
            )
        fault = database.fault()
        if fault:
            raise DatabaseMissing(fault)
        return database

    def remark(self, label: str) -> str:
        """What the researcher should know about the choice; "" when it is as expected."""
        database = self._find(label)
        if database is None or database.label.lower() == label.lower():
            return ""
        return f"This node has no database {label!r}; it used {database.label!r}"

    def _find(self, label: str) -> Database | None:
        return self._by_label.get(label.lower()) or self._by_label.get(DEFAULT_LABEL)


def is_readable_by(path: Path, user: str) -> bool:
    """Whether a container user without capabilities can read a file or list a folder.

    `user` is as in images: `uid`, `uid:gid`, "" for root. Of a name only the image knows the
    number, so it is not judged here.
    """
    uid, _, gid = (user or "0:0").partition(":")
    if not uid.isdigit():
        return True
    status = path.stat()
    need = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    if int(uid) == status.st_uid:
        need <<= 6
    elif gid.isdigit() and int(gid) == status.st_gid:
        need <<= 3
    return status.st_mode & need == need
