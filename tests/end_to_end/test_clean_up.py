"""What is left of a federation: nothing, however it ended."""

import pytest

from development import average, federation
from development.federation import Federation, running

pytestmark = pytest.mark.docker


def left(folder):
    return federation.living_processes(folder), federation.containers(folder)


def test_a_federation_that_was_stopped(image, hospitals, tmp_path, create):
    folder = tmp_path / "f"
    with running(Federation(folder, hospitals[:1], [f"^{image}$"])) as members:
        client = members.client()
        client.task.wait(create(average.partial_input(), client=client)["id"])
        processes, containers = left(folder)
        assert len(processes) == 2
        assert containers
    assert left(folder) == ([], [])


def test_a_federation_that_was_killed_in_the_middle_of_a_run(image, hospitals, tmp_path, create):
    folder = tmp_path / "f"
    members = Federation(folder, hospitals[:1], [f"^{image}$"])
    members.prepare()
    members.start_server()
    members.start_nodes()
    create(average.central_input(), client=members.client())
    for service in members.services.values():
        service.process.kill()
        service.process.wait()
    assert left(folder)[1]
    federation.remove(folder)
    assert not folder.exists()
    assert left(folder) == ([], [])
