"""`make soak`: ask while things break, and say what came of it."""

import argparse
import os
import random
import signal
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from development.console import main
from development.install import ROOT
from development.soak.running import Plan, soak
from vantage6.client.offline import NodesOffline

_RUNS = 300
_FOLDER = ROOT / ".cache" / "soak"


def run() -> None:
    """Soak, print, and end with status 1 unless the ledger is clean."""
    parser = argparse.ArgumentParser(prog="development.soak", description=__doc__)
    parser.add_argument("--runs", type=int, default=int(os.environ.get("SOAK_RUNS") or _RUNS))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("SOAK_SEED") or 0))
    parser.add_argument("--short", action="store_true", help="faults come fast and pass soon")
    parser.add_argument("--kind", action="append", help="only this kind of fault; may be repeated")
    parser.add_argument("--folder", type=Path, default=_FOLDER, help="for what it finds")
    options = parser.parse_args()
    # Told to end, it clears up as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    warnings.simplefilter("ignore", NodesOffline)
    seed = options.seed or random.SystemRandom().randrange(1, 10**6)
    print(f"SOAK_SEED={seed} SOAK_RUNS={options.runs}", flush=True)
    kinds = tuple(options.kind) if options.kind else None
    plan = Plan(options.runs, seed, kinds)
    if options.short:
        plan = replace(plan, pause=1.5, longest=4.0)
    report = soak(plan, options.folder, lambda text: print(text, flush=True))
    report.show(print)
    if not report.is_clean:
        sys.exit(f"error: see above, and {options.folder}")


if __name__ == "__main__":
    main(run)
