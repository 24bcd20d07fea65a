"""`make bench`, the authenticated envelope: what it adds to AES-256-GCM of the same bytes.

What it is compared with is done by the cryptography library alone, right before, in the same
process. Memory is what a process of its own needs more, at its peak, than it needed before.
"""

import argparse
import base64
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from development import tables
from development.console import SetupError, main, step
from development.install import ROOT
from vantage6.common import authenticated
from vantage6.common.authenticated import InputContext
from vantage6.common.encryption import is_envelope

CSV = ROOT / ".cache" / "bench-envelope.csv"
PAYLOAD = 100_000_000
REPETITIONS = 15
SHORT_REPETITIONS = 5
NONCE = bytes(12)
CONTEXT = InputContext(1, "registry.example/average:1", 2, 3)
HEADER = ["measure", "compared with", "MB", "limit: ms", "ours: ms", "ratio", "goal",
          "limit: memory", "ours: memory"]  # fmt: skip

Action = Callable[[], object]


@dataclass(frozen=True)
class Pair:
    """One thing that is done, and what it is compared with.

    Attributes
    ----------
    measure, compared_with, goal : str
    ours, limit : callable
    """

    measure: str
    compared_with: str
    goal: str
    ours: Action
    limit: Action


@dataclass(frozen=True)
class Row:
    """One line of the table: medians, and the peak of memory as multiples of the payload."""

    measure: str
    compared_with: str
    megabytes: float
    limit: float
    ours: float
    ratio: float
    goal: str
    limit_memory: float
    our_memory: float

    def cells(self) -> list[str]:
        """The line as text."""
        return [
            self.measure, self.compared_with, f"{self.megabytes:.0f}", f"{self.limit:.0f}",
            f"{self.ours:.0f}", f"{self.ratio:.2f}", self.goal,
            f"{self.limit_memory:.1f} x", f"{self.our_memory:.1f} x",
        ]  # fmt: skip


class Discard(io.RawIOBase):
    """A target that keeps nothing, as a socket does."""

    def write(self, data: object, /) -> int:
        """Take bytes, and forget them."""
        return len(memoryview(data))  # type: ignore[arg-type]


def bench() -> None:
    """Measure all and print the table; also as CSV."""
    arguments = _arguments()
    if arguments.memory:
        measure, side = arguments.memory
        print(json.dumps(peak(arguments.bytes, measure, side)))
        return
    repetitions = SHORT_REPETITIONS if arguments.short else REPETITIONS
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name:
        found = pairs(arguments.bytes, Path(name))
        rows = [row_of(pair, arguments.bytes, repetitions) for pair in found]
    show(rows)
    write(rows, arguments.csv)


def pairs(size: int, folder: Path) -> list[Pair]:
    """All that is measured."""
    data = os.urandom(size)
    own, other = (rsa.generate_private_key(public_exponent=65537, key_size=4096) for _ in "12")
    cipher = AESGCM(os.urandom(32))
    encrypted = cipher.encrypt(NONCE, data, None)
    encoded = base64.b64encode(encrypted).decode()
    people = (own, other.public_key())
    text = authenticated.seal(data, CONTEXT, *people)
    binary = authenticated.seal_binary(data, CONTEXT, *people)
    readers = (other, own.public_key())
    aes, text_of_aes = "AES-256-GCM", "AES-256-GCM, base64"

    def seal_stream() -> None:
        authenticated.seal_stream(io.BytesIO(data), Discard(), CONTEXT, *people)

    def decrypt() -> bytes:
        return cipher.decrypt(NONCE, encrypted, None)

    return [
        Pair("seal, binary form", aes, "≤ 1.5",
             lambda: authenticated.seal_binary(data, CONTEXT, *people),
             lambda: cipher.encrypt(NONCE, data, None)),
        Pair("open, binary form", aes, "≤ 1.5",
             lambda: authenticated.open_binary(binary, *readers), decrypt),
        Pair("seal, stream", aes, "≤ 1.5", seal_stream,
             lambda: cipher.encrypt(NONCE, data, None)),
        Pair("open, stream to a file", f"{aes}, a file", "",
             lambda: authenticated.open_stream(io.BytesIO(binary), folder / "ours", *readers),
             lambda: _write(folder / "limit", decrypt())),
        Pair("seal, text form", text_of_aes, "≤ 1.3",
             lambda: authenticated.seal(data, CONTEXT, *people),
             lambda: base64.b64encode(cipher.encrypt(NONCE, data, None)).decode()),
        Pair("open, text form", text_of_aes, "≤ 1.3",
             lambda: authenticated.open_(text, *readers),
             lambda: cipher.decrypt(NONCE, base64.b64decode(encoded, validate=True), None)),
        Pair("is it one? (server)", "base64 decoded", "",
             lambda: is_envelope(text),
             lambda: base64.b64decode(encoded, validate=True)),
    ]  # fmt: skip


def row_of(pair: Pair, size: int, repetitions: int) -> Row:
    """Measure both sides in turn, and the memory of each."""
    with step(pair.measure):
        rounds = [
            (milliseconds(pair.limit), milliseconds(pair.ours)) for _ in range(repetitions + 1)
        ][1:]
        memory = [peak_elsewhere(size, pair.measure, side) for side in ("limit", "ours")]
    limits, ours = zip(*rounds, strict=True)
    ratios = [one / other for other, one in rounds]
    return Row(
        pair.measure, pair.compared_with, size / 1e6,
        statistics.median(limits), statistics.median(ours), statistics.median(ratios), pair.goal,
        *memory,
    )  # fmt: skip


def milliseconds(action: Action) -> float:
    """How long a call takes; to let go of what it gave back is not part of it."""
    started = time.perf_counter()
    result = action()
    seconds = time.perf_counter() - started
    del result
    return seconds * 1000


def peak(size: int, measure: str, side: str) -> float:
    """Memory that one call adds to what was there before, as a multiple of the payload."""
    with tempfile.TemporaryDirectory(prefix="v6-bench-") as name:
        found = {pair.measure: pair for pair in pairs(size, Path(name))}[measure]
        action = found.ours if side == "ours" else found.limit
        _forget_peak()
        before = _peak_kilobytes()
        action()
        return (_peak_kilobytes() - before) * 1024 / size


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    title = "The authenticated envelope beside the cryptography library alone"
    tables.show(title, HEADER, [row.cells() for row in rows], ("measure", "compared with"))


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the table as CSV."""
    tables.write(path, HEADER, [row.cells() for row in rows])


def _write(path: Path, data: bytes) -> None:
    """Write a file that is on the disk afterwards."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def peak_elsewhere(size: int, measure: str, side: str) -> float:
    """The peak of memory in a process of its own."""
    command = [sys.executable, "-m", "development.bench_envelope", "--bytes", str(size)]
    command += ["--memory", measure, side]
    # large blocks go back to the system at once: none is used again that nobody counted
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(2**18)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False
    )
    if done.returncode:
        raise SetupError(f"The memory of {measure!r} could not be measured: {done.stderr[-300:]}")
    return float(json.loads(done.stdout))


def _forget_peak() -> None:
    """Let the kernel begin anew with the peak of this process, where it can."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError as error:
        raise SetupError(f"The peak of memory cannot be reset: {error.strerror}") from error


def _peak_kilobytes() -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    raise SetupError("The kernel does not tell the peak of memory")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=bench.__doc__)
    parser.add_argument("--short", action="store_true", help="fewer rounds")
    # with less, the two operations with the RSA keys are most of what is measured
    parser.add_argument("--bytes", type=int, default=PAYLOAD, help="size of the payload")
    parser.add_argument("--csv", type=Path, default=CSV, help="where the table is written, too")
    parser.add_argument("--memory", nargs=2, metavar=("MEASURE", "SIDE"), help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main(bench)
