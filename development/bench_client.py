"""`make bench`, the part of the researcher's client: large payloads, their memory and their rate.

Each call is made in a process of its own, whose highest memory before and after it is told by the
system. The limit of a rate is `requests` alone, sending or fetching as many bytes over loopback.
"""

import argparse
import hashlib
import http.server
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from development import average, federation, tables
from development.bench_node import ECHO
from development.console import SetupError, last_line, main
from development.federation import Federation, Hospital
from development.images import ensure
from development.install import ROOT
from vantage6.client import Client

CSV = ROOT / ".cache" / "bench-client.csv"
PAYLOAD = 100 * 2**20
SHORT_PAYLOAD = 24 * 2**20
WAIT_SECONDS = 60
PIECE = 2**20
MOST = "≤ 4"

HEADER = ("measure", "value", "unit", "goal")


def measure(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write down the figures of the client."""
    parser = argparse.ArgumentParser(prog="development.bench_client", description=measure.__doc__)
    parser.add_argument("--short", action="store_true", help="a smaller payload")
    parser.add_argument("--csv", type=Path, default=CSV)
    parser.add_argument("--call", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.call:
        print(json.dumps(_call(json.load(sys.stdin))))
        return
    size = SHORT_PAYLOAD if options.short else PAYLOAD
    echo = ensure(ECHO)
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name:
        database = average.hospitals(Path(name) / "data")[0].database
        figures = [
            figure
            for encrypted in (True, False)
            for figure in _figures(Path(name), database, echo, size, encrypted)
        ]
    rows = [[str(value) for value in figure.values()] for figure in figures]
    tables.write(options.csv, HEADER, rows)
    tables.show(f"The client; load {os.getloadavg()[0]:.1f}", HEADER, rows, set(HEADER) - {"value"})
    print(json.dumps(figures))


def _figures(
    folder: Path, database: Path, image: str, size: int, encrypted: bool
) -> Iterator[dict[str, Any]]:
    """One task whose input and output are large, there and back."""
    kind = "encrypted" if encrypted else "plain"
    hospital = Hospital("north", database)
    members = Federation(folder / kind, [hospital], [f"^{image}$"], encrypted=encrypted)
    with federation.running(members):
        sent = _in_a_process(members, {"action": "send", "size": size, "image": image})
        yield from _told("send", kind, size, sent, _bare_upload)
        for action, name in (("results", "fetch"), ("bytes", "fetch with the input, classic way")):
            fetched = _in_a_process(members, {"action": action, "task": sent["task"]})
            if action == "results" and fetched["digest"] != sent["digest"]:
                raise SetupError("What came back is not what was sent")
            yield from _told(name, kind, size * (1 + (action == "bytes")), fetched, _bare_download)


def _told(
    name: str, kind: str, size: int, call: dict[str, Any], bare: Callable[[int], float]
) -> Iterator[dict[str, Any]]:
    name = f"{name}, {kind}, {size // 2**20} MiB"
    letters = -(-size // 3) * 4
    yield _figure(f"{name}: memory", "times payload", call["growth"] / size, MOST)
    yield _figure(f"{name}: rate", "MB/s", size / call["seconds"] / 1e6, "")
    yield _figure(f"{name}: seconds", "times requests alone", call["seconds"] / bare(letters), "")


def _in_a_process(members: Federation, what: dict[str, Any]) -> dict[str, Any]:
    key = members.private_key(members.hospitals[0])
    options = {
        "port": members.port,
        "username": members.researcher,
        "password": members.password,
        "key": str(key) if members.encrypted else None,
        "pins": str(members.folder / "pins.json"),
        **what,
    }
    done = subprocess.run(
        [sys.executable, "-m", "development.bench_client", "--call"],
        input=json.dumps(options),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    if done.returncode:
        raise SetupError(f"The call ended with an error: {last_line(done.stderr)}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _call(options: dict[str, Any]) -> dict[str, Any]:
    """What happens in the process of its own."""
    client = Client(f"http://{federation.LOOPBACK}", options["port"], pins_file=options["pins"])
    client.authenticate(options["username"], options["password"])
    client.setup_encryption(options["key"])
    collaboration = client.collaboration.list(scope="organization")[0]["id"]
    # What is imported at the first call is no part of a payload.
    client.decrypt_results([])
    if options["action"] == "send":
        return _send(client, collaboration, options)
    client.send("get", f"task/{options['task']}", params={"wait": WAIT_SECONDS})
    if options["action"] == "results":
        values, told = _measured(lambda: client.task.results(options["task"]))
        return {**told, "digest": _digest(values[0]["text"])}
    return _measured(lambda: client.get_results(task_id=options["task"]))[1]


def _send(client: Client, collaboration: int, options: dict[str, Any]) -> dict[str, Any]:
    own = client.whoami_or_fail().organization_id
    text = os.urandom(options["size"] // 2).hex()
    task, told = _measured(
        lambda: client.task.create(
            collaboration,
            [own],
            "large",
            options["image"],
            input={"text": text},
        )
    )
    return {**told, "task": task["id"], "digest": _digest(text)}


def _measured(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    before, started = _highest(), time.perf_counter()
    answer = call()
    seconds = time.perf_counter() - started
    return answer, {"growth": _highest() - before, "seconds": seconds}


def _highest() -> int:
    """The highest memory of this process so far, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


class _Bare(http.server.BaseHTTPRequestHandler):
    """Takes what it is sent, and gives as many bytes as the path says."""

    def do_POST(self) -> None:
        """Take all of it."""
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(PIECE, left)))
        self._answer(0)

    def do_GET(self) -> None:
        """Give it."""
        self._answer(int(self.path[1:]))

    def log_message(self, *_: Any) -> None:
        """Keep the output free of it."""

    def _answer(self, size: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(size))
        self.end_headers()
        for start in range(0, size, PIECE):
            self.wfile.write(bytes(min(PIECE, size - start)))


@contextmanager
def _bare_server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer((federation.LOOPBACK, 0), _Bare) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://{federation.LOOPBACK}:{server.server_port}"
        server.shutdown()
        thread.join()


def _bare_upload(size: int) -> float:
    with _bare_server() as url:
        data = bytes(size)
        started = time.perf_counter()
        requests.post(f"{url}/", data=data, timeout=60).raise_for_status()
        return time.perf_counter() - started


def _bare_download(size: int) -> float:
    with _bare_server() as url:
        started = time.perf_counter()
        if len(requests.get(f"{url}/{size}", timeout=60).content) != size:
            raise SetupError("The bare download broke off")
        return time.perf_counter() - started


def _figure(measure: str, unit: str, value: float, goal: str) -> dict[str, Any]:
    return {"measure": measure, "value": round(value, 2), "unit": unit, "goal": goal}


if __name__ == "__main__":
    main(measure)
