"""The engine and our image in it, for commands that run servers in containers."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from operators import Operator, at_work

from development.engine import ensure_engine
from development.images import of_this_checkout
from vantage6.common.globals import DEFAULT_SERVER_IMAGE


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = ensure_engine()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> Iterator[str]:
    """The image of this checkout, under a name that no other run takes away."""
    with of_this_checkout(DEFAULT_SERVER_IMAGE) as name:
        yield name


@pytest.fixture
def operator(tmp_path: Path, engine: docker.DockerClient, image: str) -> Iterator[Operator]:
    """An operator with a configuration, whose server a test may start and stop."""
    with at_work(tmp_path, engine, image=image) as operator:
        yield operator
