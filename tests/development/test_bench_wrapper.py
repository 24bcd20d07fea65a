"""The benchmark of the wrapper: both sides of a pair run, and the table says what they took."""

import csv

import pytest

from development import bench_wrapper, tables
from development.bench_wrapper import HEADER, Row


def test_both_sides_of_a_pair_run_on_this_machine() -> None:
    ((limit, ours),) = bench_wrapper.here(1)
    assert limit > 0
    assert ours > 0


def test_a_run_that_fails_is_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    program = bench_wrapper.PROGRAM.replace('"column_name": "age"', '"column_name": "height"')
    monkeypatch.setattr(bench_wrapper, "PROGRAM", program)
    with pytest.raises(bench_wrapper.SetupError, match="height"):
        bench_wrapper.here(1)


def test_differences_are_taken_in_each_pair(tmp_path) -> None:
    row = Row("here", [(0.3, 0.4), (1.0, 1.02), (0.3, 0.5)])
    tables.write(tmp_path / "wrapper.csv", HEADER, [row.cells()])
    with (tmp_path / "wrapper.csv").open(encoding="utf-8", newline="") as file:
        head, cells = csv.reader(file)
    assert head == HEADER
    assert cells == ["here", "0.300", "0.500", "0.020", "0.100", "0.200", "1.33", "≤ 0.15"]
