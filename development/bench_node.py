"""`make bench`, the part of the node: queues, large payloads, and what it needs at rest.

As in the other parts, what counts is the ratio to the same containers without server, node or
encryption, measured right before or after it. The algorithm of the queue and of the payloads
gives back its input, so that nothing but ours is measured.
"""

import argparse
import json
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from development import average, bench, federation, tables
from development.average import BareRun
from development.console import main
from development.demo import prepare
from development.federation import Federation, Hospital
from development.images import BASE, Image, ensure
from development.install import ROOT
from vantage6.client import Client

ECHO = Image("vantage6/bench-echo:1", Path(__file__).with_name("bench_echo"), parent=BASE)
CSV = ROOT / ".cache" / "bench-node.csv"
SIDE_BY_SIDE = 4
QUEUE = 100
SHORT_QUEUE = 20
PAYLOAD = 100 * 2**20
SHORT_PAYLOAD = 10 * 2**20
REST_SECONDS = 30.0
SAMPLE_SECONDS = 0.05

HEADER = ("measure", "value", "unit", "goal")


def measure(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write down the figures of the node."""
    parser = argparse.ArgumentParser(prog="development.bench_node", description=measure.__doc__)
    parser.add_argument("--short", action="store_true", help="smaller queue and payload")
    parser.add_argument("--csv", type=Path, default=CSV)
    options = parser.parse_args(arguments)
    queue = SHORT_QUEUE if options.short else QUEUE
    payload = SHORT_PAYLOAD if options.short else PAYLOAD
    partial = prepare()
    echo = ensure(ECHO)
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name:
        folder = Path(name)
        hospital = Hospital(
            "north",
            average.hospitals(folder / "data")[0].database,
            {"max_parallel_runs": SIDE_BY_SIDE},
        )
        members = Federation(folder / "f", [hospital], [f"^{partial}$", f"^{echo}$"])
        with federation.running(members):
            figures = list(_figures(members, partial, echo, folder, queue, payload))
    rows = [[str(value) for value in figure.values()] for figure in figures]
    tables.write(options.csv, HEADER, rows)
    tables.show(f"The node; load {os.getloadavg()[0]:.1f}", HEADER, rows, set(HEADER) - {"value"})
    print(json.dumps(figures))


def _figures(
    members: Federation, partial: str, echo: str, folder: Path, queue: int, payload: int
) -> Iterator[dict[str, Any]]:
    client = members.client()
    node = psutil.Process(members.services["north"].process.pid)
    yield from _rest(node)
    ask = average.question(client, partial, average.partial_input())
    bare = BareRun(partial, members.hospitals[0].database, folder / "bare")
    pairs = bench.compare(ask, bare.run)
    yield _figure("single run", "times docker run", pairs["ratio"]["median"], "≤ 1.4")
    ours, limit = _queue(client, echo, queue), _bare_queue(echo, folder / "queue", queue)
    yield _figure(f"{queue} runs, 4 at a time", "s", ours, "")
    yield _figure("the same with xargs -P4 docker run", "s", limit, "")
    yield _figure("throughput", "times xargs", limit / ours, "≥ 0.8")
    yield from _large(client, node, echo, payload)


def _rest(node: psutil.Process) -> Iterator[dict[str, Any]]:
    before, started = node.cpu_times(), time.monotonic()
    time.sleep(REST_SECONDS)
    after, seconds = node.cpu_times(), time.monotonic() - started
    used = after.user + after.system - before.user - before.system
    yield _figure("node at rest: memory", "MB", node.memory_info().rss / 1e6, "≤ 80")
    yield _figure("node at rest: processor", "%", 100 * used / seconds, "< 1")


def _queue(client: Client, image: str, runs: int) -> float:
    """Seconds from the first of many tasks to the last result."""
    collaboration = client.collaboration.list(scope="organization")[0]["id"]
    assert client.whoami is not None
    own = [client.whoami.organization_id]
    started = time.perf_counter()
    tasks = [
        client.task.create(collaboration, own, "short", image, "", {"number": number})["id"]
        for number in range(runs)
    ]
    for number, task in enumerate(tasks):
        (answer,) = client.task.wait(task, show_progress=False)
        assert answer == {"number": number}
    return time.perf_counter() - started


def _bare_queue(image: str, folder: Path, runs: int) -> float:
    """Seconds for the same containers with the engine's own command."""
    for number in range(runs):
        own = folder / str(number)
        own.mkdir(parents=True)
        (own / "input").write_text(f'json.{{"number": {number}}}')
        (own / "output").touch()
    command = ["xargs", f"-P{SIDE_BY_SIDE}", "-I{}", "docker", "run", "--rm", "--network", "none"]
    command += ["-v", f"{folder}/{{}}:/mnt/data"]
    command += ["-e", "INPUT_FILE=/mnt/data/input", "-e", "OUTPUT_FILE=/mnt/data/output", image]
    numbers = "\n".join(str(number) for number in range(runs))
    started = time.perf_counter()
    subprocess.run(command, input=numbers, text=True, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def _large(client: Client, node: psutil.Process, image: str, size: int) -> Iterator[dict[str, Any]]:
    """One task whose input and output are large; text that does not compress by itself."""
    text = os.urandom(size // 2).hex()
    ask = average.question(client, image, {"text": text})
    before = node.memory_info().rss
    started = time.perf_counter()
    with _highest(lambda: node.memory_info().rss) as highest:
        answer = ask()
    seconds = time.perf_counter() - started
    assert answer == {"text": text}
    name = f"{size // 2**20} MiB in and out"
    growth = (max(highest) - before) / size
    yield _figure(name, "s", seconds, "")
    yield _figure(f"{name}: memory of the node", "times payload", growth, "≤ 4")


@contextmanager
def _highest(value: Callable[[], float]) -> Iterator[list[float]]:
    """Note down a value, again and again, beside what is done meanwhile."""
    seen, over = [value()], threading.Event()

    def look() -> None:
        while not over.wait(SAMPLE_SECONDS):
            seen.append(value())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _figure(measure: str, unit: str, value: float, goal: str) -> dict[str, Any]:
    return {"measure": measure, "value": round(value, 3), "unit": unit, "goal": goal}


if __name__ == "__main__":
    main(measure)
