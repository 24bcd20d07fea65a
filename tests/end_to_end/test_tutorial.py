"""The first federated analysis, as a newcomer reads it: every line of it is run."""

import os
import subprocess
import sys

import pytest

from development import demo, federation
from development.pages import run_page

pytestmark = [pytest.mark.docker, pytest.mark.timeout(900)]

PAGE = demo.ROOT / "docs" / "tutorial" / "first-analysis.md"


@pytest.fixture
def folder(image, tmp_path):
    """Where a demo was started and kept, with the words of the page."""
    (command,) = [line for line in PAGE.read_text().splitlines() if line.startswith("make demo ")]
    said = dict(word.split("=") for word in command.split()[2:])
    environment = {**os.environ, **said, "DEMO_FOLDER": str(tmp_path / ".demo")}
    program = [sys.executable, "-m", "development.demo"]
    try:
        subprocess.run(program, cwd=demo.ROOT, env=environment, check=True, capture_output=True)
        yield tmp_path
    finally:
        federation.remove(tmp_path / ".demo" / "federation")


def test_it_is_true_to_the_letter(folder):
    names = run_page(PAGE, folder)
    assert len(names["table"]) == 3
