"""A new algorithm in a folder, and the command as a process."""

import os
import subprocess
from pathlib import Path

import pytest

from vantage6.tools.cli import scaffold
from vantage6.tools.cli.workplace import PREFIX, clear
from vantage6.tools.local_federation import COMMANDS

COMMAND = COMMANDS / "v6-algorithm"


@pytest.fixture
def names():
    """What the new algorithm is called."""
    return scaffold.names_of("pressure")


@pytest.fixture
def new(tmp_path, names):
    """The package of a new algorithm."""
    return scaffold.write(names, tmp_path / names.distribution)


@pytest.fixture
def change(new, names):
    """Replace words in a file of the new algorithm, its `package` or its `tests`."""

    def replace(file, old, fresh):
        files = {
            "package": new / names.package / "__init__.py",
            "tests": new / "tests" / f"test_{names.name.replace('-', '_')}.py",
        }
        path = files.get(file, new / file)
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, fresh))

    return replace


@pytest.fixture
def v6_algorithm(tmp_path):
    """Run the command in an empty folder, with temporary files of its own."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()

    def run(*arguments, **environment):
        return subprocess.run(
            [COMMAND, *map(str, arguments)],
            cwd=tmp_path,
            env={**os.environ, "TMPDIR": str(temporary), "COLUMNS": "200", **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    run.temporary = Path(temporary)
    yield run
    # Nothing of a test that failed half way goes on for ever.
    for folder in temporary.glob(f"{PREFIX}*"):
        clear(folder)
