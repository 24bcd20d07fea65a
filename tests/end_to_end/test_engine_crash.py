"""The container engine is restarted under a node; one of its own, so that no other test notices."""

import pytest

from development import crash, debian, second_engine
from development.crash import Ended, completed, kill
from development.images import ensure, ensure_relay_image

pytestmark = [
    pytest.mark.docker,
    pytest.mark.skipif(not debian.is_ours(), reason="a second engine is for root to start"),
]


@pytest.fixture
def engine(monkeypatch):
    """A second engine, which is the only one that this test and its processes know."""
    images = [ensure_relay_image(), ensure(crash.ANSWER)]
    with second_engine.prepared() as engine:
        engine.start("--live-restore")
        engine.load(images)
        monkeypatch.setenv("DOCKER_HOST", engine.address)
        yield engine


@pytest.fixture
def house(engine, tmp_path):
    with crash.house(tmp_path / "house") as house:
        yield house
        house.stop()
        assert crash.left_behind(house.data) == []


def start_one(house, node, answer, waits_for):
    """A task whose container runs."""
    task_id = house.create(answer, waits_for)
    node.wait_until(lambda: house.containers("running"), "start the container")
    return task_id


def test_an_engine_that_restarts(engine, house):
    node = house.start()
    survives = start_one(house, node, 1, "go-1")
    engine.kill()
    late = house.create(2)
    node.wait_until(lambda: "Start; trying again" in node.said(), "find no engine")
    engine.start("--live-restore")
    house.signal("go-1")
    assert house.ended(survives) == completed(1)
    assert house.ended(late) == completed(2)

    lost = start_one(house, node, 3, "never")
    engine.lose_power()
    engine.start()
    assert_ended_with_its_container(house, lost)
    assert house.ended(house.create(4)) == completed(4)

    lost = start_one(house, node, 5, "never")
    kill(node)
    engine.lose_power()
    engine.start()
    house.start()
    assert_ended_with_its_container(house, lost)
    assert house.ended(house.create(6)) == completed(6)


def assert_ended_with_its_container(house, task_id):
    """The run cannot be finished by anybody; whoever asked reads why."""
    assert house.ended(task_id) == Ended("crashed", answer=None)
    assert "ended with exit code" in house.log(task_id)
