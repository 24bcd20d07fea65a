"""A server of two processes behind nginx, with a database and a broker of its own."""

from collections.abc import Iterator

import pytest
from participants import Participants
from served import write_import

from development import nginx, postgres, rabbitmq
from development import replicas as whole
from development.replicas import Replicas


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replicas]:
    for obstacle in (nginx.NGINX.obstacle(), postgres.obstacle(), rabbitmq.obstacle()):
        if obstacle:
            pytest.skip(obstacle)
    folder = tmp_path_factory.mktemp("replicas")
    with whole.running(folder, import_file=write_import(folder)) as members:
        yield members


@pytest.fixture
def members(started: Replicas) -> Iterator[Replicas]:
    """All parts are there, whatever the test before did to them."""
    yield started
    started.mend()
    whole.wait_until(
        lambda: all(one.health() == {"database": True, "broker": True} for one in started),
        "all replicas are well again",
    )


@pytest.fixture
def people(members: Replicas) -> Iterator[Participants]:
    with Participants(members) as made:
        yield made
