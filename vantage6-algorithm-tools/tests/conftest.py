"""A run of an algorithm as a node would start it, but in this process."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vantage6.common.serialization import serialize

CSV = "age,sex\n40,f\n50,m\n60,f\n"


class Run:
    """The files and the variables of one run."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.input, self.output = folder / "input", folder / "output"
        self.database = folder / "default.csv"
        self.output.touch()
        self.database.write_text(CSV)
        (folder / "token").write_text("no token\n")
        self.set = monkeypatch.setenv
        self.unset = monkeypatch.delenv
        self.set("INPUT_FILE", str(self.input))
        self.set("OUTPUT_FILE", str(self.output))
        self.set("TOKEN_FILE", str(folder / "token"))
        self.set("DATABASE_URI", str(self.database))

    def ask(self, data_format: str = "json", **input_: Any) -> None:
        """Write an input."""
        self.input.write_bytes(serialize(input_, data_format))


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on three rows, without an input so far."""
    return Run(tmp_path, monkeypatch)


@pytest.fixture
def algorithm(request: pytest.FixtureRequest) -> Iterator[Callable[..., str]]:
    """Make an algorithm out of functions; gives its import name.

    It is below the file of the test, whose functions are its own for that reason.
    """
    made: list[str] = []

    def make(**functions: Any) -> str:
        name = f"{request.module.__name__}.v6_algorithm_{len(made)}"
        module = ModuleType(name)
        vars(module).update(functions)
        sys.modules[name] = module
        made.append(name)
        return name

    yield make
    for name in made:
        del sys.modules[name]
