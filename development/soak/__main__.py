"""`make soak`: ask while things break, and say what came of it; SIGTERM ends the asking."""

import argparse
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from development.console import main
from development.install import ROOT
from development.soak.running import PAUSE, Plan, soak
from vantage6.client.offline import NodesOffline

_RUNS = 300
_FOLDER = ROOT / ".cache" / "soak"


def run() -> None:
    """Soak, print, and end with status 1 unless the ledger is clean."""
    parser = argparse.ArgumentParser(prog="development.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=int(os.environ.get("SOAK_RUNS") or _RUNS))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SOAK_SEED") or 0))
    parser.add_argument("--pause", type=float, default=float(os.environ.get("SOAK_PAUSE") or PAUSE))
    parser.add_argument("--short", action="store_true", help="faults come fast and pass soon")
    parser.add_argument("--kind", action="append", help="only this kind of fault; may be repeated")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="for what it finds")
    options = parser.parse_args()
    is_ended = _ended_by_signal()
    warnings.simplefilter("ignore", NodesOffline)
    seed = options.seed or random.SystemRandom().randrange(1, 10**6)
    print(f"SOAK_SEED={seed} SOAK_RUNS={options.runs} SOAK_PAUSE={options.pause:g}", flush=True)
    kinds = tuple(options.kind) if options.kind else None
    plan = Plan(options.runs, seed, kinds, pause=options.pause)
    if options.short:
        plan = replace(plan, pause=1.5, longest=4.0)
    report = soak(plan, options.folder, lambda text: print(text, flush=True), is_ended)
    report.show(print)
    if not report.is_clean:
        sys.exit(f"error: see above, and {options.folder}")


def _ended_by_signal() -> Callable[[], bool]:
    """Whether somebody wants an end: the first SIGTERM leaves time for the books, not the second.

    Ctrl-C reaches the parts as well, after which there is nothing to keep books of.
    """
    ended = threading.Event()

    def end(_number: int, _frame: object) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()

    signal.signal(signal.SIGTERM, end)
    return ended.is_set


if __name__ == "__main__":
    main(run)
