"""Who may import whom, read from the sources."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {
    "vantage6-common": "common",
    "vantage6-server": "server",
    "vantage6-node": "node",
    "vantage6-client": "client",
    "vantage6-algorithm-tools": "tools",
}
#: Rooms that hold nothing but other names for what is in the package.
ALIASES = {"vantage6-algorithm-tools": ("algorithm",)}
every_package = pytest.mark.parametrize("package", PACKAGES)


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Return which file imports which module, for a file, or all below a folder."""
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for name in imported(node):
                yield str(path.relative_to(ROOT)), name


def imported(node: ast.AST) -> list[str]:
    """Return the modules that a statement imports, in full."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports name their module in full"
        assert node.module
        if node.module == "vantage6":
            return [f"vantage6.{alias.name}" for alias in node.names]
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []


@every_package
def test_a_part_imports_common_and_itself_only(package):
    allowed = {"common", PACKAGES[package], *ALIASES.get(package, ())}
    wrong = [
        (path, name)
        for path, name in imports(ROOT / package / "vantage6")
        if name.startswith("vantage6.") and name.split(".")[1] not in allowed
    ]
    assert wrong == []


@every_package
def test_what_is_shipped_does_not_import_what_is_not(package):
    wrong = [
        (path, name)
        for path, name in imports(ROOT / package / "vantage6")
        if name.split(".")[0] in ("development", "tests", "conftest")
    ]
    assert wrong == []


@every_package
def test_every_library_that_is_imported_is_declared(package):
    declared = {
        canonicalize_name(re.split(r"[^\w.-]", requirement)[0])
        for requirement in metadata.requires(package) or []
    }
    wrong = [
        (path, name)
        for path, name in imports(ROOT / package / "vantage6")
        if (owners := distributions().get(name.split(".")[0])) and not owners & declared
    ]
    assert wrong == []


@cache
def distributions() -> dict[str, set[str]]:
    """Return which distributions hold which top-level module; the standard library's have none."""
    return {
        module: {canonicalize_name(name) for name in names}
        for module, names in metadata.packages_distributions().items()
        if module != "vantage6"
    }


@every_package
def test_nobody_owns_the_namespace(package):
    assert not (ROOT / package / "vantage6" / "__init__.py").exists()
    parts = [path.name for path in (ROOT / package / "vantage6").iterdir() if path.is_dir()]
    assert sorted(parts) == sorted({PACKAGES[package], *ALIASES.get(package, ())})


@every_package
def test_packages_look_alike(package):
    for name in ("setup.py", "setup.cfg", "README.md", "VERSION", "tests"):
        assert (ROOT / package / name).exists(), name


@pytest.mark.parametrize(
    ("folder", "description"),
    [
        ("vantage6-server/vantage6/server", "vantage6-server/README.md"),
        ("vantage6-node/vantage6/node", "vantage6-node/README.md"),
        ("vantage6-common/vantage6/common", "vantage6-common/README.md"),
        ("vantage6-common/vantage6/common/client", "vantage6-common/README.md"),
        ("vantage6-client/vantage6/client", "vantage6-client/README.md"),
        ("vantage6-algorithm-tools/vantage6/tools", "vantage6-algorithm-tools/README.md"),
        (
            "vantage6-server/vantage6/server/service",
            "vantage6-server/vantage6/server/service/__init__.py",
        ),
    ],
)
def test_every_room_is_described(folder, description):
    parts = {path.stem for path in (ROOT / folder).iterdir() if not path.stem.startswith("_")}
    named = re.findall(r"`(\w+)(?:\.py|/)?", (ROOT / description).read_text(encoding="utf-8"))
    assert parts - {"py"} - set(named) == set()


#: Rooms of the node that know none of those beside them, so that each can be judged alone.
STRANGERS = {
    "assignment.py": ("",),
    "layout.py": ("",),
    "rules.py": ("",),
    "destinations.py": ("databases", "outbound", "policy", "runner", "server", "state"),
    "state.py": ("audit", "journal", "policy", "runner", "server", "work", "workspace"),
    "policy": ("audit", "journal", "outbound", "runner", "server", "state", "work", "workspace"),
    "audit": ("journal", "outbound", "runner", "server", "state", "work", "workspace"),
    "image": ("audit", "journal", "policy", "runner", "server", "state", "work", "workspace"),
    "runner": ("audit", "journal", "outbound", "policy", "server", "work", "workspace"),
    "runner/interface.py": ("runner.docker", "runner.engine"),
    "server.py": ("audit", "journal", "policy", "runner", "work", "workspace"),
    "journal.py": ("audit", "policy", "runner", "server", "state", "work", "workspace"),
    "outbox.py": ("audit", "journal", "policy", "runner", "server", "state", "work"),
    "workspace.py": ("audit", "journal", "outbound", "policy", "runner", "server", "work"),
    "outbound": ("audit", "journal", "policy", "runner.docker", "server", "work"),
    "work.py": ("assembly", "cli", "daemon", "runner.docker"),
    "daemon.py": ("assembly", "audit", "cli", "journal", "policy", "runner.docker", "workspace"),
}


@pytest.mark.parametrize("room", STRANGERS)
def test_rooms_of_the_node_know_no_more_than_they_need(room):
    above = f"vantage6.node.{room.removesuffix('.py').replace('/', '.')}"
    strangers = tuple(f"vantage6.node.{name}".rstrip(".") for name in STRANGERS[room])
    wrong = [
        (path, name)
        for path, name in imports(ROOT / "vantage6-node/vantage6/node" / room)
        if not _is_in(name, above) and any(_is_in(name, stranger) for stranger in strangers)
    ]
    assert wrong == []


def _is_in(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def test_test_folders_are_no_packages():
    """Files of one name in two folders are told apart by their path, which __init__.py undoes."""
    assert list(ROOT.glob("vantage6-*/tests/**/__init__.py")) == []
