"""Large inputs and results, from a researcher through a container and back, whatever breaks.

Commands of ours as processes, a real engine, and a gate between node and server.
"""

import hashlib

import pytest

from development import crash, gate
from development.bench_node import ECHO
from development.crash import kill
from development.federation import Federation, Hospital, running
from development.images import ensure, ensure_relay_image
from vantage6.client import File
from vantage6.common.serialization import deserialize

pytestmark = pytest.mark.docker

# Of a text: more than two pieces of an upload
SIZE = 40 * 2**20
PIECE = 16 * 2**20


def text_of(size, number=0):
    return hashlib.shake_256(b"%d" % number).digest(size // 2).hex()


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    ensure_relay_image()
    image = ensure(ECHO)
    folder = tmp_path_factory.mktemp("large") / "house"
    with crash.house(folder, allowed_images=[f"^{image}$"]) as house:
        yield house
        house.stop()
        assert crash.left_behind(house.data) == []


@pytest.fixture
def node(house):
    """The house's node, which is stopped in the end."""
    yield house.start()
    house.stop()


def order(house, text):
    client = house.members.client()
    task = client.task.create(
        collaboration=client.collaboration.list(scope="organization")[0]["id"],
        organizations=[client.whoami.organization_id],
        name="large",
        image=ECHO.tag,
        input={"text": text},
    )
    return task["id"]


def answer(house, task_id):
    client = house.members.client()
    (value,) = client.task.wait(task_id, timeout=gate.PATIENCE * 3, show_progress=False)
    return value["text"]


def is_piece(passage):
    return passage.method == "PATCH" and "/api/upload/" in passage.path


def pieces(house, before=0):
    """How many bytes of the node's pieces the server has taken."""
    taken = [one for one in house.gate.passed[before:] if is_piece(one) and one.status == 200]
    return sum(len(one.body) for one in taken)


def stored(house, task_id):
    """How many bytes the result of a task has in the payload store."""
    query = {"task_id": task_id, "inline": 1}
    (run,) = house.members.client().send("get", "result", params=query)
    return run["result_stored"]["size"]


def test_a_large_text_goes_there_and_back(house, node, tmp_path):
    text, before = text_of(SIZE), len(house.gate.passed)
    task_id = order(house, text)
    assert answer(house, task_id) == text
    assert pieces(house, before) == stored(house, task_id)
    client = house.members.client()
    (result,) = client.result.list(task=task_id, fields=["id"], include_metadata=False)
    path = client.result.download(result["id"], tmp_path / "answer", show_progress=False)
    assert deserialize(path.read_bytes())["text"] == text


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_node_that_is_killed_in_the_middle_goes_on_where_it_was(house, after):
    text, before = text_of(SIZE, 1 + after), len(house.gate.passed)

    def second_piece(passage):
        is_second = is_piece(passage) and pieces(house, before) >= PIECE * (1 + after)
        return is_second and bool(passage.status) == after

    with house.gate.holding(second_piece) as barrier:
        node = house.start()
        task_id = order(house, text)
        barrier.wait()
        kill(node)
    house.start()
    assert answer(house, task_id) == text
    house.stop()
    # Each piece once: those before the end of the process were not sent again.
    assert pieces(house, before) == stored(house, task_id)
    assert crash.left_behind(house.data) == []


def test_a_server_that_is_killed_in_the_middle_gets_the_rest(house, node):
    text, before = text_of(SIZE, 3), len(house.gate.passed)
    with house.gate.holding(lambda one: is_piece(one) and pieces(house, before) >= PIECE) as held:
        task_id = order(house, text)
        held.wait()
        kill(house.server)
    house.members.start_server()
    assert answer(house, task_id) == text
    assert pieces(house, before) == stored(house, task_id)


def test_without_encryption_and_with_a_file(tmp_path):
    ensure_relay_image()
    database = tmp_path / "data.csv"
    database.write_text("age\n4\n")
    path = tmp_path / "model"
    path.write_bytes(hashlib.shake_256(b"model").digest(3 * 2**20))
    hospital = Hospital("north", database)
    members = Federation(tmp_path / "f", [hospital], [f"^{ensure(ECHO)}$"], encrypted=False)
    with running(members):
        client = members.client()
        task = client.task.create(
            client.collaboration.list(scope="organization")[0]["id"],
            [client.whoami.organization_id],
            image=ECHO.tag,
            method="echo",
            kwargs={"model": File(path)},
        )
        (value,) = client.task.wait(task["id"], timeout=gate.PATIENCE, show_progress=False)
        assert deserialize_argument(value["kwargs"]["model"]) == path.read_bytes()


def deserialize_argument(argument):
    """What the function of an algorithm would have got."""
    from vantage6.common.typed import unwrap

    return unwrap(argument)
