"""The columns of a model are the same at every site, whatever each of them holds."""

import numpy
import pandas
import pytest

from vantage6.tools.columns import complete_rows
from vantage6.tools.design import Design, agree, matrix, survey
from vantage6.tools.disclosure import Disclosure, DisclosureRefused
from vantage6.tools.exceptions import InputError


@pytest.fixture
def disclosure():
    return Disclosure.at_this_site()


def site(seed, stages=("I", "II", "III"), size=30):
    random = numpy.random.default_rng(seed)
    return pandas.DataFrame(
        {"age": random.normal(60, 9, size), "stage": numpy.resize(stages, size)}
    )


def agreed(sites, disclosure, levels=None):
    surveys = {
        number: survey(rows, ["age", "stage"], [], disclosure) for number, rows in enumerate(sites)
    }
    return agree(surveys, levels)


def test_every_term_has_mean_zero_and_deviation_one_over_all_sites(disclosure):
    sites = [site(1), site(2, ("I", "II")), site(3, size=50)]
    design = agreed(sites, disclosure)
    columns = numpy.concatenate([matrix(rows, design, disclosure) for rows in sites])
    assert columns.mean(axis=0) == pytest.approx(0, abs=1e-12)
    assert columns.std(axis=0) == pytest.approx(1)


def test_levels_are_those_of_all_sites_together(disclosure):
    design = agreed([site(1, ("I", "III")), site(2, ("II", "III"))], disclosure)
    assert design.names == ["age", "stage[II]", "stage[III]"]
    assert design.reference == {"stage": "I"}


@pytest.mark.parametrize(
    ("stages", "order"), [((10, 9, 100), ["9", "10", "100"]), (("b", "a", 2), ["2", "a", "b"])]
)
def test_levels_that_are_numbers_are_sorted_as_such(disclosure, stages, order):
    rows = site(1).assign(stage=numpy.resize(numpy.array(stages, dtype=object), 30))
    told = survey(rows, ["stage"], ["stage"], disclosure)
    assert agree({0: told}).levels == {"stage": order}


def test_levels_that_the_researcher_writes_with_a_point_are_the_same(disclosure):
    rows = site(1).assign(stage=numpy.resize([1, 2, 3], 30))
    told = survey(rows, ["stage"], ["stage"], disclosure)
    assert agree({0: told}, {"stage": [2.0, 1, "3"]}).levels == {"stage": ["2", "1", "3"]}


def test_a_design_survives_the_way_to_a_site(disclosure):
    design = agreed([site(1)], disclosure)
    assert Design.from_input(design.as_input(), ["age", "stage"]) == design


def test_a_design_of_other_predictors_is_refused(disclosure):
    design = agreed([site(1)], disclosure)
    with pytest.raises(InputError, match="not of the predictors"):
        Design.from_input(design.as_input(), ["age"])


def test_a_level_that_is_not_in_the_design_is_not_taken_for_the_first(disclosure):
    design = agreed([site(1, ("I", "II"))], disclosure)
    with pytest.raises(InputError, match="'stage' has levels that are not in the design"):
        matrix(site(2), design, disclosure)


def test_a_level_of_one_or_two_people_is_not_told(disclosure):
    rows = site(1)
    rows.loc[:1, "stage"] = "IV"
    with pytest.raises(DisclosureRefused, match="rows with a level of 'stage' is smaller than 3"):
        survey(rows, ["stage"], [], disclosure)


def test_rows_that_lack_a_value_are_left_out_and_columns_that_are_not_asked_for():
    rows = site(1).assign(other=None)
    rows.loc[:4, "age"] = None
    left = complete_rows(rows, ["age"])
    assert left.shape == (25, 1)


@pytest.mark.parametrize("wanted", [["height"], ["age", "age"]])
def test_a_column_that_is_not_there_or_named_twice_is_an_error(wanted):
    with pytest.raises(InputError, match=wanted[0]):
        complete_rows(site(1), wanted)
