"""Use a trained model, wherever the answer is."""

from typing import TYPE_CHECKING, Any

import numpy

from v6_fedavg_py.network import output, probability
from vantage6.tools.exceptions import InputError

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def predict(frame: "DataFrame", answer: dict[str, Any]) -> "Series":
    """What a model predicts for rows.

    Parameters
    ----------
    frame : DataFrame
        Rows with the features of the model.
    answer : dict
        What `fedavg` answered.

    Returns
    -------
    Series of float
        The target in its own unit, or for a logistic model the probability of 1, with the index
        of the frame; missing where a feature is.

    Raises
    ------
    InputError
        When a feature is not there.
    """
    import pandas

    features = answer["features"]
    lacking = [name for name in features if name not in frame.columns]
    if lacking:
        raise InputError(f"There is no column {lacking[0]!r} in this table")
    weights = [
        numpy.array(layer[name]) for layer in answer["weights"] for name in ("weights", "bias")
    ]
    mean, scale = numpy.array(answer["mean"]), numpy.array(answer["scale"])
    values = (frame[features].to_numpy(dtype=float) - mean[:-1]) / scale[:-1]
    found = output(weights, values)
    is_logistic = answer["model"] == "logistic"
    found = probability(found) if is_logistic else found * scale[-1] + mean[-1]
    return pandas.Series(found, index=frame.index, name=answer["target"])
