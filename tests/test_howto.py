"""The commands in the documentation are commands that there are."""

import re
import shlex
from pathlib import Path

import click
import pytest

from vantage6.server.cli import main as vserver_local
from vantage6.server.cli.vserver import main as vserver

DOCS = Path(__file__).resolve().parent.parent / "docs"
PROGRAMS = {"vserver": vserver, "vserver-local": vserver_local}
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    pages = [path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))]
    lines = [line for page in pages for block in BLOCK.findall(page) for line in block.split("\n")]
    return sorted({line for line in lines if line.partition(" ")[0] in PROGRAMS})


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_documentation_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("entities.yaml").touch()
    program, name, *words = shlex.split(line)
    command = PROGRAMS[program].commands[name]
    context = command.make_context(name, words)
    assert isinstance(context, click.Context)
