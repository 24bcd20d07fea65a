"""What an algorithm says of itself in its pyproject.toml, and what is to be asked of it."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vantage6.common.exceptions import Vantage6Error

TABLE = "tool.v6-algorithm"
_DEFAULT = "default"


class DeclarationError(Vantage6Error):
    """The pyproject.toml does not say what is needed; the text is one sentence."""


@dataclass(frozen=True)
class Question:
    """One task.

    Attributes
    ----------
    name : str
        For people; the method's where nothing is said.
    method : str
        The function, without `RPC_`.
    central : bool
        Whether it is a central function.
    args, kwargs
        What it gets besides its data.
    database : str
        Label of the database.
    sites : list of str
        Where it is asked: by default at the first site when central, else at all.
    tolerance : float
        How far numbers of mock and containers may differ, relative where larger than 1.
    """

    name: str
    method: str
    central: bool
    args: list[Any]
    kwargs: dict[str, Any]
    database: str
    sites: list[str]
    tolerance: float

    @property
    def input(self) -> dict[str, Any]:
        """The input of its task."""
        return {
            "method": self.method,
            "master": self.central,
            "args": self.args,
            "kwargs": self.kwargs,
        }


@dataclass(frozen=True)
class Declaration:
    """An algorithm in a folder.

    Attributes
    ----------
    folder : Path
    distribution, package : str
    sites : dict
        For each site its databases: paths, or addresses, by label.
    questions : list of Question
    """

    folder: Path
    distribution: str
    package: str
    sites: dict[str, dict[str, str]]
    questions: list[Question] = field(default_factory=list)


def load(folder: Path) -> Declaration:
    """Read what the algorithm in a folder declares.

    Raises
    ------
    DeclarationError
        When there is none, or something of it is missing or wrong.
    """
    content = _read(folder / "pyproject.toml")
    distribution = _get(content.get("project", {}), "name", str, "project")
    table = content.get("tool", {}).get("v6-algorithm")
    if not isinstance(table, Mapping):
        raise DeclarationError(f"{folder / 'pyproject.toml'} has no table [{TABLE}]")
    _refuse_unknown(table, {"package", "sites", "questions"}, TABLE)
    package = _get(table, "package", str, TABLE, distribution.replace("-", "_"))
    if not (folder / package / "__init__.py").is_file():
        raise DeclarationError(
            f"There is no package {package!r} in {folder}; name it in [{TABLE}], as `package`"
        )
    sites = _sites(folder, table)
    questions = [_question(entry, list(sites)) for entry in _entries(table, "questions")]
    return Declaration(folder, distribution, package, sites, questions)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DeclarationError(
            f"There is no {path.name} in {path.parent}; is it the folder of an algorithm?"
        ) from error
    except (OSError, ValueError) as error:
        raise DeclarationError(f"{path} cannot be read: {error}") from error


def _sites(folder: Path, table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    sites: dict[str, dict[str, str]] = {}
    for entry in _entries(table, "sites"):
        where = f"{TABLE}.sites"
        _refuse_unknown(entry, {"name", "databases"}, where)
        name = _get(entry, "name", str, where)
        # It becomes the name of a folder, and of a node.
        if not name.replace("-", "").isalnum() or not name.isascii() or name == "server":
            raise DeclarationError(f"The site {name!r} needs a name of letters, digits and dashes")
        if name in sites:
            raise DeclarationError(f"Two sites are named {name!r}")
        sites[name] = _databases(folder, name, _get(entry, "databases", dict, where))
    return sites


def _databases(folder: Path, site: str, given: Mapping[str, Any]) -> dict[str, str]:
    if _DEFAULT not in given:
        raise DeclarationError(f"The site {site!r} has no database with the label {_DEFAULT!r}")
    databases = {}
    for label, uri in given.items():
        if not isinstance(uri, str):
            raise DeclarationError(f"The database {label!r} of {site!r} needs a path")
        is_address = "://" in uri
        if not is_address and not (folder / uri).exists():
            raise DeclarationError(f"The database {label!r} of {site!r}, {uri}, is not there")
        databases[label] = uri if is_address else str((folder / uri).resolve())
    # The default one first: that is what the mock goes by.
    return {_DEFAULT: databases.pop(_DEFAULT), **databases}


def _question(entry: Mapping[str, Any], sites: list[str]) -> Question:
    where = f"{TABLE}.questions"
    _refuse_unknown(entry, set(Question.__dataclass_fields__), where)
    method = _get(entry, "method", str, where)
    central = _get(entry, "central", bool, where, False)
    asked = _get(entry, "sites", list, where, sites[:1] if central else sites)
    if not asked or set(asked) - set(sites):
        raise DeclarationError(
            f"The question {method!r} can be asked at {', '.join(sites)}, not at {asked}"
        )
    return Question(
        name=_get(entry, "name", str, where, method),
        method=method,
        central=central,
        args=_get(entry, "args", list, where, []),
        kwargs=_get(entry, "kwargs", dict, where, {}),
        database=_get(entry, "database", str, where, _DEFAULT),
        sites=asked,
        tolerance=_get(entry, "tolerance", float, where, 1e-9),
    )


def _entries(table: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    entries = table.get(key)
    if not isinstance(entries, list) or not entries:
        raise DeclarationError(f"At least one [[{TABLE}.{key}]] is needed in pyproject.toml")
    return entries


_MISSING = object()


def _get(table: Any, key: str, kind: type, where: str, default: Any = _MISSING) -> Any:
    value = table.get(key, default) if isinstance(table, Mapping) else _MISSING
    if value is _MISSING:
        raise DeclarationError(f"`{key}` is missing from [{where}] in pyproject.toml")
    if not isinstance(value, kind):
        raise DeclarationError(
            f"`{key}` of [{where}] in pyproject.toml has to be a {kind.__name__}, not {value!r}"
        )
    return value


def _refuse_unknown(table: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(table) - known)
    if unknown:
        raise DeclarationError(
            f"[{where}] in pyproject.toml knows no {', '.join(unknown)}; "
            f"it knows {', '.join(sorted(known))}"
        )
