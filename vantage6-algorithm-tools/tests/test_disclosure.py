"""A federated function does not tell about too few people."""

import numpy
import pytest

from vantage6.tools.disclosure import Disclosure, DisclosureRefused


@pytest.fixture
def disclosure(monkeypatch):
    monkeypatch.setenv("DISCLOSURE_MINIMUM_ROWS", "5")
    return Disclosure.at_this_site()


def refused(check, *arguments):
    with pytest.raises(DisclosureRefused) as refusal:
        check(*arguments)
    return str(refusal.value)


def test_rows_as_the_data_owner_says(disclosure):
    disclosure.require_rows(5)
    assert "fewer than 5" in refused(disclosure.require_rows, 4)


def test_small_counts_but_not_zero(disclosure):
    disclosure.require_cells([0, 3, 50], "smokers")
    assert "smokers" in refused(disclosure.require_cells, [50, 2], "smokers")


def test_parameters_by_rows(disclosure):
    disclosure.require_parameters(33, 100)
    assert "34 parameters" in refused(disclosure.require_parameters, 34, 100)


@pytest.mark.parametrize(("levels", "rows"), [(41, 1000), (5, 10)])
def test_levels(disclosure, levels, rows):
    disclosure.require_levels(3, 10, "town")
    assert "town" in refused(disclosure.require_levels, levels, rows, "town")


@pytest.mark.parametrize("values", [[1e6, 5, 5, 5], [-1e6, 5, 5, 5], [7, 7], [3]])
def test_a_sum_that_tells_its_largest_part(disclosure, values):
    assert "most of the sum" in refused(disclosure.require_no_dominance, values)


@pytest.mark.parametrize("values", [[50, 50, 50], [0, 0, 0], [], [1, -2, 3, -4]])
def test_a_sum_that_does_not(disclosure, values):
    disclosure.require_no_dominance(values)


def test_a_mean_of_enough_values_none_of_which_is_most_of_it(disclosure):
    disclosure.require_sum(numpy.array([1.0, 2, 3, 4, 5]), "age")
    disclosure.require_sum(numpy.array([]), "age")
    disclosure.require_sum(numpy.full(5, 1e308), "age")
    assert "fewer than 5" in refused(disclosure.require_sum, numpy.array([1.0, 2, 3, 4]), "age")
    assert "most of" in refused(disclosure.require_sum, numpy.array([1.0, 2, 3, 4, 1e3]), "age")


@pytest.mark.parametrize("few", [0.0, 1.0, 7.0])
def test_a_mean_of_two_values_is_a_count(disclosure, few):
    """Of 50 zeros and ones with a mean of 0.98, one is 0."""
    other = 1.0 - few if few < 2 else 8.0
    column = numpy.array([few] * 2 + [other] * 48)
    assert refused(disclosure.require_sum, column, "smoker")
    disclosure.require_sum(numpy.array([few] * 3 + [other] * 47), "smoker")


def test_mean_and_variance_need_more_rows_than_the_mean(disclosure):
    values = numpy.arange(6.0)
    disclosure.require_sum(values, "age")
    assert "2 parameters" in refused(disclosure.require_moments, values, "age")
    disclosure.require_moments(numpy.arange(7.0), "age")
    disclosure.require_moments(numpy.array([]), "age")


def test_a_variance_that_is_the_square_of_one_value(disclosure):
    values = numpy.array([100.0, 100.1] * 20 + [130.0])
    disclosure.require_sum(values, "pressure")
    assert "squares of" in refused(disclosure.require_moments, values, "pressure")


def test_event_times_only_where_the_data_owner_says_so(monkeypatch, disclosure):
    assert "ask for a grid" in refused(disclosure.require_event_times, "ask for a grid")
    monkeypatch.setenv("DISCLOSURE_EVENT_TIMES", "true")
    Disclosure.at_this_site().require_event_times("")


def test_a_row_that_stands_alone_in_a_combination_of_columns(disclosure):
    x = numpy.arange(20.0)
    one = numpy.ones(20)
    disclosure.require_no_leverage(numpy.column_stack([one, x, x**2]))
    twin = x + (x == 7)
    assert "nearly alone" in refused(
        disclosure.require_no_leverage, numpy.column_stack([one, x, twin])
    )


def test_columns_of_zeros_and_twins_have_no_leverage(disclosure):
    x = numpy.arange(20.0)
    disclosure.require_no_leverage(numpy.column_stack([x, x, numpy.zeros(20)]))


def test_small_counts_are_not_told(disclosure):
    assert [disclosure.told(count) for count in (0, 1, 2, 3)] == [0, None, None, 3]


def test_a_table_is_dominated_when_one_of_its_columns_is(disclosure):
    even, odd = [5, 5, 5, 6], [1, 1, 1, 90]
    assert disclosure.has_dominance(numpy.transpose([even, odd]))
    assert not disclosure.has_dominance(numpy.transpose([even, even]))
    assert not disclosure.has_dominance(numpy.empty((0, 2)))


def test_what_is_no_number_passes_no_rule(disclosure):
    nothing = [1.0, 1.0, 1.0, 1.0, float("nan")]
    assert "most of the sum" in refused(disclosure.require_no_dominance, nothing)
    table = numpy.column_stack([numpy.ones(5), nothing])
    assert "beyond all bounds" in refused(disclosure.require_no_leverage, table)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_a_row_that_stands_alone_is_seen_at_every_size(disclosure, size):
    table = numpy.column_stack([numpy.ones(20), size * (numpy.arange(20) == 0)])
    assert "nearly alone" in refused(disclosure.require_no_leverage, table)
