"""The search finds the maximum of a likelihood in few rounds, or says why there is none."""

import math

import numpy
import pytest

from vantage6.tools.disclosure import Disclosure
from vantage6.tools.inference import NoMaximum, chi_square_test, coefficient_table, maximize
from vantage6.tools.sums import Sums, pooled, reason_to_withhold, vector

NOTHING = numpy.zeros(0)


def quadratic(where):
    """A likelihood whose maximum is at (1, -2)."""
    away = where - numpy.array([1.0, -2.0])
    information = numpy.array([[2.0, 0.5], [0.5, 1.0]])
    return Sums(-float(away @ information @ away) / 2, -information @ away, information)


def bounded(where):
    """A likelihood that sites do not tell beyond 1, with its maximum at 0.9."""
    if where[0] > 1:
        return Sums(-math.inf, NOTHING, NOTHING, "Organization 3 tells no sums")
    slope = 9 * numpy.exp(-(where + 1.2)) - 9 * math.exp(-2.1)
    return Sums(
        float((-9 * numpy.exp(-(where + 1.2)) - 9 * math.exp(-2.1) * where)[0]),
        slope,
        numpy.array([[0.5 * 9 * math.exp(-(where[0] + 1.2))]]),
    )


def growing(where):
    """A likelihood that gains ever less and never ends."""
    share = math.exp(-where[0])
    return Sums(-share, numpy.array([share]), numpy.array([[share]]))


def test_a_quadratic_likelihood_takes_two_rounds():
    maximum = maximize(quadratic, [0, 0], ["a", "b"])
    assert maximum.coefficients == pytest.approx([1, -2])
    assert maximum.covariance @ maximum.end.information == pytest.approx(numpy.eye(2))
    assert maximum.iterations == 2


def test_a_step_that_a_site_does_not_answer_is_halved():
    maximum = maximize(bounded, [-1.0], ["a"], max_iterations=60)
    assert maximum.coefficients == pytest.approx([0.9], abs=1e-6)


def test_where_no_site_answers_the_reason_is_told():
    with pytest.raises(NoMaximum, match="Organization 3 tells no sums"):
        maximize(bounded, [2.0], ["a"])


def test_growth_without_end_is_told_by_name():
    with pytest.raises(NoMaximum, match="'dose' grows without end"):
        maximize(growing, [0.0], ["dose"])


@pytest.mark.parametrize(
    ("information", "reason"),
    [
        ([[1, 0], [0, 0]], "say nothing about the coefficient of 'b'"),
        ([[1, 1], [1, 1]], "One of the terms 'a', 'b' follows"),
        ([[math.nan, 0], [0, 1]], "say nothing about the coefficient of 'a'"),
    ],
)
def test_terms_that_cannot_be_told_apart_are_named(information, reason):
    sums = Sums(0.0, numpy.ones(2), numpy.array(information, dtype=float))
    with pytest.raises(NoMaximum, match=reason):
        maximize(lambda _: sums, [0, 0], ["a", "b"])


def test_the_table_has_the_known_quantiles():
    (record,) = coefficient_table(["a"], [1.96], [[1.0]], ratio="odds_ratio")
    assert record["p_value"] == pytest.approx(0.0499958, abs=1e-7)
    assert record["lower"] == pytest.approx(1.96 - 1.959963984540054)
    assert record["odds_ratio"] == pytest.approx(math.exp(1.96))
    (record,) = coefficient_table(["a"], [2.0], [[1.0]], degrees_of_freedom=10)
    assert record["p_value"] == pytest.approx(0.0733880, abs=1e-7)
    assert record["upper"] == pytest.approx(2 + 2.2281388519649385)


def test_a_bound_beyond_all_numbers_is_none():
    (record,) = coefficient_table(["a"], [5000.0], [[1.0]], ratio="odds_ratio")
    assert record["odds_ratio"] is None


def test_a_chi_square_test_has_the_known_quantile():
    assert chi_square_test(3.841458820694124, 1)["p_value"] == pytest.approx(0.05)


def test_sums_of_sites_are_added():
    part = {"log_likelihood": -1.5, "score": [1.0, 2.0], "information": [[1.0, 0.0], [0.0, 1.0]]}
    sums = pooled({1: part, 2: part})
    assert sums.log_likelihood == -3
    assert sums.score.tolist() == [2, 4]
    assert sums.information.tolist() == [[2, 0], [0, 2]]


def test_one_site_that_withholds_is_enough_for_no_sums():
    part = {"log_likelihood": -1.5, "score": [1.0], "information": [[1.0]]}
    sums = pooled({1: part, 2: {"withheld": "too few"}})
    assert sums.log_likelihood == -math.inf
    assert sums.withheld == "Organization 2 tells no sums: too few"


def test_weights_on_one_row_are_a_reason_to_withhold():
    disclosure = Disclosure.at_this_site()
    columns = numpy.column_stack([numpy.ones(20), numpy.arange(20.0)])
    assert reason_to_withhold(columns, numpy.ones(20), disclosure) == ""
    alone = numpy.where(numpy.arange(20) == 7, 1.0, 1e-4)
    assert "weights of this fit" in reason_to_withhold(columns, alone, disclosure)


def test_coefficients_are_as_many_finite_numbers():
    assert vector([1, 2], 2).tolist() == [1.0, 2.0]
