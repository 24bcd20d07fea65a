"""The documentation can be gone through: its commands are understood, its links lead somewhere."""

import re
import shlex
from pathlib import Path

import click
import pytest

from vantage6.node.cli import main as vnode_local
from vantage6.node.cli.vnode import main as vnode
from vantage6.server.cli import main as vserver_local
from vantage6.server.cli.vserver import main as vserver
from vantage6.tools.cli.commands import group as v6_algorithm

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PROGRAMS = {
    "v6-algorithm": v6_algorithm,
    "vnode": vnode,
    "vnode-local": vnode_local,
    "vserver": vserver,
    "vserver-local": vserver_local,
}
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)


def commands() -> list[str]:
    pages = [path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))]
    lines = [line for page in pages for block in BLOCK.findall(page) for line in block.split("\n")]
    return sorted({line for line in lines if line.partition(" ")[0] in PROGRAMS})


@pytest.mark.parametrize("line", commands())
def test_a_command_of_the_documentation_is_understood(line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("audit.json", "entities.yaml"):
        Path(name).touch()
    program, *words = shlex.split(line.partition(" || ")[0], comments=True)
    command = PROGRAMS[program]
    while isinstance(command, click.Group):
        name, *words = words
        command = command.commands[name]
    context = command.make_context(name, words)
    assert isinstance(context, click.Context)


def linked(page):
    """The files that a page leads to."""
    text = page.read_text(encoding="utf-8")
    return [(page.parent / link).resolve() for link in LINK.findall(text)]


PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("vantage6-*/*.md"), *DOCS.rglob("*.md")})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    assert [link for link in linked(page) if not link.exists()] == []


def test_the_index_names_every_page():
    notes = DOCS / "explanation" / "decisions"
    pages = {page for page in DOCS.rglob("*.md") if page.parent != notes} - {DOCS / "README.md"}
    assert pages - set(linked(DOCS / "README.md")) == set()
    assert set(notes.glob("0*.md")) - set(linked(notes / "README.md")) == set()
