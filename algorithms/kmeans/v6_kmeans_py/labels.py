"""Which centre is the nearest one."""

from typing import TYPE_CHECKING, Any

import numpy
from numpy.typing import NDArray

if TYPE_CHECKING:
    from pandas import DataFrame, Series

Numbers = NDArray[numpy.float64]


def distances(points: Numbers, centres: Numbers) -> Numbers:
    """Squared distance of each point from each centre: an array of points x centres."""
    # One centre at a time: all at once would need memory for every pair and column.
    return numpy.stack([((points - centre) ** 2).sum(axis=1) for centre in centres], axis=1)


def assign(frame: "DataFrame", answer: dict[str, Any]) -> "Series":
    """The cluster of each row, for whoever has the rows.

    Parameters
    ----------
    frame : DataFrame
        Rows with the columns of the clustering.
    answer : dict
        What `kmeans` answered.

    Returns
    -------
    Series of Int64
        Numbers of centres, with the index of the frame; missing where a value is.
    """
    import pandas

    columns = answer["columns"]
    complete = frame[columns].dropna()
    mean, scale = (numpy.array(answer[name]) for name in ("mean", "scale"))
    centres = numpy.array([[centre[name] for name in columns] for centre in answer["centres"]])
    scaled = (complete.to_numpy(dtype=float) - mean) / scale
    nearest = distances(scaled, (centres - mean) / scale).argmin(axis=1)
    labels = pandas.Series(nearest, index=complete.index, dtype="Int64", name="cluster")
    return labels.reindex(frame.index)
