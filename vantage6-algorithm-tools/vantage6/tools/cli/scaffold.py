"""The package of a new algorithm, from the files in `template/`."""

import json
import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NamedTuple

from vantage6.common import __version__
from vantage6.common.exceptions import Vantage6Error
from vantage6.common.globals import DEFAULT_DOCKER_REGISTRY

_SUFFIX = ".template"
_NAME = re.compile(r"[a-z](?:[a-z0-9]|-(?=[a-z0-9])){0,38}")
# Names of files that begin with a dot are easily left out of packages.
_HIDDEN = {"dockerignore": ".dockerignore", "gitignore": ".gitignore"}
_LONGEST_DESCRIPTION = 200


class ScaffoldError(Vantage6Error):
    """The package cannot be written; the text is one sentence."""


class Names(NamedTuple):
    """What an algorithm is called: by itself, its distribution and image, its package."""

    name: str
    distribution: str
    package: str


def names_of(name: str) -> Names:
    """The names of an algorithm.

    Parameters
    ----------
    name : str
        Such as `survival-rate`; `v6-survival-rate-py` is taken for the same.

    Raises
    ------
    ScaffoldError
        When it cannot be the name of a package and an image.
    """
    plain = name.removeprefix("v6-").removesuffix("-py")
    if not _NAME.fullmatch(plain):
        raise ScaffoldError(
            f"{name!r} cannot be the name of an algorithm: up to 39 lower-case letters, digits and "
            "single dashes, the first of them a letter, such as survival-rate"
        )
    return Names(plain, f"v6-{plain}-py", f"v6_{plain.replace('-', '_')}_py")


def write(names: Names, folder: Path, description: str | None = None) -> Path:
    """Write the package of a new algorithm and return its folder.

    Parameters
    ----------
    names : Names
    folder : Path
        Must not be there, or be empty.
    description : str, optional
        What it computes, in one sentence.

    Raises
    ------
    ScaffoldError
        When the folder holds something already or cannot be made, or the description does not
        fit into the files.
    """
    words = _words(names, description or "The mean of a column over the rows of all sites.")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise ScaffoldError(f"{folder} is there already, and nothing is written over")
        folder.mkdir(parents=True, exist_ok=True)
        for source, target in _files(resources.files(__package__) / "template", names):
            path = folder / target
            path.parent.mkdir(exist_ok=True)
            path.write_text(_filled(source.read_text(encoding="utf-8"), words), encoding="utf-8")
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be written: {error.strerror}") from error
    return folder


def _files(folder: Traversable, names: Names, above: str = "") -> list[tuple[Traversable, str]]:
    """The files of the template, each with its path in the package."""
    found: list[tuple[Traversable, str]] = []
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir() and not entry.name.startswith("__"):
            # A folder named tests is left out of many packages, ours in images among them.
            known = {"package": names.package, "checks": "tests"}
            name = known.get(entry.name, entry.name)
            found += _files(entry, names, f"{above}{name}/")
        elif entry.name.endswith(_SUFFIX):
            name = entry.name.removesuffix(_SUFFIX)
            name = name.replace("test_algorithm", f"test_{names.name.replace('-', '_')}")
            found.append((entry, above + _HIDDEN.get(name, name)))
    return found


def _words(names: Names, description: str) -> dict[str, str]:
    """What stands in the place of the marks of the template."""
    sentence = description.strip()
    if (
        not sentence.isprintable()
        or set(sentence) & set('"\\@')
        or not 0 < len(sentence) <= _LONGEST_DESCRIPTION
    ):
        raise ScaffoldError(
            "The description has to be one line of up to "
            f'{_LONGEST_DESCRIPTION} characters without ", \\ and @'
        )
    return {
        "title": names.name,
        "distribution": names.distribution,
        "package": names.package,
        "description": sentence,
        "description_quoted": json.dumps(sentence, ensure_ascii=False),
        "version": ".".join(__version__.split(".")[:2]),
        "base": f"{DEFAULT_DOCKER_REGISTRY}/algorithm-base:{__version__}",
    }


def _filled(text: str, words: dict[str, str]) -> str:
    return re.sub(r"@(\w+)@", lambda mark: words[mark[1]], text)
