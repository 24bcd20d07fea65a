"""What a site tells in a round is what its owner allows, whatever weights it is sent."""

import numpy
import pandas
import pytest
from v6_fedavg_py import RPC_fedavg_moments, RPC_fedavg_round

from vantage6.tools.disclosure import DisclosureRefused
from vantage6.tools.exceptions import InputError


@pytest.fixture
def hospital():
    """Data of one site: 60 patients, of whom a third are cases."""
    random = numpy.random.default_rng(11)
    frame = pandas.DataFrame({"age": random.normal(60, 9, 60), "dose": random.gamma(9, 2, 60)})
    return frame.assign(case=[1, 0, 0] * 20)


def one_round(frame, **kwargs):
    usual = {
        "features": ["age", "dose"],
        "target": "case",
        "model": "logistic",
        "hidden": [],
        "weights": [[[0.0], [0.0]], [0.0]],
        "mean": [60, 18, 0],
        "scale": [9, 6, 1],
        "learning_rate": 0.1,
    }
    return RPC_fedavg_round(frame, **{**usual, **kwargs})


def length(told):
    return numpy.sqrt(sum((numpy.array(part) ** 2).sum() for part in told["change"]))


def test_a_network_with_too_many_weights_for_the_rows_is_refused(hospital):
    wide = [numpy.zeros((2, 9)).tolist(), [0.0] * 9, numpy.zeros((9, 1)).tolist(), [0.0]]
    with pytest.raises(DisclosureRefused, match="37 parameters"):
        one_round(hospital, hidden=[9], weights=wide)


def test_weights_that_let_only_one_patient_count_are_refused(hospital):
    """A hidden unit stands still for all but the oldest, so its gradient would be her row."""
    age = (hospital["age"] - 60) / 9
    second, oldest = age.nlargest(2).iloc[::-1]
    steep = 40 / (oldest - second)
    weights = [[[steep], [0.0]], [-steep * oldest], [[1.0]], [0.0]]
    with pytest.raises(DisclosureRefused, match="what a unit tells apart"):
        one_round(hospital, hidden=[1], weights=weights)


def test_one_or_two_cases_are_refused_and_none_are_not(hospital):
    few = hospital.assign(case=[1, 1] + [0] * 58)
    for ask in (
        lambda: RPC_fedavg_moments(few, ["age"], "case", "logistic"),
        lambda: one_round(few),
    ):
        with pytest.raises(DisclosureRefused, match="rows with one value of 'case'"):
            ask()
    assert one_round(hospital.assign(case=0))["rows"] == 60


def test_an_owner_can_shorten_what_a_round_tells(hospital, monkeypatch):
    free = one_round(hospital, learning_rate=5)
    monkeypatch.setenv("DISCLOSURE_LARGEST_UPDATE", "0.25")
    short = one_round(hospital, learning_rate=5)
    assert length(free) > length(short) == pytest.approx(0.25)
    small = one_round(hospital, learning_rate=0.01)
    assert length(small) < 0.25


def test_an_owner_can_put_noise_on_it_that_no_seed_takes_off(hospital, monkeypatch):
    plain = numpy.concatenate([numpy.ravel(part) for part in one_round(hospital)["change"]])
    monkeypatch.setenv("DISCLOSURE_UPDATE_NOISE", "0.5")
    told = [
        numpy.concatenate([numpy.ravel(part) for part in one_round(hospital)["change"]])
        for _ in range(300)
    ]
    assert len({tuple(change) for change in told}) == 300
    assert numpy.std(numpy.array(told) - plain) == pytest.approx(0.5, rel=0.2)


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"weights": []}, "shapes of this model"),
        ({"weights": [[[0.0], [0.0]], [float("nan")]]}, "finite numbers"),
        ({"weights": [[[0.0], [0.0], [0.0]], [0.0]]}, "shapes of this model"),
        ({"weights": [["no", "number"], [0.0]]}, "shapes of this model"),
        ({"hidden": [1]}, "shapes of this model"),
        ({"mean": [1]}, "a finite number for each"),
        ({"scale": [1, 1, float("inf")]}, "a finite number for each"),
        ({"scale": [1, 0, 1]}, "scale above 0"),
        ({"model": "forest"}, "no model 'forest'"),
        ({"learning_rate": float("inf")}, "above 0"),
        ({"local_epochs": 1.5}, "whole number"),
    ],
)
def test_a_round_that_is_none_is_refused(hospital, kwargs, reason):
    with pytest.raises(InputError, match=reason):
        one_round(hospital, **kwargs)


def test_a_single_row_that_is_left_out_would_be_the_difference_of_two_answers(hospital):
    hospital.loc[5, "dose"] = None
    with pytest.raises(DisclosureRefused, match="rows without a value"):
        one_round(hospital)


def test_nothing_that_is_asked_changes_a_threshold(hospital):
    with pytest.raises(TypeError):
        one_round(hospital, update_noise=0)


def line(frame, above):
    """The weight and the bias of a unit that is certain of who is among the oldest."""
    ages = (frame["age"] - 60).sort_values(ignore_index=True) / 9
    bound = (ages.iloc[-above] + ages.iloc[-above - 1]) / 2
    steep = 1e4 / (ages.iloc[-above] - ages.iloc[-above - 1])
    return [[steep], [0.0]], [-steep * bound]


@pytest.mark.parametrize("above", [1, 2, 20, 21])
@pytest.mark.parametrize("hidden", [0, 1])
def test_weights_that_draw_a_line_between_patients_are_refused(hospital, hidden, above):
    """Gradients on both sides of a bound, less those with one patient moved past it, are hers."""
    weights = [*line(hospital, above), *([[[1.0]], [0.0]] if hidden else [])]
    with pytest.raises(DisclosureRefused, match="what a unit tells apart"):
        one_round(hospital, hidden=[1] * hidden, weights=weights)


def test_a_round_is_refused_where_the_moments_are(hospital):
    one = hospital.assign(dose=[1e6, *[0.0] * 59])
    with pytest.raises(DisclosureRefused, match="dose"):
        one_round(one)


def test_two_features_that_together_mark_one_patient_are_refused(hospital):
    twin = hospital.assign(dose=hospital["age"] + [0.01, *[0.0] * 59])
    with pytest.raises(DisclosureRefused, match="nearly alone"):
        one_round(twin)
