"""What one organization does in a round: improve the weights on its own rows."""

import math
from typing import TYPE_CHECKING, Any

import numpy

from v6_fedavg_py.network import (
    MODELS,
    Numbers,
    Slope,
    Weights,
    parameters,
    shapes,
    slope_at,
)
from vantage6.tools.disclosure import Disclosure
from vantage6.tools.exceptions import InputError
from vantage6.tools.moments import complete_values, tell_moments
from vantage6.tools.sums import centred

if TYPE_CHECKING:
    from pandas import DataFrame


def RPC_fedavg_moments(  # noqa: N802
    data: "DataFrame", features: list[str], target: str, model: str
) -> dict[str, Any]:
    """Rows, means and sums of squares of features and target, to put all sites on one scale.

    Raises
    ------
    DisclosureRefused
        When there are too few rows, or a few of them are most of a sum.
    InputError
        When a column does not hold what the model needs.
    """
    disclosure = Disclosure.at_this_site()
    columns = [*features, target]
    values = complete_values(data, columns, disclosure)
    _check_target(model, values[:, -1], target, disclosure)
    return tell_moments(values, columns, disclosure)


def RPC_fedavg_round(  # noqa: N802
    data: "DataFrame",
    features: list[str],
    target: str,
    model: str,
    hidden: list[int],
    weights: list[Any],
    mean: list[float],
    scale: list[float],
    learning_rate: float,
    local_epochs: int = 1,
) -> dict[str, Any]:
    """Take steps down the gradient on the rows of this site, and tell how far they led.

    Parameters
    ----------
    data : DataFrame
        Rows that lack a value in one of the columns are left out.
    features, target : list of str, str
    model, hidden : str, list of int
        `linear` or `logistic`, and the widths of the hidden layers.
    weights : list
        For each layer a matrix and a vector, as lists.
    mean, scale : list of float
        For the features and the target: what is subtracted, and by what it is divided then.
    learning_rate : float
        Length of a step, as a share of the gradient.
    local_epochs : int
        How many steps, each on all rows.

    Returns
    -------
    dict
        `rows`; `loss`, the mean over them at the weights that were sent; `change`, by how much
        the steps changed each weight.

    Raises
    ------
    DisclosureRefused
        When there are too few rows, or too few for so many weights.
    InputError
        When the weights are not those of the model, or the steps lead out of all numbers.
    """
    disclosure = Disclosure.at_this_site()
    _check_steps(model, learning_rate, local_epochs)
    columns = [*features, target]
    values = complete_values(data, columns, disclosure)
    _check_target(model, values[:, -1], target, disclosure)
    disclosure.require_parameters(parameters(len(features), hidden), len(values))
    tell_moments(values, columns, disclosure)
    before = read_weights(weights, len(features), hidden)
    widths = read_scale(scale, columns)
    if not (widths > 0).all():
        raise InputError("Columns are divided by a scale above 0")
    scaled = (values - read_scale(mean, columns)) / widths
    losses = []
    after = before
    # Numbers that grow beyond all bounds are told in words, by `diverged`.
    with numpy.errstate(over="ignore", invalid="ignore"):
        for _ in range(local_epochs):
            slope = slope_at(model, after, scaled[:, :-1], scaled[:, -1])
            check_slope(slope, learning_rate, disclosure)
            losses.append(slope.loss)
            after = [
                part - learning_rate * steep
                for part, steep in zip(after, slope.gradient, strict=True)
            ]
        change = [new - old for new, old in zip(after, before, strict=True)]
        length = math.sqrt(sum(float((part**2).sum()) for part in change))
    if not math.isfinite(length):
        raise diverged(learning_rate)
    told = protect(change, length, disclosure)
    return {"rows": len(values), "loss": losses[0], "change": [part.tolist() for part in told]}


def check_slope(slope: Slope, learning_rate: float, disclosure: Disclosure) -> None:
    """Raise an error where a step would lead out of all numbers, or along a few rows.

    Weights can be chosen so that a unit stands still for all rows but one, whose values would
    then be the gradient; or so that it is certain of all rows, those on this side of a bound and
    those beyond: where the bound is moved past one row, the gradients differ by that row.
    """
    finite = (bool(numpy.isfinite(part).all()) for part in slope.gradient)
    if not (math.isfinite(slope.loss) and all(finite)):
        raise diverged(learning_rate)
    for turns in slope.turns:
        for unit in turns.T:
            disclosure.require_no_dominance(
                unit,
                "what a unit tells apart; a model that draws a line between rows has had enough"
                " rounds",
            )
    for inputs in slope.inputs:
        disclosure.require_no_leverage(centred(inputs), "the inputs of a layer")
    for shares in slope.shares:
        for unit in shares.T:
            disclosure.require_no_dominance(
                unit, "a gradient; a model that fits all rows but a few has had enough rounds"
            )


def diverged(learning_rate: float) -> InputError:
    """The error of a training that leads out of all numbers."""
    return InputError(
        "The training diverged: its numbers are no longer finite; take a learning_rate "
        f"below {learning_rate:g}"
    )


def protect(change: Weights, length: float, disclosure: Disclosure) -> Weights:
    """Shorten a change of some length, and put noise on it, as the data owner says.

    The noise is drawn anew at each call, from the operating system: what a seed decides could be
    subtracted again.
    """
    longest = disclosure.thresholds.largest_update
    noise = disclosure.thresholds.update_noise
    if longest and length > longest:
        change = [part * (longest / length) for part in change]
    if noise:
        generator = numpy.random.default_rng()
        change = [part + generator.normal(0, noise, part.shape) for part in change]
    return change


def read_weights(weights: list[Any], features: int, hidden: list[int]) -> Weights:
    """The weights in an input.

    Raises
    ------
    InputError
        When they are not finite numbers in the shapes of such a network.
    """
    try:
        read = [numpy.array(part, dtype=float) for part in weights]
    except (TypeError, ValueError):
        read = []
    if [part.shape for part in read] != shapes(features, hidden) or not all(
        numpy.isfinite(part).all() for part in read
    ):
        raise InputError("The weights are not finite numbers in the shapes of this model")
    return read


def read_scale(numbers: list[float], columns: list[str]) -> Numbers:
    """A mean or a scale in an input.

    Raises
    ------
    InputError
        When it is not a finite number for each column.
    """
    read = numpy.array(numbers, dtype=float)
    if read.shape != (len(columns),) or not numpy.isfinite(read).all():
        raise InputError("Mean and scale are a finite number for each feature and the target")
    return read


def _check_target(model: str, values: Numbers, target: str, disclosure: Disclosure) -> None:
    if model == "logistic":
        cases = int((values == 1).sum())
        controls = int((values == 0).sum())
        if cases + controls < len(values):
            raise InputError(f"The column {target!r} holds something else than 0 and 1")
        disclosure.require_cells([cases, controls], f"rows with one value of {target!r}")


def _check_steps(model: str, learning_rate: float, local_epochs: int) -> None:
    if model not in MODELS:
        raise InputError(f"There is no model {model!r}; there are {' and '.join(MODELS)}")
    if not (isinstance(learning_rate, int | float) and 0 < learning_rate < math.inf):
        raise InputError("The learning rate is a number above 0")
    if not isinstance(local_epochs, int) or isinstance(local_epochs, bool) or local_epochs < 1:
        raise InputError("The number of local epochs is a whole number from 1")
