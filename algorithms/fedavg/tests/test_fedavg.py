"""Rounds over cut data are gradient descent on all rows together, and end where others end."""

import json

import numpy
import pandas
import pytest
import statsmodels.api as sm
from sklearn.neural_network import MLPClassifier, MLPRegressor
from v6_fedavg_py import predict

from development.accuracy import ITERATIVE, peer
from development.cohorts import breast_cancer, cut, diabetes
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.disclosure import DisclosureRefused
from vantage6.tools.exceptions import InputError
from vantage6.tools.mock_client import ClientMockProtocol

BIOPSY = ["mean texture", "mean smoothness", "mean symmetry"]
PATIENT = ["age", "bmi", "bp", "s3"]
every_cut = pytest.mark.parametrize("sites", [3, 10])


@pytest.fixture
def many_parameters(monkeypatch):
    """Data owners who let a model have as many parameters as rows."""
    monkeypatch.setenv("DISCLOSURE_PARAMETERS_PER_ROW", "1")


def ask(parts, features, *, raise_errors=True, **kwargs):
    client = ClientMockProtocol(parts, "v6_fedavg_py", raise_errors=raise_errors)
    kwargs = {"features": features, "target": "target", **kwargs}
    input_ = {"method": "fedavg", "master": True, "kwargs": kwargs}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def coefficients(answer):
    return [row["value"] for row in answer["coefficients"]]


def standardised(frame, features):
    values = frame[features].to_numpy(dtype=float)
    return (values - values.mean(axis=0)) / values.std(axis=0)


@every_cut
def test_a_linear_model_ends_at_least_squares(accuracy, many_parameters, sites):
    frame = diabetes()
    answer = ask(cut(frame, sites), PATIENT, learning_rate=0.5, momentum=0.5, rounds=80)
    theirs = sm.OLS(frame["target"], sm.add_constant(frame[PATIENT])).fit()
    found = coefficients(answer)
    accuracy("fedavg linear", "coefficients", "statsmodels", sites, found, theirs.params, ITERATIVE)
    guesses = predict(frame, answer)
    fitted = theirs.fittedvalues
    accuracy("fedavg linear", "predictions", "statsmodels", sites, guesses, fitted, ITERATIVE)


@every_cut
def test_a_logistic_model_ends_at_the_largest_likelihood(accuracy, many_parameters, sites):
    frame = breast_cancer()
    answer = ask(
        cut(frame, sites), BIOPSY, model="logistic", learning_rate=3, momentum=0.7, rounds=130
    )
    with peer():
        theirs = sm.Logit(frame["target"], sm.add_constant(frame[BIOPSY])).fit(disp=0)
    found = coefficients(answer)
    name = "fedavg logistic"
    accuracy(name, "coefficients", "statsmodels", sites, found, theirs.params, ITERATIVE)
    probabilities = predict(frame, answer)
    expected = theirs.predict()
    accuracy(name, "predictions", "statsmodels", sites, probabilities, expected, ITERATIVE)
    likelihood = -theirs.llf / len(frame)
    accuracy(name, "loss", "statsmodels", sites, answer["loss"][-1], likelihood, ITERATIVE)


@every_cut
@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_rounds_are_those_of_gradient_descent_on_all_rows(accuracy, many_parameters, model, sites):
    frame, features = (diabetes(), PATIENT) if model == "linear" else (breast_cancer(), BIOPSY)
    answer = ask(cut(frame, sites), features, model=model, learning_rate=0.3, rounds=25)
    points = sm.add_constant(standardised(frame, features))
    target = frame["target"].to_numpy(dtype=float)
    if model == "linear":
        target = (target - target.mean()) / target.std()
    weights, losses = numpy.zeros(points.shape[1]), []
    for _ in range(25):
        found = points @ weights
        if model == "linear":
            error = found - target
            losses.append((error**2).mean() / 2)
        else:
            chance = 1 / (1 + numpy.exp(-found))
            error = chance - target
            losses.append(
                -(target * numpy.log(chance) + (1 - target) * numpy.log(1 - chance)).mean()
            )
        weights = weights - 0.3 * points.T @ error / len(points)
    (layer,) = answer["weights"]
    found = [*layer["bias"], *numpy.ravel(layer["weights"])]
    accuracy(f"fedavg {model}", "25 rounds", "numpy, pooled", sites, found, weights)
    accuracy(f"fedavg {model}", "loss", "numpy, pooled", sites, answer["loss"], losses)


@every_cut
@pytest.mark.parametrize("model", ["linear", "logistic"])
def test_a_round_of_a_network_is_a_step_of_scikit_learn(accuracy, many_parameters, model, sites):
    frame, features = (
        (diabetes(), PATIENT[:2]) if model == "linear" else (breast_cancer(), BIOPSY[:2])
    )
    asked = {
        "features": features,
        "model": model,
        "hidden": [2, 1],
        "learning_rate": 0.5,
        "seed": 3,
    }
    parts = cut(frame, sites)
    before, after = (ask(parts, **asked, rounds=rounds) for rounds in (1, 2))
    kind = MLPRegressor if model == "linear" else MLPClassifier
    points = standardised(frame, features)
    target = frame["target"].to_numpy()
    if model == "linear":
        target = (target - target.mean()) / target.std()
    theirs = kind(
        hidden_layer_sizes=(2, 1),
        activation="tanh",
        solver="sgd",
        alpha=0,
        batch_size=len(frame),
        learning_rate_init=0.5,
        momentum=0,
        nesterovs_momentum=False,
    )
    with peer():
        more = {} if model == "linear" else {"classes": [0, 1]}
        theirs.partial_fit(points, target, **more)
        for place, layer in enumerate(before["weights"]):
            theirs.coefs_[place][...] = layer["weights"]
            theirs.intercepts_[place][...] = layer["bias"]
        theirs.partial_fit(points, target)
    found, expected = [], []
    for place, layer in enumerate(after["weights"]):
        found += [*numpy.ravel(layer["weights"]), *layer["bias"]]
        expected += [*theirs.coefs_[place].ravel(), *theirs.intercepts_[place]]
    name = f"fedavg {model} network"
    accuracy(name, "one round", "scikit-learn", sites, found, expected)
    accuracy(name, "loss", "scikit-learn", sites, after["loss"][1], theirs.loss_)


def test_a_network_learns_what_no_line_can(many_parameters):
    random = numpy.random.default_rng(1)
    points = random.uniform(-2, 2, (600, 2))
    frame = pandas.DataFrame({"x": points[:, 0], "y": points[:, 1]})
    quadrant = points[:, 0] * points[:, 1] > 0
    frame["target"] = (quadrant ^ (random.random(600) < 0.05)).astype(int)
    asked = {"model": "logistic", "learning_rate": 2, "momentum": 0.8, "rounds": 150}
    line = ask(cut(frame, 3), ["x", "y"], **asked)
    network = ask(cut(frame, 3), ["x", "y"], hidden=[8], **asked)
    right = [
        ((predict(frame, answer) > 0.5) == frame["target"]).mean() for answer in (line, network)
    ]
    assert right[0] < 0.65
    assert right[1] > 0.9


def test_several_local_steps_are_averaged_by_rows():
    """The algorithm of McMahan et al., written down a second time for a line."""
    parts = [
        pandas.DataFrame({"x": [1.0, -1] * n, "target": [y, y + 2] * n})
        for n, y in ((9, 0), (4, 8))
    ]
    answer = ask(parts, ["x"], local_epochs=3, learning_rate=0.4, rounds=2)
    frame = pandas.concat(parts)
    mean, deviation = frame["target"].mean(), frame["target"].std(ddof=0)
    bias = slope = 0.0
    for _ in range(2):
        ends = []
        for part in parts:
            own, tilt = bias, slope
            for _ in range(3):
                error = own + tilt * part["x"] - (part["target"] - mean) / deviation
                own, tilt = own - 0.4 * error.mean(), tilt - 0.4 * (error * part["x"]).mean()
            ends.append((own, tilt))
        bias, slope = numpy.average(ends, axis=0, weights=[18, 8])
    (layer,) = answer["weights"]
    assert [*layer["bias"], *layer["weights"][0]] == pytest.approx([bias, slope], rel=1e-12)


def test_training_ends_when_nothing_improves():
    answer = ask(cut(diabetes(), 3), PATIENT, learning_rate=0.5, tolerance=1e-6, rounds=500)
    assert answer["converged"]
    assert answer["rounds"] == len(answer["loss"]) < 200
    shorter = ask(cut(diabetes(), 3), PATIENT, learning_rate=0.5, tolerance=1e-6, rounds=5)
    assert (shorter["converged"], shorter["rounds"]) == (False, 5)


def test_steps_that_are_too_long_are_told_and_not_answered():
    with pytest.raises(InputError, match=r"The training diverged.*learning_rate"):
        ask(cut(diabetes(), 3), PATIENT, learning_rate=1e150, rounds=50)


def test_a_model_that_fits_all_rows_but_a_few_is_told_to_stop(many_parameters):
    frame = pandas.DataFrame({"x": numpy.linspace(-1, 1, 60)})
    frame["target"] = (frame["x"] > 0).astype(int)
    with pytest.raises(DisclosureRefused, match="has had enough rounds"):
        ask([frame], ["x"], model="logistic", learning_rate=1e4, momentum=0.9, rounds=30)


def test_the_same_seed_gives_the_same_network():
    parts = cut(diabetes(), 3)
    one, other, third = (ask(parts, ["bmi"], hidden=[2], rounds=3, seed=n) for n in (1, 1, 2))
    assert one == other != third


def test_a_site_with_a_single_class_takes_part():
    frame = breast_cancer()
    only = frame[frame["target"] == 1]
    rest = frame.drop(only.index[:60])
    answer = ask([only[:60], rest], BIOPSY, model="logistic", learning_rate=1, rounds=20)
    pooled = ask([frame], BIOPSY, model="logistic", learning_rate=1, rounds=20)
    assert coefficients(answer) == pytest.approx(coefficients(pooled), rel=1e-9)


def test_rows_without_a_feature_are_left_out_and_get_no_prediction():
    frame = diabetes()
    frame.loc[frame.index[:40], "bmi"] = None
    answer = ask(cut(frame, 3), PATIENT, rounds=3)
    assert answer["rows"] == 402
    assert predict(frame, answer).isna().sum() == 40


def test_a_prediction_needs_all_features():
    answer = ask(cut(diabetes(), 3), PATIENT, rounds=2)
    with pytest.raises(InputError, match="There is no column 's3'"):
        predict(diabetes().drop(columns="s3"), answer)


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"features": []}, "at least one"),
        ({"features": "age"}, "list of names"),
        ({"features": ["height"]}, "There is no column 'height'"),
        ({"features": ["age", "age"]}, "named twice"),
        ({"features": ["target"]}, "named twice"),
        ({"features": ["same"]}, "one value only"),
        ({"model": "forest"}, "linear and logistic"),
        ({"model": "logistic"}, "something else than 0 and 1"),
        ({"hidden": [0]}, "number of hidden units"),
        ({"rounds": 0}, "number of rounds"),
        ({"local_epochs": 0}, "local epochs"),
        ({"learning_rate": -1}, "above 0"),
        ({"momentum": 1}, "below 1"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(kwargs, reason):
    parts = cut(diabetes().assign(same=1), 3)
    with pytest.raises(InputError, match=reason):
        ask(parts, **{"features": PATIENT, "rounds": 2, **kwargs})


def test_an_organization_that_may_not_take_part_is_named():
    parts = [diabetes(), diabetes()[:1]]
    with pytest.raises(TaskFailed, match=r"organization 1.*fewer than 3 usable rows"):
        ask(parts, PATIENT, rounds=2, raise_errors=False)
    assert ask(parts, PATIENT, rounds=2, organizations=[0])["organizations"] == [
        {"organization": 0, "rows": 442}
    ]


def test_every_number_is_plain_json():
    assert json.dumps(ask(cut(diabetes(), 3), PATIENT, rounds=2), allow_nan=False)
