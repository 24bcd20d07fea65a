"""The rounds: send the weights, average the changes, stop when nothing improves."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy

from v6_fedavg_py.network import MODELS, Weights, first_weights
from vantage6.tools.exceptions import InputError
from vantage6.tools.moments import Moments
from vantage6.tools.records import of_organizations

if TYPE_CHECKING:
    from pandas import DataFrame

    from vantage6.tools.container_client import ContainerClient


def fedavg(
    client: "ContainerClient",
    data: "DataFrame",
    features: list[str],
    target: str,
    model: str = "linear",
    *,
    hidden: list[int] | None = None,
    rounds: int = 100,
    local_epochs: int = 1,
    learning_rate: float = 0.1,
    momentum: float = 0.0,
    tolerance: float = 0.0,
    patience: int = 3,
    seed: int = 0,
    organizations: list[int] | None = None,
) -> dict[str, Any]:
    """Train a model on the rows of all organizations together.

    Parameters
    ----------
    client : ContainerClient
        Reaches the organizations.
    data : DataFrame
        The data at the organization that runs this function; not looked at.
    features : list of str
        Columns of numbers. They are standardised over all organizations.
    target : str
        Column that is predicted: numbers, or 0 and 1 for a logistic model.
    model : str
        `linear` or `logistic`.
    hidden : list of int, optional
        Widths of hidden layers, which make it a small neural network.
    rounds : int
        The most rounds.
    local_epochs : int
        Steps at each organization in a round. With 1 the result is that of gradient descent on
        all rows in one place; with more there are fewer rounds, and where organizations differ
        another result.
    learning_rate : float
        Length of a step, as a share of the gradient.
    momentum : float
        The share of the last round's change that is added to this one's, from 0 to below 1.
    tolerance : float
        Training ends when the loss improved by no more than this share in each of the last
        `patience` rounds; 0: after `rounds`.
    patience : int
    seed : int
        Of the first weights; the same seed gives the same answer, unless owners put noise on it.
    organizations : list of int, optional
        Ids of who takes part; all where nothing is said.

    Returns
    -------
    dict
        - `weights`: for each layer `weights` (inputs x outputs) and `bias`, for standardised data;
        - `coefficients`: without hidden layers, a record for the intercept and each feature, with
          `name` and `value` in the units of the columns; else None;
        - `loss`: before each round, the mean over all rows: half the squared error in units of
          the target's variance, or minus the logarithm of the likelihood;
        - `rounds`, `converged`: how many there were, and whether the tolerance ended them;
        - `features`, `target`, `model`, `mean`, `scale`: what `predict` needs;
        - `rows`, and `organizations`: a record of `organization` (its id) and `rows` each.

    Raises
    ------
    TaskFailed
        When an organization could not take part, or may not; the text says which and why.
    InputError
        When the question makes no sense, or the training diverges.
    """
    widths = list(hidden or [])
    _check(features, model, widths, rounds, learning_rate, momentum, patience)
    columns: dict[str, Any] = {"features": features, "target": target, "model": model}
    told = client.ask("fedavg_moments", organizations=organizations, **columns)
    moments = Moments.of(told.values(), [*features, target])
    mean, scale = moments.mean, moments.deviation
    if model == "logistic":
        # The target is 0 and 1, and stays it.
        mean, scale = numpy.append(mean[:-1], 0.0), numpy.append(scale[:-1], 1.0)
    training = Training(first_weights(len(features), widths, seed), momentum)
    while len(training.losses) < rounds and not training.stands(tolerance, patience):
        answers = client.ask(
            "fedavg_round",
            organizations=organizations,
            **columns,
            hidden=widths,
            weights=[part.tolist() for part in training.weights],
            mean=mean.tolist(),
            scale=scale.tolist(),
            learning_rate=learning_rate,
            local_epochs=local_epochs,
        )
        training.step(list(answers.values()))
    return {
        "weights": _layers(training.weights),
        "coefficients": None if widths else _coefficients(training.weights, columns, mean, scale),
        "loss": training.losses,
        "rounds": len(training.losses),
        "converged": training.stands(tolerance, patience),
        **columns,
        "mean": mean.tolist(),
        "scale": scale.tolist(),
        "rows": moments.rows,
        "organizations": of_organizations(told, "rows"),
    }


class Training:
    """Weights that change from round to round.

    Attributes
    ----------
    weights : list of array
    losses : list of float
        The mean over all rows before each round.
    """

    def __init__(self, weights: Weights, momentum: float) -> None:
        self.weights = weights
        self.losses: list[float] = []
        self._momentum = momentum
        self._velocity = [numpy.zeros_like(part) for part in weights]

    def step(self, answers: list[dict[str, Any]]) -> None:
        """Move by the average change, weighted by rows (McMahan et al., 2017)."""
        rows = numpy.array([answer["rows"] for answer in answers], dtype=float)
        shares = rows / rows.sum()
        self.losses.append(math.fsum(shares * [answer["loss"] for answer in answers]))
        with numpy.errstate(over="ignore", invalid="ignore"):
            for place, velocity in enumerate(self._velocity):
                changes = [numpy.array(answer["change"][place]) for answer in answers]
                average = sum(share * change for share, change in zip(shares, changes, strict=True))
                self._velocity[place] = self._momentum * velocity + average
                self.weights[place] = self.weights[place] + self._velocity[place]
        if not all(numpy.isfinite(part).all() for part in self.weights):
            raise InputError(
                f"The training diverged in round {len(self.losses)}; take a smaller learning_rate"
            )

    def stands(self, tolerance: float, patience: int) -> bool:
        """Whether the last rounds improved the loss by too little to go on."""
        if not tolerance or len(self.losses) <= patience:
            return False
        recent = self.losses[-patience - 1 :]
        return all(before - after <= tolerance * abs(before) for before, after in pairwise(recent))


def _coefficients(
    weights: Weights, columns: dict[str, Any], mean: Any, scale: Any
) -> list[dict[str, Any]]:
    """Intercept and slopes in the units of the columns."""
    slopes = weights[0][:, 0] / scale[:-1] * scale[-1]
    intercept = weights[1][0] * scale[-1] + mean[-1] - slopes @ mean[:-1]
    names = ["(intercept)", *columns["features"]]
    values = [float(intercept), *slopes.tolist()]
    return [{"name": name, "value": value} for name, value in zip(names, values, strict=True)]


def _layers(weights: Weights) -> list[dict[str, Any]]:
    pairs = zip(weights[::2], weights[1::2], strict=True)
    return [{"weights": matrix.tolist(), "bias": bias.tolist()} for matrix, bias in pairs]


def _check(
    features: list[str],
    model: str,
    hidden: list[int],
    rounds: int,
    learning_rate: float,
    momentum: float,
    patience: int,
) -> None:
    if not isinstance(features, list) or not features:
        raise InputError("The features are a list of names, at least one")
    if model not in MODELS:
        raise InputError(f"There is no model {model!r}; there are {' and '.join(MODELS)}")
    for name, numbers in (("hidden units", hidden), ("rounds", [rounds]), ("patience", [patience])):
        if not all(isinstance(number, int) and number >= 1 for number in numbers):
            raise InputError(f"The number of {name} is a whole number from 1")
    if not 0 <= momentum < 1:
        raise InputError("The momentum is from 0 to below 1")
    if not 0 < learning_rate < math.inf:
        raise InputError("The learning rate is a number above 0")
