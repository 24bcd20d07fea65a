"""What is killed half way is finished all the same, once and with the right answer."""

import pytest

from development import average
from development.federation import Federation, Hospital

pytestmark = pytest.mark.docker


@pytest.fixture
def members(image, hospitals, tmp_path):
    federation = Federation(tmp_path / "f", hospitals[:1], [f"^{image}$"])
    federation.prepare()
    federation.start_server()
    federation.start_nodes()
    yield federation
    federation.stop()


def expected(hospital: Hospital) -> float:
    return average.pooled_mean([hospital])


def test_a_node_that_is_killed_while_a_run_is_under_way(members, create, hospitals):
    client = members.client()
    task = create(average.central_input(), client=client)
    node = members.services[hospitals[0].name]
    node.wait_until(lambda: client.task.get(task["id"])["status"] != "pending", "start the run")
    node.process.kill()
    node.process.wait()
    members.start_node(hospitals[0])
    (answer,) = client.task.wait(task["id"], timeout=120)
    assert answer["average"] == pytest.approx(expected(hospitals[0]), rel=1e-12)


def test_a_server_that_is_killed_while_a_run_is_under_way(members, create, hospitals):
    client = members.client()
    task = create(average.partial_input(), client=client)
    server = members.services["server"]
    server.process.kill()
    server.process.wait()
    members.start_server()
    (partial,) = members.client().task.wait(task["id"], timeout=120)
    assert partial["count"] == len(hospitals[0].database.read_text().splitlines()) - 1
