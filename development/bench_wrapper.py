"""`make bench`, the wrapper: what a whole run of an algorithm takes beyond importing pandas.

Pairs of processes, one after the other: `python -c "import pandas"`, and the command of an image
that reads its input, calls a function on a CSV file and writes the answer. Here, and within one
container of the shipped average, so that the start of containers is no part of it.
"""

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from development import tables
from development.console import SetupError, main, step
from development.engine import ensure_engine
from development.images import ensure_shipped_algorithm
from development.install import ROOT

CSV = ROOT / ".cache" / "bench-wrapper.csv"
REPETITIONS = 30
SHORT_REPETITIONS = 8
GOAL_SECONDS = 0.15
HEADER = ["where", "pandas: s", "run: s", "more, least", "median", "most", "ratio", "goal"]
#: Runs in the container too, where nothing of this file is: it gets the number of pairs, and
#: prints the seconds of each.
PROGRAM = """
import json, os, pathlib, subprocess, sys, tempfile, time

LIMIT = "import pandas"
RUN = "from vantage6.tools.docker_wrapper import docker_wrapper; docker_wrapper('v6_average_py')"
INPUT = {"method": "average_partial", "kwargs": {"column_name": "age"}}

def seconds(program, environment):
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    needed = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.stdout.decode() + done.stderr.decode())
    return needed

with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    rows = "".join(f"{20 + number % 70},{number}\\n" for number in range(569))
    (folder / "data.csv").write_text("age,number\\n" + rows)
    (folder / "input").write_bytes(b"json." + json.dumps(INPUT).encode())
    (folder / "token").write_text("none")
    files = {"INPUT_FILE": "input", "OUTPUT_FILE": "output", "TOKEN_FILE": "token",
             "DATABASE_URI": "data.csv"}
    environment = {**os.environ, **{key: str(folder / file) for key, file in files.items()}}
    pairs = []
    for _ in range(int(sys.argv[1]) + 1):
        pairs.append((seconds(LIMIT, environment), seconds(RUN, environment)))
        answer = (folder / "output").read_bytes()
        if not answer.startswith(b'json.{"sum"'):
            sys.exit(f"the run answered {answer[:40]}")
print(json.dumps(pairs[1:]))
"""

Pair = tuple[float, float]


@dataclass(frozen=True)
class Row:
    """The pairs of one place.

    Attributes
    ----------
    where : str
    pairs : sequence of (float, float)
        Seconds of the import alone, and of a whole run.
    """

    where: str
    pairs: Sequence[Pair]

    @property
    def differences(self) -> list[float]:
        """What each run took beyond the import before it, in seconds."""
        return [ours - limit for limit, ours in self.pairs]

    def cells(self) -> list[str]:
        """The row as texts."""
        limits, ours = zip(*self.pairs, strict=True)
        found = self.differences
        figures = [statistics.median(limits), statistics.median(ours), min(found),
                   statistics.median(found), max(found)]  # fmt: skip
        ratio = statistics.median(one / limit for limit, one in self.pairs)
        goal = f"≤ {GOAL_SECONDS}"
        return [self.where, *(f"{figure:.3f}" for figure in figures), f"{ratio:.2f}", goal]


def bench() -> None:
    """Measure what the wrapper adds to the import of pandas."""
    options = _arguments()
    repetitions = SHORT_REPETITIONS if options.short else REPETITIONS
    image = ensure_shipped_algorithm("average")
    with step("The wrapper beside the import of pandas"):
        rows = [Row("on this machine", here(repetitions)),
                Row("in the image", inside(image, repetitions))]  # fmt: skip
    title = "A whole run of an algorithm beside the import of pandas alone"
    cells = [row.cells() for row in rows]
    tables.show(title, HEADER, cells, ("where", "goal"))
    tables.write(options.csv, HEADER, cells)


def here(repetitions: int) -> list[Pair]:
    """Measure in processes of this machine."""
    command = [sys.executable, "-c", PROGRAM, str(repetitions)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"The wrapper could not be measured: {done.stderr[-300:]}")
    return _pairs(done.stdout)


def inside(image: str, repetitions: int) -> list[Pair]:
    """Measure in processes of one container."""
    command = ["python3", "-c", PROGRAM, str(repetitions)]
    with closing(ensure_engine()) as client:
        answer = client.containers.run(image, command, network_mode="none", remove=True)
    return _pairs(answer.decode())


def _pairs(text: str) -> list[Pair]:
    return [(limit, ours) for limit, ours in json.loads(text)]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=bench.__doc__)
    parser.add_argument("--short", action="store_true", help="fewer pairs")
    parser.add_argument("--csv", type=Path, default=CSV, help="where the table is written, too")
    return parser.parse_args()


if __name__ == "__main__":
    main(bench)
