"""Two processes of one node, with one API key and a data folder each: no run is run twice."""

import re

import pytest
import yaml

from development import average, federation
from development.federation import Federation

pytestmark = pytest.mark.docker

TASKS = 6


@pytest.fixture
def members(image, hospitals, tmp_path):
    made = Federation(tmp_path / "f", hospitals[:1], [f"^{image}$"])
    try:
        with federation.running(made) as running:
            start_second(running)
            yield running
    finally:
        federation.remove(made.folder)


def start_second(members, *options):
    """Another process of the node, as on another machine."""
    hospital = members.hospitals[0]
    home = members.home(hospital) / "second"
    home.mkdir(exist_ok=True)
    config = yaml.safe_load(members.write_node_config(hospital).read_text())
    node = config["application"]
    node["task_dir"] = str(home / "data")
    node["directories"] = {"data": str(home / "data"), "log": str(home / "log")}
    # By the name of the first, its containers are found by whoever cleans up.
    path = home / f"{members.node_name(hospital)}.yaml"
    path.write_text(yaml.safe_dump(config))
    path.chmod(0o600)
    command = ["vnode-local", "start", "--config", str(path), *options]
    second = members._start("second", command)
    second.wait_until(lambda: "Logged in as" in second.output.read_text(), "log in")
    return second


def ended(service):
    """The runs that a process says it brought to their end."""
    return re.findall(r"run (\d+) \(task \d+\): completed", service.output.read_text())


def test_every_run_is_run_by_one_of_them(members, create, hospitals):
    client = members.client()
    tasks = [create(average.partial_input(), client=client) for _ in range(TASKS)]
    for task in tasks:
        client.task.wait(task["id"], timeout=120)
    processes = [members.services[hospitals[0].name], members.services["second"]]
    runs = {str(run["id"]) for task in tasks for run in client.result.from_task(task["id"])}
    processes[0].wait_until(
        lambda: {run for process in processes for run in ended(process)} == runs, "say so"
    )
    assert sorted(run for process in processes for run in ended(process)) == sorted(runs)
