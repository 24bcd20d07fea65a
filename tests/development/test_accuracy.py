"""The table of accuracies asserts what it shows."""

import io

import pytest
from rich.console import Console

from development.accuracy import Accuracy, Figure, as_property, figures, show, worst

LINE = ("glm", "coefficients", "statsmodels", 3)


@pytest.fixture
def noted():
    return []


@pytest.fixture
def compare(noted):
    return Accuracy(noted.append)


def test_answers_that_agree_are_noted(compare, noted):
    compare(*LINE, [1.0, 2000.0], [1.0, 2000.00001])
    (figure,) = noted
    assert figure.difference == pytest.approx(5e-9, rel=1e-3)


@pytest.mark.parametrize(
    ("federated", "pooled"),
    [([1.0], [1.1]), ([1.0, 2.0], [1.0]), ([float("nan")], [1.0]), ([], [])],
    ids=["far", "shape", "nan", "nothing"],
)
def test_answers_that_do_not_are_an_error(compare, federated, pooled):
    with pytest.raises(AssertionError):
        compare(*LINE, federated, pooled)


def test_the_worst_of_several_data_sets_is_shown():
    several = [Figure(*LINE, difference, 1e-6) for difference in (1e-9, 3e-8, 2e-10)]
    assert [figure.difference for figure in worst(several)] == [3e-8]
    text = io.StringIO()
    show(several, Console(file=text, width=120))
    assert "3.0e-08" in text.getvalue()


def test_figures_travel_with_the_reports_of_tests():
    figure = Figure(*LINE, 1e-9, 1e-6)
    assert figures([("other", 1), as_property(figure)]) == [figure]
