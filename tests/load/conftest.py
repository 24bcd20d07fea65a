"""A server with many nodes, on a small scale."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from development import bench_world, postgres
from development.bench_world import Server
from development.load import world
from development.load.world import World

SIZE = 50


@contextmanager
def server_with_nodes(folder: Path, uri: str | None = None) -> Iterator[tuple[Server, World]]:
    """Our server as an operator runs it, with the organizations and nodes of a load."""
    with bench_world.ours(folder, uri) as server:
        server.log_in()
        server.hang_up()
        yield server, world.make(server.uri, SIZE)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, World]]:
    """A server on PostgreSQL, and its world."""
    with (
        postgres.serve() as database,
        server_with_nodes(tmp_path_factory.mktemp("load") / "server", database.create()) as both,
    ):
        yield both
