"""Whatever is asked of a histogram, its cells are those of one tree, and none of them is small."""

import itertools

import numpy
import pytest
from v6_summary_py.histogram import Histogram

RANDOM = numpy.random.default_rng(20)
COLUMNS = {
    "spread evenly": RANDOM.uniform(-3, 7, 400),
    "a bell": RANDOM.normal(50, 3, 300),
    "a long tail": RANDOM.lognormal(1, 3, 300),
    "ages": RANDOM.integers(0, 90, 200).astype(float),
    "two values": numpy.repeat([0.0, 1.0], [90, 10]),
    "one value": numpy.full(40, 5.25),
    "zeros and few others": numpy.concatenate([numpy.zeros(50), [1e9, -3.0]]),
    "far apart": numpy.concatenate([RANDOM.normal(0, 1e-9, 60), RANDOM.normal(1e9, 1, 60)]),
    "few beyond": numpy.concatenate([RANDOM.uniform(0, 1, 100), [1e12, -1e12]]),
    "as few as may be": numpy.array([1.0, 2.0, 4.0]),
    "huge and tiny": numpy.array([1e308, 1.2e308, 1.7e308, 5e-324, 0.0, -1e308] * 3),
}
QUESTIONS = [
    ([[None, None]], 1),
    ([[None, None]], 16),
    ([[None, None]], 4000),
    ([[0.0, 1.0]], 100),
    ([[None, 2.0], [40.0, 51.0]], 100),
    ([[2.5, 2.6]], 1000),
    ([[1e300, None]], 50),
    ([], 10),
]
LEAST = [3, 5]


def ends(cell):
    low = -numpy.inf if cell["low"] is None else cell["low"]
    return low, numpy.inf if cell["high"] is None else cell["high"]


@pytest.mark.parametrize("least", LEAST)
@pytest.mark.parametrize("column", COLUMNS)
def test_cells_hold_all_values_and_never_few(column, least):
    values = COLUMNS[column]
    if len(values) < least:
        least = len(values)
    for between, most in QUESTIONS:
        cells = Histogram(values, least).cells(between, most)
        assert sum(cell["count"] for cell in cells) == len(values)
        for cell in cells:
            low, high = ends(cell)
            assert cell["count"] == ((values >= low) & (values < high)).sum() >= least


@pytest.mark.parametrize("column", COLUMNS)
def test_cells_of_two_questions_are_within_each_other_or_apart(column):
    """So that no difference of two answers is a smaller cell."""
    histogram = Histogram(COLUMNS[column], 3)
    asked = [histogram.cells(between, most) for between, most in QUESTIONS]
    for first, second in itertools.combinations(asked, 2):
        for one, other in itertools.product(first, second):
            (low, high), (from_, to) = ends(one), ends(other)
            apart = high <= from_ or to <= low
            assert apart or (low <= from_ and to <= high) or (from_ <= low and high <= to)


def test_the_order_of_the_rows_does_not_matter():
    values = COLUMNS["a bell"]
    asked = ([[None, None]], 4000)
    assert Histogram(values, 3).cells(*asked) == Histogram(values[::-1], 3).cells(*asked)


def test_few_far_away_do_not_hide_where_the_others_are():
    cells = Histogram(COLUMNS["few beyond"], 3).cells([[None, None]], 4000)
    assert (cells[0]["low"], cells[-1]["high"]) == (None, None)
    assert len(cells) > 10


def test_a_cell_is_asked_for_until_it_is_final():
    histogram = Histogram(COLUMNS["spread evenly"], 3)
    coarse = histogram.cells([[None, None]], 4)
    assert not all(cell["final"] for cell in coarse)
    fine = histogram.cells([[None, None]], 4000)
    assert all(cell["final"] for cell in fine)
    assert fine == histogram.cells([[None, None]], 8000)


def test_what_was_not_asked_for_stays_coarse():
    cells = Histogram(COLUMNS["spread evenly"], 3).cells([[0.0, 0.1]], 4000)
    widths = {cell["low"]: cell["high"] - cell["low"] for cell in cells}
    assert max(widths.values()) > 1
    assert min(widths.values()) < 0.2


def test_equal_values_are_told_to_the_last_digit_only_if_they_are_enough():
    (cell,) = Histogram(COLUMNS["one value"], 3).cells([[None, None]], 100)
    assert cell["high"] - cell["low"] < 1e-12
    values = numpy.array([5.25, 5.25, 9.0, 14.0, 3.0])
    cells = Histogram(values, 3).cells([[None, None]], 100)
    assert [ends(cell) for cell in cells] == [(0.0, numpy.inf)]
