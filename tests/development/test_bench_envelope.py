"""The benchmark of the envelope: both sides of each row do what the row says."""

import csv
from pathlib import Path

import pytest

from development import bench_envelope
from development.bench_envelope import HEADER, Row


def test_both_sides_of_every_row_give_the_same_payload_back(tmp_path: Path) -> None:
    pairs = bench_envelope.pairs(1000, tmp_path)
    assert len({pair.measure for pair in pairs}) == len(pairs)
    for pair in pairs:
        results = [pair.ours(), pair.limit()]
        if pair.measure.startswith("open,"):
            values = [getattr(result, "data", result) for result in results]
            if "file" in pair.measure:
                values = [(tmp_path / name).read_bytes() for name in ("ours", "limit")]
            assert values[0] == values[1]
            assert len(values[0]) == 1000


def test_memory_is_measured_in_a_process_of_its_own() -> None:
    peak = bench_envelope.peak_elsewhere(10_000_000, "seal, binary form", "ours")
    assert peak == pytest.approx(1, abs=0.5)


def test_a_table_says_what_was_measured(tmp_path: Path) -> None:
    row = Row("seal", "AES", 100.0, 50.0, 60.0, 1.2, "≤ 1.5", 1.0, 1.04)
    bench_envelope.write([row], tmp_path / "figures" / "envelope.csv")
    with (tmp_path / "figures" / "envelope.csv").open(encoding="utf-8", newline="") as file:
        head, cells = csv.reader(file)
    assert head == HEADER
    assert cells == ["seal", "AES", "100", "50", "60", "1.20", "≤ 1.5", "1.0 x", "1.0 x"]
