"""`make demo`: one federated mean over three hospitals, encrypted, from nothing to the answer."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from development import average, federation
from development.average import BareRun, Stopwatch
from development.console import SetupError, main
from development.engine import ensure_engine
from development.federation import Federation, Hospital
from development.images import ensure_relay_image, ensure_shipped_algorithm

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", ROOT / ".demo")).absolute()
LOCK = FOLDER.with_name(f"{FOLDER.name}.lock")
KEPT = FOLDER / "kept"
TOLERANCE = 1e-12

console = Console(highlight=False)


def run(keep: bool) -> None:
    """Run the main job and print what came of it; the last line is one JSON object."""
    started = time.perf_counter()
    watch = Stopwatch()
    with only_demo(), ExitStack() as at_end:
        at_end.callback(remove)
        with watch("engine and images"):
            image = prepare()
        hospitals = average.hospitals(FOLDER / "data")
        members = Federation(FOLDER / "federation", hospitals, [f"^{image}$"])
        start(members, watch)
        ask = average.question(members.client(), image, average.central_input())
        with watch("task"):
            answer = ask()
        with watch("bare docker run"):
            BareRun(image, hospitals[0].database, FOLDER / "bare").run()
        report = compare(answer, hospitals, watch)
        if keep:
            at_end.pop_all()
            KEPT.touch()
        else:
            with watch("stop"):
                at_end.close()
    report["total_seconds"] = round(time.perf_counter() - started, 3)
    show(report, watch)
    if keep:
        explain(members, image)
    print(json.dumps(report), flush=True)
    if report["relative_difference"] >= TOLERANCE:
        raise SetupError("the federated mean differs from the pooled mean")


def stop() -> None:
    """End a demo that was kept."""
    with only_demo(also_kept=True):
        remove()
    console.print("Nothing of the demo is running.")


def remove() -> None:
    """End whatever a demo in this folder left running, and delete its files."""
    federation.remove(FOLDER / "federation")
    shutil.rmtree(FOLDER, ignore_errors=True)


def prepare() -> str:
    """Have an engine and the images; return the name of the algorithm's image."""
    ensure_engine()
    ensure_relay_image()
    return ensure_shipped_algorithm("average")


def start(members: Federation, watch: Stopwatch) -> None:
    """Set up and start the federation."""
    steps = {
        "keys and entities": members.prepare,
        "server": members.start_server,
        "three nodes": members.start_nodes,
    }
    for name, action in steps.items():
        console.print(f"  {name} …", end="")
        with watch(name):
            action()
        console.print(f" {watch.seconds[name]:.1f} s")


def compare(answer: dict[str, Any], hospitals: list[Hospital], watch: Stopwatch) -> dict[str, Any]:
    """Hold the federated mean against the mean over all rows in one place."""
    pooled = average.pooled_mean(hospitals)
    return {
        "federated": answer["average"],
        "pooled": pooled,
        "relative_difference": abs(answer["average"] - pooled) / abs(pooled),
        "rows": average.rows_of(hospitals),
        "task_seconds": round(watch.seconds["task"], 3),
        "docker_run_seconds": round(watch.seconds["bare docker run"], 3),
    }


def show(report: dict[str, Any], watch: Stopwatch) -> None:
    """Print what came out, and how long each step took."""
    title = f"Mean of {average.COLUMN!r} over three hospitals"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("")
    table.add_column("", justify="right")
    for name, rows in report["rows"].items():
        table.add_row(f"rows at {name}", str(rows))
    table.add_row("federated mean", repr(report["federated"]))
    table.add_row("pooled mean", repr(report["pooled"]))
    table.add_row("relative difference", f"{report['relative_difference']:.1e}", end_section=True)
    for name, seconds in watch.seconds.items():
        table.add_row(f"{name} (s)", f"{seconds:.2f}")
    console.print(table)


def explain(members: Federation, image: str) -> None:
    """Say how to log in to what is left running, and what to try."""
    key = members.private_key(members.hospitals[0])
    console.print(
        f"""
The federation is still running; `make demo-stop` ends it. To log in, start .venv/bin/python:

        client = Client("http://{federation.LOOPBACK}", {members.port}, "{federation.API_PATH}",
        pins_file="{members.folder}/pins.json")
    client.authenticate("{members.researcher}", "{members.password}")
    client.setup_encryption("{key}")

Then try another column, or a column that is not there:

    task = client.task.create(
        collaboration=1, organizations=[client.whoami.organization_id], name="mine",
        image="{image}", description="",
        input={{"master": True, "method": "master", "kwargs": {{"column_name": "mean area"}}}})
    client.task.wait(task["id"])

The logs of the server and the nodes are in {members.folder}.
""",
        soft_wrap=True,
        markup=False,
    )


@contextmanager
def only_demo(also_kept: bool = False) -> Iterator[None]:
    """Be the only demo of this folder, and clean up after one that was killed."""
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SetupError(
                "another `make demo` is running in this folder; wait for its end"
            ) from None
        if KEPT.exists() and federation.living_processes(FOLDER / "federation") and not also_kept:
            raise SetupError("a demo that was kept is still running; `make demo-stop` ends it")
        remove()
        yield


def command() -> None:
    """Run or stop, as the command line and KEEP say."""
    if sys.argv[1:] == ["stop"]:
        stop()
    else:
        run(keep=os.environ.get("KEEP", "") not in ("", "0"))


if __name__ == "__main__":
    main(command)
