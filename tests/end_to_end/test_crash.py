"""Whatever is killed, and whenever: each run ends once, with the right answer; nothing is left.

Commands of ours as processes, a real engine, and a gate between node and server: who waits at
the gate is at a known step, and is killed there.
"""

import pytest

from development import crash
from development.crash import kill
from development.images import ensure_relay_image

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    ensure_relay_image()
    with crash.house(tmp_path_factory.mktemp("crash") / "house") as house:
        yield house


@pytest.fixture
def house(shared):
    """A house without a node; in the end, nothing may be left of what the test ran in it."""
    yield shared
    stop(shared)
    assert crash.left_behind(shared.data) == []


def stop(house):
    """Stop the node of a house, as its owner would."""
    service = house.members.services.pop(house.hospital.name, None)
    if service is not None:
        service.ask_to_stop()
        assert service.wait_for_end() == 0, service.last_words()


def assert_ended_once(house, task_id, answer):
    """The right answer, from one run, which the server was told of once."""
    assert house.answers(task_id) == [{"answer": answer}]
    (run,) = house.runs(task_id)
    assert run["status"] == "completed"
    accepted = [status for status in house.reports(task_id) if status == 200]
    assert accepted == [200]


def kill_at(house, wanted, answer, waits_for=""):
    """A run, and a node that is killed when it sends this, or gets this answer."""
    with house.gate.holding(wanted) as barrier:
        node = house.start()
        task_id = house.create(answer, waits_for)
        barrier.wait()
        kill(node)
    return task_id


def test_killed_before_it_began_anything(house):
    def is_question(passage):
        return passage.path.startswith("/api/result?") and passage.body == b""

    task_id = kill_at(house, is_question, 1)
    house.start()
    assert_ended_once(house, task_id, 1)


def test_killed_before_there_is_a_container(house):
    task_id = kill_at(house, lambda passage: passage.path == "/api/token/container", 2)
    house.start()
    assert_ended_once(house, task_id, 2)


def test_killed_between_making_and_starting_a_container(house):
    def is_claim(passage):
        return passage.method == "PATCH" and b'"claim"' in passage.body

    with house.gate.holding(is_claim) as barrier:
        node = house.start()
        task_id = house.create(3)
        barrier.wait()
        node.wait_until(lambda: house.containers("created"), "make the container")
        kill(node)
    house.start()
    assert_ended_once(house, task_id, 3)


def test_killed_while_it_runs(house):
    node = house.start()
    task_id = house.create(4, "go-4")
    node.wait_until(lambda: house.containers("running"), "start the container")
    (container,) = house.containers()
    kill(node)
    assert container in crash.left_behind(house.data), "what is left is found"
    again = house.start()
    again.wait_until(lambda: "is taken up again" in again.said(), "take it up")
    assert house.containers() == [container], "it runs on, and is not begun anew"
    house.signal("go-4")
    assert_ended_once(house, task_id, 4)


def test_killed_and_ended_before_anybody_collected_it(house):
    node = house.start()
    task_id = house.create(5, "go-5")
    node.wait_until(lambda: house.containers("running"), "start the container")
    kill(node)
    house.signal("go-5")
    house.server.wait_until(lambda: house.containers("exited"), "see the container end")
    house.start()
    assert_ended_once(house, task_id, 5)


def test_killed_while_it_sends_the_result(house):
    task_id = kill_at(house, lambda one: crash.is_report(one) and not one.status, 6)
    assert house.reports(task_id) == [], "the server has not seen it"
    house.start()
    assert_ended_once(house, task_id, 6)


def test_killed_before_it_hears_that_the_server_has_the_result(house):
    task_id = kill_at(house, lambda one: crash.is_report(one) and one.status, 7)
    assert house.reports(task_id) == [200], "the server has it already"
    house.start()
    assert_ended_once(house, task_id, 7)


def test_killed_once_it_heard_that_the_server_has_the_result(house):
    node = house.start()
    task_id = house.create(8)
    node.wait_until(lambda: "completed (ms:" in node.said(), "say that it is delivered")
    kill(node)
    house.start()
    assert_ended_once(house, task_id, 8)
