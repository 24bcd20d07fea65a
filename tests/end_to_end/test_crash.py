"""Whatever is killed, and whenever: each run ends once, with the right answer; nothing is left.

Commands of ours as processes, a real engine, and a gate between node and server: who waits at
the gate is at a known step, and is killed there.
"""

import pytest

from development import crash, debian, gate
from development import registry as registries
from development.crash import completed, kill
from development.images import ensure, ensure_relay_image

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def shared(tmp_path_factory, far_image):
    ensure_relay_image()
    image, _ = far_image
    config = {
        "allowed_images": [f"^{crash.ANSWER.tag}$", f"^{image.name}$"],
        "docker_registries": [image.log_in],
    }
    with crash.house(tmp_path_factory.mktemp("crash") / "house", **config) as house:
        yield house


@pytest.fixture
def house(shared):
    """A house without a node; in the end, nothing may be left of what the test ran in it."""
    yield shared
    shared.stop()
    assert crash.left_behind(shared.data) == []


@pytest.fixture(scope="module")
def far_image(tmp_path_factory):
    """An image in a registry behind a gate of its own, and that gate."""
    ensure(crash.ANSWER)
    if obstacle := registries.PROGRAM.obstacle():
        pytest.skip(obstacle)
    with (
        registries.running(tmp_path_factory.mktemp("registry")) as registry,
        gate.on_the_way_to(lambda: int(registry.address.rpartition(":")[2])) as entrance,
        crash.far_image(registry, entrance) as image,
    ):
        yield image, entrance


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
    assert house.ended(task_id) == completed(1)


# Between making and starting a container nothing comes to the gate, as the run was taken with all
# it needs; `vantage6-node/tests/test_crash.py` ends the process there, too.
def test_killed_before_there_is_a_container(house):
    task_id = kill_at(house, lambda passage: passage.path == "/api/claim/take", 2)
    house.start()
    assert house.ended(task_id) == completed(2)


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
    assert house.ended(task_id) == completed(4)


def test_killed_and_ended_before_anybody_collected_it(house):
    node = house.start()
    task_id = house.create(5, "go-5")
    node.wait_until(lambda: house.containers("running"), "start the container")
    kill(node)
    house.signal("go-5")
    house.server.wait_until(lambda: house.containers("exited"), "see the container end")
    house.start()
    assert house.ended(task_id) == completed(5)


def test_killed_while_it_sends_the_result(house):
    task_id = kill_at(house, lambda one: crash.is_report(one) and not one.status, 6)
    assert house.reports(task_id) == [], "the server has not seen it"
    house.start()
    assert house.ended(task_id) == completed(6)


def test_killed_before_it_hears_that_the_server_has_the_result(house):
    task_id = kill_at(house, lambda one: crash.is_report(one) and one.status, 7)
    assert house.reports(task_id) == [200], "the server has it already"
    house.start()
    assert house.ended(task_id) == completed(7)


def test_killed_once_it_heard_that_the_server_has_the_result(house):
    node = house.start()
    task_id = house.create(8)
    node.wait_until(lambda: "completed (ms:" in node.said(), "say that it is delivered")
    kill(node)
    house.start()
    assert house.ended(task_id) == completed(8)


def test_killed_while_it_fetches_the_image(house, far_image):
    image, entrance = far_image
    with entrance.holding(lambda passage: "/blobs/" in passage.path) as barrier:
        node = house.start()
        task_id = house.create(9, image=image.name)
        barrier.wait()
        kill(node)
    house.start()
    assert house.ended(task_id) == completed(9)


def test_a_server_that_is_away_also_for_the_next_process_of_the_node(house):
    node = house.start()
    task_id = house.create(10, "go-10")
    node.wait_until(lambda: house.containers("running"), "start the container")
    kill(house.server)
    house.signal("go-10")
    node.wait_until(lambda: node.said().count("Deliver; trying again") > 2, "try several times")
    assert house.containers() == [], "the engine is free of it meanwhile"
    kill(node)
    again = house.start()
    again.wait_until(lambda: "Deliver; trying again" in again.said(), "try again")
    house.members.start_server()
    assert house.ended(task_id) == completed(10)


def test_a_server_with_a_new_secret(house):
    node = house.start()
    task_id = house.create(11, "go-11")
    node.wait_until(lambda: house.containers("running"), "start the container")
    house.restart_server_with_new_secret()
    house.signal("go-11")
    assert house.ended(task_id) == completed(11)
    assert house.ended(house.create(12)) == completed(12)


def test_two_nodes_with_one_key_of_which_one_is_killed(house):
    nodes = [house.start(), house.start_twin()]
    for node in nodes:
        node.wait_until(lambda node=node: "Logged in as" in node.said(), "log in")
    numbers = range(20, 23)
    tasks = {number: house.create(number, "go-20") for number in numbers}
    nodes[0].wait_until(lambda: len(house.containers("running")) == len(tasks), "start them")
    kill(nodes[0])
    house.signal("go-20")
    house.start()
    for number, task_id in tasks.items():
        assert house.ended(task_id) == completed(number)
    runs = [house.runs(task_id)[0]["id"] for task_id in tasks.values()]
    folders = (house.data, house.twin_data)
    ended = [id_ for folder in folders for id_ in crash.audited(folder, "run ended")]
    assert sorted(id_ for id_ in ended if id_ in runs) == sorted(runs)
    house.stop()
    assert crash.left_behind(house.twin_data) == []


@pytest.mark.skipif(not debian.is_ours(), reason="a small disk is for root to make")
def test_a_full_disk(tmp_path):
    ensure_relay_image()
    with crash.small_disk(tmp_path / "disk", "16m") as disk:
        folders = {"data": str(disk / "data"), "log": str(tmp_path / "log")}
        config = {"task_dir": folders["data"], "directories": folders, "keep_free": "0"}
        with crash.house(tmp_path / "house", **config) as house:
            node = house.start()
            task_id = house.create(30, "go-30")
            node.wait_until(lambda: house.containers("running"), "start the container")
            filler = crash.fill(disk)
            house.signal("go-30")
            late = house.create(31)
            node.wait_until(lambda: "Collect; trying again" in node.said(), "find no room")
            node.wait_until(lambda: "Start; trying again" in node.said(), "find no room")
            kill(node)
            filler.unlink()
            house.start()
            assert house.ended(task_id) == completed(30)
            assert house.ended(late) == completed(31)
            house.stop()
            assert crash.left_behind(house.data) == []
