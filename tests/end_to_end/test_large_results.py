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
from vantage6.common import summed
from vantage6.common.serialization import deserialize

pytestmark = pytest.mark.docker

# Of a text: much more than what a request has brought when it is held up
SIZE = 40 * 2**20
HELD_AT = 16 * 2**20


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


def brings_payload(passage):
    return passage.method == "PATCH" and "/api/upload/" in passage.path


def is_in_the_middle(passage):
    return brings_payload(passage) and passage.sent >= HELD_AT and not passage.status


def is_answered(passage):
    return brings_payload(passage) and passage.status == 200


def brought(house, before=0):
    """Where the requests that brought a payload of the node's began, and how much they brought."""
    taken = filter(is_answered, house.gate.passed[before:])
    return [(int(one.headers["Upload-Offset"]), summed.plain_length(one.sent)) for one in taken]


def stored(house, task_id):
    """How many bytes the result of a task has in the payload store."""
    query = {"task_id": task_id, "inline": 1}
    (run,) = house.members.client().send("get", "result", params=query)
    return run["result_stored"]["size"]


def test_a_large_text_goes_there_and_back(house, node, tmp_path):
    text, before = text_of(SIZE), len(house.gate.passed)
    task_id = order(house, text)
    assert answer(house, task_id) == text
    assert brought(house, before) == [(0, stored(house, task_id))]
    client = house.members.client()
    (result,) = client.result.list(task=task_id, fields=["id"], include_metadata=False)
    path = client.result.download(result["id"], tmp_path / "answer", show_progress=False)
    assert deserialize(path.read_bytes())["text"] == text


def answered_by_the_next_process(house, text, step):
    """A task whose node is killed at a step of sending the result."""
    with house.gate.holding(step) as barrier:
        node = house.start()
        task_id = order(house, text)
        barrier.wait()
        kill(node)
    house.start()
    assert answer(house, task_id) == text
    house.stop()
    assert crash.left_behind(house.data) == []
    return task_id


def test_a_node_that_is_killed_in_the_middle_goes_on_where_it_was(house):
    before = len(house.gate.passed)
    task_id = answered_by_the_next_process(house, text_of(SIZE, 1), is_in_the_middle)
    # All that came with its sum before the end of the process is not sent again.
    there = HELD_AT // (summed.BLOCK + summed.SUM_BYTES) * summed.BLOCK
    assert brought(house, before) == [(there, stored(house, task_id) - there)]


def test_a_node_that_is_killed_before_it_hears_that_all_is_there_sends_nothing_again(house):
    before = len(house.gate.passed)
    task_id = answered_by_the_next_process(house, text_of(SIZE, 2), is_answered)
    assert brought(house, before) == [(0, stored(house, task_id))]


def test_a_server_that_is_killed_in_the_middle_gets_the_rest(house, node):
    text, before = text_of(SIZE, 3), len(house.gate.passed)
    with house.gate.holding(is_in_the_middle) as held:
        task_id = order(house, text)
        held.wait()
        kill(house.server)
    house.members.start_server()
    assert answer(house, task_id) == text
    # What it had not noted by then comes again.
    ((start, length),) = brought(house, before)
    assert start + length == stored(house, task_id)


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
