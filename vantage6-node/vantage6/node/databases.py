"""The databases of a node and which of them a task gets."""

import re
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from vantage6.common.exceptions import Vantage6Error

DEFAULT_LABEL = "default"
SPARQL = "sparql"

# A scheme has at least two characters: `C:\data.csv` is a path.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
_FILE = "file://"


class DatabaseMissing(Vantage6Error):
    """The database that a task needs is not there; the text says why."""


class DatabaseUnreadable(Vantage6Error):
    """The database that a task needs is closed to its container; the text says to whom."""


@dataclass(frozen=True)
class Database:
    """One database of the owner: a file or folder, or the address of a server.

    Attributes
    ----------
    label : str
    uri : str
        As configured.
    path : Path, optional
        Where this process finds it, for files and folders.
    type : str
        What kind it is, if the owner said so; "" otherwise.
    """

    label: str
    uri: str
    path: Path | None
    type: str = ""

    @classmethod
    def from_config(
        cls, label: str, uri: str, type_: str = "", mounted: Path | None = None
    ) -> "Database":
        """Tell files from addresses by the form of the text.

        Parameters
        ----------
        label, uri, type_ : str
            As configured.
        mounted : Path, optional
            Where we have it instead, when we run in a container.
        """
        if mounted is not None:
            return cls(label, uri, mounted, type_)
        if not uri.startswith(_FILE) and _URI.match(uri) and not _exists(Path(uri)):
            return cls(label, uri, None, type_)
        return cls(label, uri, _path(uri).expanduser().absolute(), type_)

    @property
    def file_name(self) -> str:
        """What a container calls its file or folder: as on the owner's disk."""
        return _path(self.uri).name or _plain(self.label)

    @property
    def is_sparql(self) -> bool:
        """Whether it is an endpoint for SPARQL, as far as can be told without asking it."""
        is_web_address = self.path is None and self.uri.startswith(("http://", "https://"))
        return is_web_address and self.type.lower() in ("", SPARQL)

    def fault(self) -> str | None:
        """Why no container could use it now; None when all is well."""
        if self.path is None:
            return None
        try:
            mode = self.path.stat().st_mode
        except PermissionError:
            return f"The node may not look at the database {self.label!r}"
        except OSError:
            return (
                f"The database {self.label!r} of this node is not there: no file {self.file_name!r}"
            )
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return f"The database {self.label!r} of this node is neither a file nor a folder"
        return None


class Databases:
    """All databases of a node by their labels.

    Parameters
    ----------
    configured : mapping
        Paths and addresses by label.
    types : mapping, optional
        What kind they are, by label.
    mounted : mapping, optional
        Where files are instead when we run in a container, by label.
    """

    def __init__(
        self,
        configured: Mapping[str, str],
        types: Mapping[str, str] | None = None,
        mounted: Mapping[str, Path] | None = None,
    ) -> None:
        types, mounted = types or {}, mounted or {}
        self._by_label = {
            label.lower(): Database.from_config(
                label, uri, types.get(label, ""), mounted.get(label)
            )
            for label, uri in configured.items()
        }

    def __iter__(self) -> Iterator[Database]:
        return iter(self.current().values())

    def current(self) -> Mapping[str, Database]:
        """All databases as they are configured now, by their labels in small letters."""
        return self._by_label

    def choose(self, label: str) -> Database:
        """The database for a task; the default one for a label that is not known, as documented.

        Raises
        ------
        DatabaseMissing
            When there is none, or its file is not there.
        """
        databases = self.current()
        database = _find(databases, label)
        if database is None:
            labels = ", ".join(sorted(databases)) or "none"
            raise DatabaseMissing(
                f"This node has no database {label!r} and none named {DEFAULT_LABEL!r}; "
                f"its databases: {labels}"
            )
        return _sound(database)

    def choose_all(self, label: str, further: Iterable[str] = ()) -> tuple[Database, ...]:
        """The databases of a run: first that of its task, then those its image gets as well.

        Raises
        ------
        DatabaseMissing
            When one is not there.
        """
        own, databases = self.choose(label), self.current()
        chosen = {own.label.lower(): own}
        for name in further:
            database = databases.get(name.lower())
            if database is None:
                raise DatabaseMissing(
                    f"The policy of this node gives the image a database {name!r}, but the node "
                    "has none of that label"
                )
            chosen.setdefault(name.lower(), _sound(database))
        return tuple(chosen.values())

    def remark(self, label: str) -> str:
        """What the researcher should know about the choice; "" when it is as expected."""
        database = _find(self.current(), label)
        if database is None or database.label.lower() == label.lower():
            return ""
        return f"This node has no database {label!r}; it used {database.label!r}"


def file_names(databases: Iterable[Database]) -> dict[str, str]:
    """What the files of one run are called in its /mnt/data, by label: each its own name.

    The first to want a name has it; others get their label in front.
    """
    names: dict[str, str] = {}
    for database in databases:
        if database.path:
            taken, name = set(names.values()), database.file_name
            # The folder of the run is beside them.
            while name in taken or name.startswith("task-"):
                name = f"{_plain(database.label)}-{name}"
            names[database.label] = name
    return names


def variable_names(label: str) -> tuple[str, str]:
    """The beginnings of variables for a label: as documented, and as shells can read it."""
    plain = re.sub(r"[^A-Z0-9_]", "_", label.upper())
    return label.upper(), f"_{plain}" if plain[:1].isdigit() else plain


def check_readable(database: Database, user: str) -> None:
    """Raise DatabaseUnreadable unless a container user can read a database; see below."""
    if database.path and not is_readable_by(database.path, user):
        raise DatabaseUnreadable(
            f"The database {database.label!r} cannot be read by the user of the container "
            f"({user or 'root, without capabilities'}); its owner has to change its mode"
        )


def is_readable_by(path: Path, user: str) -> bool:
    """Whether a container user without capabilities can read a file or list a folder.

    `user` is as in images: `uid`, `uid:gid`, "" for root. Of a name only the image knows the
    number, so it is not judged here.
    """
    uid, _, gid = (user or "0:0").partition(":")
    status = path.stat()
    # We run in a container, and the file was replaced since: the engine will mount the new one.
    is_replaced = status.st_nlink == 0
    if is_replaced or not uid.isdigit():
        return True
    need = stat.S_IROTH | (stat.S_IXOTH if stat.S_ISDIR(status.st_mode) else 0)
    if int(uid) == status.st_uid:
        need <<= 6
    elif gid.isdigit() and int(gid) == status.st_gid:
        need <<= 3
    return status.st_mode & need == need


def _find(databases: Mapping[str, Database], label: str) -> Database | None:
    return databases.get(label.lower()) or databases.get(DEFAULT_LABEL)


def _sound(database: Database) -> Database:
    fault = database.fault()
    if fault:
        raise DatabaseMissing(fault)
    return database


def _path(uri: str) -> Path:
    return Path(unquote(uri.removeprefix(_FILE)) if uri.startswith(_FILE) else uri)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False  # too long to be a path, or in a folder that is closed to us


def _plain(label: str) -> str:
    """The label as part of the name of a file."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", label)
