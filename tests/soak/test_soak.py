"""The short form of `make soak`: each kind of fault at least once, and a ledger without a fault."""

import json
import subprocess
import sys

import pytest

from development import debian

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    pytest.mark.skipif(not debian.is_ours(), reason="disks, clocks and an engine are for root"),
]

RUNS, SEED = 30, 6
LEDGER = ("lost", "duplicated", "wrong", "open")
SHORT = ["--short", f"--runs={RUNS}", f"--seed={SEED}"]


def test_all_that_is_asked_comes_back_once_and_right_while_every_part_breaks(tmp_path):
    # In a process of its own, as for whoever calls it: researchers leave connections behind that
    # were cut, and threads that wait for them.
    soak = subprocess.run(
        [sys.executable, "-m", "development.soak", *SHORT, f"--folder={tmp_path}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert (tmp_path / "soak.json").exists(), soak.stdout
    found = json.loads((tmp_path / "soak.json").read_text(encoding="utf-8"))
    assert {line: found[line] for line in LEDGER} == {line: [] for line in LEDGER}, soak.stdout
    # It also wants each failure explained, and nothing left behind.
    assert soak.returncode == 0, soak.stdout
    assert min(found["faults"].values()) >= 1
    assert found["runs"] >= RUNS
