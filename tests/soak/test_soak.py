"""The short form of `make soak`: each kind of fault at least once, and a ledger without a fault."""

import pytest

from development import debian
from development.soak.running import Plan, soak

pytestmark = [
    pytest.mark.docker,
    pytest.mark.timeout(900),
    # Connections of clients that were cut or silent are left to the collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.skipif(not debian.is_ours(), reason="disks, clocks and an engine are for root"),
]

RUNS = 30
SEED = 6


def test_all_that_is_asked_comes_back_once_and_right_while_every_part_breaks(tmp_path):
    report = soak(Plan(RUNS, SEED, pause=1.5, longest=4.0), tmp_path, print)
    assert report.is_clean, report.ledger
    assert min(report.faults.values()) >= 1
    assert report.runs >= RUNS
