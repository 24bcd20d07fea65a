"""A task with many runs on two nodes, some of them running, most of them queued; and its end.

The tests kill it to see that nothing is left; the benchmark, how long that takes.
"""

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from development import federation
from development.console import main
from development.demo import prepare
from development.federation import Federation, Hospital
from development.images import BASE, Image, ensure
from development.install import ROOT

SLEEPER = Image(
    "vantage6/test-probe:latest",
    ROOT / "vantage6-node" / "tests" / "runner" / "probe",
    parent=BASE,
)
PLACES = 4
# The central one, and of its subtasks as many as there are places on both nodes.
RUNNING, QUEUED = 1 + 2 * PLACES, 20
GOAL_SECONDS = 5.0
PATIENCE = 60.0

# Makes the subtasks that it is told to make, and sleeps.
PROGRAM = """
import json, os, time, urllib.request
text = open(os.environ["INPUT_FILE"], "rb").read().removeprefix(b"json.")
for task in json.loads(text).get("kwargs", {}).get("subtasks", []):
    address = os.environ["HOST"] + ":" + os.environ["PORT"] + os.environ["API_PATH"] + "/task"
    token = open(os.environ["TOKEN_FILE"]).read()
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(task).encode(), headers))
time.sleep(3600)
"""
_SLEEP = "anNvbi57Im1ldGhvZCI6ICJzbGVlcCJ9"  # json.{"method": "sleep"}


@contextmanager
def two_sleepy_nodes(folder: Path, database: Path) -> Iterator[Federation]:
    """Two hospitals whose algorithms sleep until they are stopped."""
    image = ensure(SLEEPER)
    config = {"algorithm_env": {"PROGRAM": PROGRAM}, "max_parallel_runs": PLACES}
    hospitals = [Hospital(name, database, config) for name in ("one", "other")]
    made = Federation(folder, hospitals, [f"^{image}$"], encrypted=False)
    try:
        with federation.running(made) as members:
            yield members
    finally:
        # Also when a test failed: they would sleep on.
        federation.remove(folder)


def start_many(members: Federation, client: Any) -> Any:
    """A task whose runs fill both nodes, with the rest of them in their queues."""
    collaboration = client.collaboration.list(scope="organization")[0]
    ids = [row["id"] for row in collaboration["organizations"]]
    count = RUNNING + QUEUED - 1
    addressed = [ids] * (count // 2) + [ids[:1]] * (count % 2)
    subtasks = [
        {
            "name": "subtask",
            "image": SLEEPER.tag,
            "collaboration_id": collaboration["id"],
            "organizations": [{"id": id_, "input": _SLEEP} for id_ in organizations],
        }
        for organizations in addressed
    ]
    task = client.task.create(
        collaboration=collaboration["id"],
        organizations=ids[:1],
        name="central",
        image=SLEEPER.tag,
        description="",
        input={"method": "central", "kwargs": {"subtasks": subtasks}},
    )
    node = members.services["one"]
    node.wait_until(lambda: len(runs_of(client, task)) == RUNNING + QUEUED, "make the subtasks")
    node.wait_until(lambda: len(running_containers(members)) == RUNNING, "start them")
    return task


def runs_of(client: Any, task: Any) -> list[Any]:
    """All runs of a task and its subtasks."""
    tasks = client.task.list(run=task["run_id"], per_page=100)["data"]
    found = [client.result.from_task(one["id"]) for one in tasks]
    return [run for runs in found for run in runs]


def running_containers(members: Federation) -> list[str]:
    """The names of the containers of runs."""
    names = (str(one.name) for one in federation.containers(members.folder))
    return [name for name in names if "-result-" in name]


def bench() -> None:
    """Measure how long it takes until nothing is left; the last line is one JSON object."""
    prepare()
    with tempfile.TemporaryDirectory(prefix="v6-kill-") as name:
        database = Path(name) / "patients.csv"
        database.write_text("age\n4\n")
        with two_sleepy_nodes(Path(name) / "f", database) as members:
            client = members.client()
            task = start_many(members, client)
            started = time.perf_counter()
            client.task.kill(task["id"], wait=PATIENCE)
            confirmed = time.perf_counter() - started
            left = running_containers(members)
    print(f"{RUNNING} running and {QUEUED} queued runs on 2 nodes, killed and confirmed:")
    print(f"  {confirmed:.2f} s (goal: {GOAL_SECONDS:.0f} s), {len(left)} containers left")
    print(json.dumps({"kill": {"seconds": confirmed, "goal": GOAL_SECONDS, "left": len(left)}}))


if __name__ == "__main__":
    main(bench)
