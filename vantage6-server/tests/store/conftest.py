"""One store of each kind, empty."""

from pathlib import Path

import pytest

from vantage6.server.store.file import FileStore
from vantage6.server.store.interface import Store


@pytest.fixture(params=["file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A payload store; whatever uses it runs once on each kind."""
    return FileStore(tmp_path / "payloads")
