"""The engine and our image in it, for commands that run servers in containers."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from operators import Operator, at_work

from development.engine import ensure_engine
from development.images import CONTENT_LABEL, ensure, infrastructure_image
from vantage6.common.globals import DEFAULT_SERVER_IMAGE


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    client = ensure_engine()
    yield client
    client.close()


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient) -> Iterator[str]:
    """The image of this checkout, under a name that no other run takes away."""
    wanted = infrastructure_image(DEFAULT_SERVER_IMAGE)
    name = f"vantage6/test-server:{secrets.token_hex(4)}"
    while True:
        built = engine.images.get(ensure(wanted))
        built.tag(name)
        if engine.images.get(name).labels[CONTENT_LABEL] == wanted.content:
            break
    yield name
    engine.images.remove(name)


@pytest.fixture
def operator(tmp_path: Path, engine: docker.DockerClient, image: str) -> Iterator[Operator]:
    """An operator with a configuration, whose server a test may start and stop."""
    with at_work(tmp_path, engine, image=image) as operator:
        yield operator
