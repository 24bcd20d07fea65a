"""A network of dense layers in numpy: its output, its loss, and the gradient of that.

Without hidden layers it is a linear or a logistic regression. Hidden units are hyperbolic
tangents; the output is a number, or the logarithm of odds. Weights are one list: for each layer a
matrix of inputs x outputs and a vector of outputs.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy
from numpy.typing import NDArray

Numbers = NDArray[Any]
Weights = list[Numbers]

MODELS = ("linear", "logistic")


class Slope(NamedTuple):
    """The loss at some weights, and how it changes with them.

    Attributes
    ----------
    loss : float
        Mean over the rows.
    gradient : list of array
        Its derivative by each weight.
    shares : list of array
        For each layer, rows x outputs: what each row adds to the derivative by each bias.
    inputs : list of array
        For each layer, rows x inputs.
    turns : list of array
        For each layer whose outputs are bent, and a logistic one's, rows x outputs: how steep the
        bend is at each row, as a share of where it is steepest.
    """

    loss: float
    gradient: Weights
    shares: list[Numbers]
    inputs: list[Numbers]
    turns: list[Numbers]


def shapes(features: int, hidden: Sequence[int]) -> list[tuple[int, ...]]:
    """The shapes of the weights of a network with one output."""
    widths = [features, *hidden, 1]
    pairs = pairwise(widths)
    return [shape for inputs, outputs in pairs for shape in ((inputs, outputs), (outputs,))]


def parameters(features: int, hidden: Sequence[int]) -> int:
    """How many numbers those are."""
    return sum(int(numpy.prod(shape)) for shape in shapes(features, hidden))


def first_weights(features: int, hidden: Sequence[int], seed: int) -> Weights:
    """Where training begins: small random numbers, and zeros where there is no hidden layer.

    Their size is that of Glorot and Bengio, Understanding the difficulty of training deep
    feedforward neural networks (2010).
    """
    generator = numpy.random.default_rng(seed)
    if not hidden:
        return [numpy.zeros(shape) for shape in shapes(features, hidden)]
    weights = []
    for shape in shapes(features, hidden):
        reach = numpy.sqrt(6 / sum(shape)) if len(shape) == 2 else 0
        weights.append(generator.uniform(-reach, reach, shape))
    return weights


def output(weights: Weights, features: Numbers) -> Numbers:
    """The number, or the logarithm of odds, for each row."""
    return _layers(weights, features)[-1][:, 0]


def probability(log_odds: Numbers) -> Numbers:
    """The probability with these odds, without overflow on either side."""
    return numpy.exp(-numpy.logaddexp(0, -log_odds))


def slope_at(model: str, weights: Weights, features: Numbers, target: Numbers) -> Slope:
    """Mean loss over the rows, and its derivative by each weight.

    Parameters
    ----------
    model : str
        `linear`: half the squared difference; `logistic`: minus the logarithm of the likelihood.
    weights : list of array
    features : array of float, rows x features
    target : array of float
        For `logistic` 0 or 1.
    """
    layers, sums = _layers(weights, features), _sums(weights, features)
    found = layers[-1][:, 0]
    if model == "logistic":
        loss = numpy.mean(numpy.logaddexp(0, found) - target * found)
        difference = probability(found) - target
    else:
        difference = found - target
        loss = numpy.mean(difference**2) / 2
    share = difference[:, None] / len(target)
    gradient: Weights = []
    shares = []
    for place in range(len(weights) - 2, -1, -2):
        inputs = layers[place // 2]
        gradient[:0] = [inputs.T @ share, share.sum(axis=0)]
        shares.append(share)
        # The derivative of the hyperbolic tangent, by its value.
        share = (share @ weights[place].T) * (1 - inputs**2)
    turns = [_turn(2 * hidden) for hidden in sums[:-1]]
    if model == "logistic":
        turns.append(_turn(sums[-1]))
    return Slope(float(loss), gradient, shares, layers[:-1], turns)


def _turn(sums: Numbers) -> Numbers:
    """The slope of the logistic curve at each row, as a share of the steepest of its column.

    By logarithms: where a unit is certain of every row all slopes are 0, and still one row may
    lie far nearer to its bound than all others.
    """
    logarithms = -numpy.abs(sums) - 2 * numpy.log1p(numpy.exp(-numpy.abs(sums)))
    turns: Numbers = numpy.exp(logarithms - logarithms.max(axis=0))
    return turns


def _layers(weights: Weights, features: Numbers) -> list[Numbers]:
    """The values at the inputs of each layer, and at the output."""
    sums = _sums(weights, features)
    return [features, *(numpy.tanh(hidden) for hidden in sums[:-1]), sums[-1]]


def _sums(weights: Weights, features: Numbers) -> list[Numbers]:
    """What the units of each layer add up, before it is bent."""
    values, found = features, []
    for place in range(0, len(weights), 2):
        found.append(values @ weights[place] + weights[place + 1])
        values = numpy.tanh(found[-1])
    return found
