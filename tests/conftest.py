"""What whole federations of all kinds need."""

import pytest

from development.engine import ensure_engine
from development.images import ensure_relay_image, ensure_shipped_algorithm


@pytest.fixture(scope="session")
def image():
    """The image of the average, with an engine that can run it beside our relay."""
    ensure_engine()
    ensure_relay_image()
    return ensure_shipped_algorithm("average")
