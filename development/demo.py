"""`make demo`: one federated question to three hospitals, encrypted, from nothing to the answer."""

import fcntl
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from pprint import pformat
from textwrap import indent
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from development import federation
from development.algorithms import FOLDERS
from development.average import BareRun, Stopwatch, question
from development.console import SetupError, main
from development.demonstrations import Demonstration, demonstration
from development.engine import ensure_engine
from development.federation import Federation, Hospital
from development.hospitals import pooled, rows_of, with_parts_of
from development.images import ensure_relay_image, ensure_shipped_algorithm
from vantage6.common.files import write_private_file

ROOT = Path(__file__).resolve().parent.parent
FOLDER = Path(os.environ.get("DEMO_FOLDER", ROOT / ".demo")).absolute()
LOCK = FOLDER.with_name(f"{FOLDER.name}.lock")
KEPT = FOLDER / "kept"
PROFILE = FOLDER / "profile.yaml"
ALGORITHM = "average"

console = Console(highlight=False)


def run(algorithm: str, keep: bool) -> None:
    """Run the main job and print what came of it; the last line is one JSON object."""
    started = time.perf_counter()
    watch = Stopwatch()
    shown = demonstration(algorithm)
    with only_demo(), ExitStack() as at_end:
        at_end.callback(remove)
        with watch("engine and images"):
            image = prepare(algorithm)
        hospitals = with_parts_of(shown.data(), FOLDER / "data", shown.node_config)
        allowed = [f"^{name}$" for name in (images_to_keep() if keep else [image])]
        members = Federation(FOLDER / "federation", hospitals, allowed)
        start(members, watch)
        ask = question(members.client(), image, shown.input)
        with watch("task"):
            answer = ask()
        if shown.partial:
            with watch("bare docker run"):
                BareRun(image, hospitals[0].database, FOLDER / "bare", shown.partial).run()
        report = compare(shown, answer, hospitals)
        if keep:
            at_end.pop_all()
            write_profile(members)
            KEPT.touch()
        else:
            with watch("stop"):
                at_end.close()
    report |= {"algorithm": algorithm, "seconds": rounded(watch.seconds)}
    report["seconds"]["total"] = round(time.perf_counter() - started, 3)
    show(shown, report)
    if keep:
        explain(members, image, shown)
    print(json.dumps(report), flush=True)
    if report["difference"] > shown.tolerance:
        raise SetupError("the federated answer differs from the pooled one")


def stop() -> None:
    """End a demo that was kept."""
    with only_demo(also_kept=True):
        remove()
    console.print("Nothing of the demo is running.")


def remove() -> None:
    """End whatever a demo in this folder left running, and delete its files."""
    federation.remove(FOLDER / "federation")
    shutil.rmtree(FOLDER, ignore_errors=True)


def prepare(algorithm: str = ALGORITHM) -> str:
    """Have an engine and the images; return the name of the algorithm's image."""
    ensure_engine()
    ensure_relay_image()
    return ensure_shipped_algorithm(algorithm)


def images_to_keep() -> list[str]:
    """Have the images of all shipped algorithms, for the questions that come later."""
    return [ensure_shipped_algorithm(name) for name in FOLDERS]


def write_profile(members: Federation) -> None:
    """Write with what the researcher logs in to a federation that is kept."""
    profile = {
        "host": f"http://{federation.LOOPBACK}",
        "port": members.port,
        "path": federation.API_PATH,
        "username": members.researcher,
        "password": members.password,
        "private_key": str(members.private_key(members.hospitals[0])),
        "pins_file": str(members.folder / "pins.json"),
    }
    write_private_file(PROFILE, yaml.safe_dump(profile, sort_keys=False).encode())


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


def compare(shown: Demonstration, answer: Any, hospitals: list[Hospital]) -> dict[str, Any]:
    """Hold the federated figures against those over all rows in one place."""
    ours, theirs = shown.federated(answer), shown.pooled(pooled(hospitals))
    figures = {name: {"federated": ours[name], "pooled": theirs[name]} for name in theirs}
    return {
        "rows": rows_of(hospitals),
        "figures": figures,
        "difference": max(
            abs(ours[name] - value) / max(1, abs(value)) for name, value in theirs.items()
        ),
    }


def rounded(seconds: dict[str, float]) -> dict[str, float]:
    """To milliseconds."""
    return {name: round(value, 3) for name, value in seconds.items()}


def show(shown: Demonstration, report: dict[str, Any]) -> None:
    """Print what came out, and how long each step took."""
    table = Table(title=f"{shown.title}, over three hospitals", title_justify="left")
    for heading in ("", "federated", f"pooled ({shown.peer})"):
        table.add_column(heading, justify="right" if heading else "left")
    for name, figure in report["figures"].items():
        table.add_row(name, repr(figure["federated"]), repr(figure["pooled"]))
    table.add_section()
    table.add_row("largest difference", f"{report['difference']:.1e}", "")
    console.print(table)
    console.print("  rows:", ", ".join(f"{name} {rows}" for name, rows in report["rows"].items()))
    steps = (f"{name} {value:.2f}" for name, value in report["seconds"].items())
    console.print("  seconds:", ", ".join(steps), end="\n\n")


def explain(members: Federation, image: str, shown: Demonstration) -> None:
    """Say how to log in to what is left running, and what to ask."""
    keywords = pformat(dict(shown.kwargs), sort_dicts=False, compact=True)
    console.print(
        f"""
The federation is still running; `make demo-stop` ends it. To log in, start .venv/bin/python:

    from vantage6.client import Client
    client = Client.from_profile("{PROFILE}")

Then ask the same again, or something else:

    task = client.task.create(
        collaboration=1, organizations=[client.whoami.organization_id],
        image="{image}", method="{shown.method}", master=True,
        kwargs={indent(keywords, " " * 15).lstrip()})
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
    """Run or stop, as the command line, ALGORITHM and KEEP say."""
    if sys.argv[1:] == ["stop"]:
        stop()
    else:
        algorithm = os.environ.get("ALGORITHM") or ALGORITHM
        run(algorithm, keep=os.environ.get("KEEP", "") not in ("", "0"))


if __name__ == "__main__":
    main(command)
