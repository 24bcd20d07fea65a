"""`make bench`, large payloads: each hop beside a plain copy of the same file over the same TLS.

A result in the authenticated envelope goes from a node to the server and from there to a client,
through the nginx of the documentation. The limit is `curl`, which puts the same file to that nginx
and gets it from there. Everything is on loopback and on one disk, and shares the same cores.
"""

import argparse
import hashlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from development import tables
from development.bench_payload_world import Peak, World, worlds
from development.console import SetupError, main, step
from development.install import ROOT
from vantage6.common.authenticated import EnvelopeStream, InputContext
from vantage6.common.client.download import Download, Stored
from vantage6.common.client.upload import begin, proceed
from vantage6.common.envelope.context import ResultContext
from vantage6.common.sealed import BINARY, Sealed, SignedPayload
from vantage6.common.sources import Held, OnDisk, Part

CSV = ROOT / ".cache" / "bench-payload.csv"
PICTURE = ROOT / ".cache" / "bench-payload.png"
MIB = 2**20
SIZES = [256 * MIB, 1024 * MIB, 10 * 1024 * MIB]
SHORT_SIZES = [64 * MIB, 256 * MIB, 1024 * MIB]
WARM_UP = 32 * MIB
MEMORY_GOAL, RATE_GOAL = "≤ 64", "≥ 0.5"
HEADER = ("MiB", "measure", "ours", "limit", "unit", "ratio", "goal")
IMAGE = "registry.example/echo:1"
NODE_TO_SERVER = "node to server"
SERVER_TO_CLIENT = "server to client"
WHOLE = "sealed, sent, fetched and opened"
MEMORY = "memory of the server"

Figure = dict[str, Any]


class Ready(Sealed):
    """What was sealed before, in a file.

    Parameters
    ----------
    path : Path
    """

    form = BINARY

    def __init__(self, path: Path) -> None:
        file = OnDisk(path)
        super().__init__(file, MIB, -(-file.size // MIB))
        self.size = file.size

    def state(self) -> dict[str, str]:
        """Nothing is needed."""
        return {}

    def _sealed_size(self, index: int) -> int:
        return self._length(index)

    def _seal(self, index: int, data: Part) -> Part:
        return data

    def _mark(self, made: Part) -> bytes:
        # Nobody changes the file, and what this would cost is no part of the hop.
        return b""


def measure(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write down and draw the figures of large payloads."""
    parser = argparse.ArgumentParser(prog="development.bench_payload", description=measure.__doc__)
    parser.add_argument("--short", action="store_true", help="up to 1 GiB instead of 10")
    parser.add_argument("--mib", type=int, nargs="+", help="other sizes, in MiB")
    parser.add_argument("--csv", type=Path, default=CSV)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    options = parser.parse_args(arguments)
    sizes = SHORT_SIZES if options.short else SIZES
    if options.mib:
        sizes = [mib * MIB for mib in options.mib]
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name, worlds(Path(name)) as world:
        bench = Bench(world, Path(name))
        # What the first payload makes the server load is not what a large one needs.
        bench.figures(WARM_UP)
        for size in sizes:
            with step(f"Sending and fetching {size // MIB} MiB"):
                figures += bench.figures(size)
            rows = [[str(figure[name]) for name in HEADER] for figure in figures]
            tables.write(options.csv, HEADER, rows)
    draw(figures, options.picture)
    title = f"Large payloads; load {os.getloadavg()[0]:.1f}"
    tables.show(title, HEADER, rows, {"measure", "unit", "goal"})
    print(json.dumps(figures))


class Bench:
    """The payloads of one server, each sent and fetched once.

    Parameters
    ----------
    world : World
    folder : Path
        Where the payloads are.
    """

    def __init__(self, world: World, folder: Path) -> None:
        self._world, self._folder = world, folder
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=4096)

    def figures(self, size: int) -> list[Figure]:
        """All figures for one size; everything that was made for them is gone in the end."""
        with Peak(self._world.server_pid) as peak:
            sent, put, fetched, get = self._hops(size)
            whole = self._whole(size)
        return [
            _rate(size, NODE_TO_SERVER, sent, put),
            _rate(size, SERVER_TO_CLIENT, fetched, get),
            _rate(size, WHOLE, whole, put + get),
            _memory(size, peak.growth),
        ]

    def _hops(self, size: int) -> tuple[float, float, float, float]:
        """The seconds of both hops, each with those of its limit right after it.

        There are no more than three copies at a time: of 10 GiB not everybody has room for more.
        """
        world, context = self._world, self._ordered(*self._question())
        plain, sealed, got = (self._folder / name for name in ("plain", "sealed", "got"))
        _fill(plain, size)
        envelope = SignedPayload.new(OnDisk(plain), context, self._key, self._key.public_key())
        with sealed.open("wb") as file:
            for piece in envelope.pieces():
                file.write(piece)
        plain.unlink()
        expected = _digest(sealed)
        sent = _seconds(lambda: self._report(context.result_id, Ready(sealed)))
        put = _seconds(lambda: world.put_plain(sealed))
        sealed.unlink()
        fetched = _seconds(lambda: world.fetch(f"result/{context.result_id}/output", got))
        _compare(expected, got)
        get = _seconds(lambda: world.get_plain(got))
        _compare(expected, got)
        world.delete_plain()
        world.delete_task(context.task_id)
        got.unlink()
        return sent, put, fetched, get

    def _whole(self, size: int) -> float:
        """The seconds from a file with a payload to another one, sealed on the way."""
        plain, got = self._folder / "plain", self._folder / "got"
        _fill(plain, size)
        context = self._ordered(*self._question())
        sealed = SignedPayload.new(OnDisk(plain), context, self._key, self._key.public_key())
        whole = _seconds(lambda: self._there_and_back(context, sealed, got))
        _compare(_digest(plain), got)
        self._world.delete_task(context.task_id)
        plain.unlink()
        got.unlink()
        return whole

    def _question(self) -> tuple[InputContext, SignedPayload]:
        """An input, small enough to be no matter."""
        organization = self._world.organization_id
        context = InputContext(self._world.collaboration_id, IMAGE, organization, organization)
        return context, SignedPayload.new(
            Held(b"how many?"), context, self._key, self._key.public_key()
        )

    def _ordered(self, asked: InputContext, question: SignedPayload) -> ResultContext:
        """A task with it that the node has begun to work on."""
        world = self._world
        upload = self._upload(world.as_user, question)
        task = world.as_user(
            "post",
            "task",
            json={
                "name": "large",
                "image": IMAGE,
                "collaboration_id": world.collaboration_id,
                "organizations": [{"id": world.organization_id, "input_upload": upload}],
            },
        )
        world.take()
        (result,) = world.as_user("get", f"task/{task['id']}/result")
        assert question.digest
        return ResultContext.answering(
            asked, question.digest, task_id=task["id"], result_id=result["id"]
        )

    def _upload(self, call: Callable[..., Any], sealed: Sealed) -> int:
        upload_id = begin(call, sealed, self._world.collaboration_id)
        proceed(call, upload_id, sealed)
        return upload_id

    def _report(self, result_id: int, sealed: Sealed) -> None:
        """What a node does with an output."""
        upload = self._upload(self._world.as_node, sealed)
        self._world.finish(result_id, upload)

    def _there_and_back(self, context: ResultContext, sealed: SignedPayload, got: Path) -> None:
        self._report(context.result_id, sealed)
        shown = self._world.as_user("get", f"result/{context.result_id}", inline=0)
        stored = Stored.from_wire(shown["result_stored"])
        assert stored

        def open_(headers: Any) -> Any:
            return self._world.open(f"result/{context.result_id}/output", headers)

        with Download(open_, stored) as download, got.open("wb") as file:
            opened = EnvelopeStream(download).open_into(file, self._key, self._key.public_key())
        if opened.context != context:
            raise SetupError("What came back answers another question")


def _fill(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for _ in range(0, size, MIB):
            file.write(os.urandom(MIB))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _compare(sent: str, got: Path) -> None:
    if _digest(got) != sent:
        raise SetupError("What came back is not what was sent")


def _seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def _rate(size: int, measure: str, ours: float, limit: float) -> Figure:
    rates = [round(size / 1e6 / seconds, 1) for seconds in (ours, limit)]
    goal = "" if measure == WHOLE else RATE_GOAL
    return _figure(size, measure, *rates, "MB/s", round(limit / ours, 2), goal)


def _memory(size: int, growth: int) -> Figure:
    return _figure(size, MEMORY, round(growth / MIB, 1), "", "MiB", "", MEMORY_GOAL)


def _figure(size: int, *values: Any) -> Figure:
    return dict(zip(HEADER, (size // MIB, *values), strict=True))


def draw(figures: Sequence[Figure], path: Path) -> None:
    """Draw ratios and memory over the size.

    Parameters
    ----------
    figures : sequence of dict
    path : Path
        Of the picture, a PNG.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    picture, (rates, memory) = pyplot.subplots(1, 2, figsize=(9, 3.5), layout="constrained")
    for name in (NODE_TO_SERVER, SERVER_TO_CLIENT, WHOLE):
        chosen = [figure for figure in figures if figure["measure"] == name]
        points = [(figure["MiB"], figure["ratio"]) for figure in chosen]
        rates.plot(*zip(*points, strict=True), marker="o", label=name)
    points = [(figure["MiB"], figure["ours"]) for figure in figures if figure["measure"] == MEMORY]
    memory.plot(*zip(*points, strict=True), marker="o", color="black")
    rates.axhline(0.5, color="grey", linestyle=":", label="goal of a hop")
    memory.axhline(64, color="grey", linestyle=":")
    rates.set(title="Rate beside a plain copy", ylabel="ratio", ylim=(0, None))
    memory.set(title="What the server needs more", ylabel="MiB", ylim=(0, None))
    for axes in (rates, memory):
        axes.set(xlabel="payload, MiB", xscale="log")
    rates.legend(fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(path, dpi=110)
    pyplot.close(picture)


if __name__ == "__main__":
    # The server must end, and what takes so much of the disk must go.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    main(measure)
