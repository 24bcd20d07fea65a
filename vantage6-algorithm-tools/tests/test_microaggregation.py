"""Rows are told as groups that are alike, of enough people and without a few that outweigh them."""

import numpy
import pytest

from vantage6.tools.disclosure import Disclosure, DisclosureRefused, Thresholds
from vantage6.tools.microaggregation import alike


def groups(values, **thresholds):
    return alike(numpy.asarray(values, dtype=float), Disclosure(Thresholds(**thresholds)))


@pytest.mark.parametrize("least", [1, 3, 10])
@pytest.mark.parametrize("rows", [10, 11, 57, 300])
def test_every_row_is_in_one_group_of_enough_rows(rows, least):
    values = numpy.random.default_rng(rows).lognormal(0, 0.5, (rows, 3))
    found = groups(values, minimum_cell=least, minimum_rows=1, dominance=0)
    assert sorted(numpy.concatenate(found)) == list(range(rows))
    assert all(least <= len(group) < 2 * least for group in found)


def test_rows_of_a_group_are_neighbours():
    values = numpy.random.default_rng(1).permutation([*range(1, 7), *range(11, 18), *range(31, 36)])
    found = sorted(sorted(values[group].tolist()) for group in groups(values[:, None]))
    assert found == [[1, 2, 3], [4, 5, 6], [11, 12, 13], [14, 15, 16, 17], [31, 32, 33, 34, 35]]


def test_no_group_lies_across_clusters_that_are_far_apart():
    random = numpy.random.default_rng(3)
    cluster = numpy.repeat([0, 1, 2], [40, 70, 55])
    values = random.normal(50, 1, (165, 2)) + 20 * cluster[:, None]
    assert all(len(set(cluster[group])) == 1 for group in groups(values))


def test_a_column_counts_by_its_spread_and_not_by_its_unit():
    values = numpy.random.default_rng(2).normal(50, 9, (100, 2))
    in_grams = values * [1000, 1]
    pairs = zip(groups(values), groups(in_grams), strict=True)
    assert all((one == other).all() for one, other in pairs)


def test_one_that_outweighs_its_neighbours_gets_more_of_them():
    values = [[value] for value in [*[1.0] * 6, *[2.0] * 30, 100.0]]
    (group,) = (group for group in groups(values) if 36 in group)
    assert len(group) >= 7


def test_a_feature_of_one_or_two_people_is_not_told_of_a_group():
    rare = numpy.zeros((40, 1))
    rare[:6] = 1
    assert all(rare[group].sum() == 0 or rare[group].sum() >= 3 for group in groups(rare))


def test_rows_that_are_all_equal_stay_together():
    assert len(groups(numpy.ones((40, 2)))) == 1


def test_no_rows_are_no_groups():
    assert groups(numpy.empty((0, 2))) == []


@pytest.mark.parametrize("values", [[[1.0], [1.0]], [[1.0], [2.0], [3.0], [1000.0]]])
def test_rows_that_may_not_even_be_told_together_are_refused(values):
    with pytest.raises(DisclosureRefused):
        groups(values)
