"""What whole federations of all kinds need."""

import pytest

from development.engine import ensure_engine
from development.images import ensure_average_image, ensure_relay_image


@pytest.fixture(scope="session")
def image():
    """The image of the average, with an engine that can run it beside our relay."""
    ensure_engine()
    ensure_relay_image()
    return ensure_average_image()
