"""The figures of the benchmark of the server: what a table says is what was measured."""

import csv
from pathlib import Path

import pytest

from development import bench_server
from development.bench_server import Figure, Row


def row(**differing: object) -> Row:
    values = {
        "measure": "GET /task",
        "database": "SQLite",
        "unit": "ms",
        "goal": "",
        "ours": Figure(2.0, 3.0),
        "theirs": Figure(10.0, 12.0),
    }
    return Row(**{**values, **differing})  # type: ignore[arg-type]


def test_a_figure_is_the_middle_and_what_one_in_twenty_goes_beyond() -> None:
    assert Figure.of([float(number) for number in range(20, 0, -1)]) == Figure(10.5, 19.0)
    assert Figure.of([7.0]) == Figure(7.0, 7.0)


def test_the_ratio_says_how_many_times_better_ours_is() -> None:
    assert row().ratio == 5
    assert row(per_second=True).ratio == pytest.approx(0.2)
    assert row(theirs=None).ratio is None
    assert row(comparable=False).ratio is None


def test_what_the_peer_cannot_do_is_said() -> None:
    assert row(theirs=None, remark="reads whole tables").cells() == [
        "GET /task", "SQLite", "ms", "-", "-", "2", "3", "-", "", "reads whole tables"
    ]  # fmt: skip


def test_all_are_measured_in_turn_and_the_first_round_does_not_count() -> None:
    asked: list[str] = []
    times = iter([100.0, 200.0, 1.0, 2.0, 3.0, 4.0])

    def measure(name: str) -> float:
        asked.append(name)
        return next(times)

    figures = bench_server.in_turn([lambda: measure("ours"), lambda: measure("peer")], 2)
    assert asked == ["ours", "peer"] * 3
    assert figures == [Figure(2.0, 3.0), Figure(3.0, 4.0)]


def test_the_table_is_also_written_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "figures.csv"
    bench_server.write([row()], path)
    with path.open(encoding="utf-8", newline="") as file:
        header, line = csv.reader(file)
    assert (header, line) == (bench_server.HEADER, row().cells())
