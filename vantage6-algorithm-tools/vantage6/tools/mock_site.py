"""An organization of a mock federation: its name, its node and its databases."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.tools import readers
from vantage6.tools.readers import choice

if TYPE_CHECKING:
    from pandas import DataFrame

DEFAULT = "default"
_OURS = ("database", "db_type", "label")


@dataclass(frozen=True)
class MockDatabase:
    """One database.

    Attributes
    ----------
    source : DataFrame, str or Path
        The data themselves, or where they are.
    type : str
        What the owner calls its kind, such as `parquet`; told by its address where it is empty.
    options : mapping
        What the reader gets where the input does not say it, such as `query`.
    """

    source: "DataFrame | str | Path"
    type: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def uri(self) -> str | None:
        """Where it is, None for data in memory."""
        return str(self.source) if isinstance(self.source, str | Path) else None

    def load(self, input_data: Mapping[str, Any]) -> Any:
        """The data for an input; a copy, as every container reads its own."""
        if isinstance(self.source, str | Path):
            uri = str(self.source)
            kind = choice.kind_of(uri, self.type)
            return readers.read(kind, uri, {**self.options, **input_data})
        return self.source.copy()


@dataclass(frozen=True)
class Site:
    """An organization with its node and its databases, of which the first is the default."""

    id: int
    name: str
    node_id: int
    databases: Mapping[str, MockDatabase]

    def load(self, label: str, input_data: Mapping[str, Any]) -> Any:
        """The data of a database; of the default one where there is none of that label."""
        return self.databases[self._known(label)].load(input_data)

    def organization(self, collaboration_id: int) -> dict[str, Any]:
        """It, as the server shows organizations."""
        return {
            "id": self.id,
            "name": self.name,
            "domain": f"{self.name}.org",
            **dict.fromkeys(("address1", "address2", "zipcode", "country", "public_key"), ""),
            "capabilities": "",
            "collaborations": [{"id": collaboration_id}],
            "nodes": [{"id": self.node_id}],
            **{name: [] for name in ("users", "roles", "results")},
        }

    @contextmanager
    def environment(self, label: str) -> Iterator[None]:
        """Set the variables by which algorithms find databases, as a node does, for a while."""
        uris = {name: database.uri for name, database in self.databases.items() if database.uri}
        own = self._known(label)
        variables = {f"{name.upper()}_DATABASE_URI": uri for name, uri in uris.items()}
        variables |= {
            f"{name.upper()}_DATABASE_TYPE": database.type
            for name, database in self.databases.items()
            if database.type
        }
        if own in uris:
            variables["DATABASE_URI"] = uris[own]
        variables["USER_REQUESTED_DATABASE_LABEL"] = own
        variables["DB_LABELS"] = ",".join(self.databases)
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            _restore(before)

    def _known(self, label: str) -> str:
        return label if label in self.databases else next(iter(self.databases))


def databases_of(given: Any) -> dict[str, MockDatabase]:
    """The databases of one organization, by label, from what a mock client was given.

    Parameters
    ----------
    given : DataFrame, str, Path, mapping, or sequence of them
        A mapping holds `database` and, where they are not the usual, `db_type`, `label`, and
        what the reader of the type needs.

    Raises
    ------
    ValueError
        When there is none, a mapping holds no `database`, or two have one label.
    """
    entries = list(given) if _is_list(given) else [given]
    if not entries:
        raise ValueError("An organization needs at least one database")
    databases: dict[str, MockDatabase] = {}
    for number, entry in enumerate(entries):
        fields = entry if isinstance(entry, Mapping) else {"database": entry}
        if "database" not in fields:
            raise ValueError("A data set needs the key 'database', with a path or a data frame")
        label = fields.get("label") or (DEFAULT if number == 0 else f"{DEFAULT}_{number + 1}")
        if label in databases:
            raise ValueError(f"Two databases of one organization have the label {label!r}")
        databases[label] = _database(fields)
    return databases


def _database(fields: Mapping[str, Any]) -> MockDatabase:
    options = {name: value for name, value in fields.items() if name not in _OURS}
    # Later releases have every data set say it, filled or not; no reader takes it.
    options.pop("input_data", None)
    return MockDatabase(fields["database"], fields.get("db_type") or "", options)


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str)


def _restore(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
