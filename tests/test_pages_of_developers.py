"""The pages for those who write algorithms, gone through as they are written."""

import subprocess
import sys
from pathlib import Path

import pytest

from development.images import ALGORITHM_BASE, ensure, ensure_relay_image
from development.pages import run_page

DOCS = Path(__file__).resolve().parent.parent / "docs"


@pytest.mark.docker
def test_the_first_algorithm(tmp_path, monkeypatch):
    ensure(ALGORITHM_BASE)
    ensure_relay_image()
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    run_page(DOCS / "tutorial" / "first-algorithm.md", tmp_path)
    made = tmp_path / "v6-spread-py"
    linter = [sys.executable, "-m", "ruff", "check", "--no-cache", made]
    subprocess.run(linter, check=True, capture_output=True)


def test_writing_an_algorithm(tmp_path):
    run_page(DOCS / "howto" / "write-an-algorithm.md", tmp_path)
