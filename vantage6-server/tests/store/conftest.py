"""One store of each kind, empty."""

from pathlib import Path

import buckets
import pytest

from development.swift import Swift
from vantage6.server.store.bucket import Settings
from vantage6.server.store.file import FileStore
from vantage6.server.store.interface import Store
from vantage6.server.store.s3 import S3Store


@pytest.fixture
def settings(swift: Swift) -> Settings:
    """A bucket of the test's own."""
    return buckets.fresh(swift)


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """A payload store; whatever uses it runs once on each kind."""
    if request.param == "file":
        return FileStore(tmp_path / "payloads")
    return S3Store(request.getfixturevalue("settings"))
