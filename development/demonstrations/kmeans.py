"""Two kinds of biopsies, found without their diagnosis."""

from typing import Any

import pandas
from sklearn.cluster import KMeans

from development.accuracy import peer
from development.cohorts import breast_cancer
from development.demonstrations import Demonstration, Figures

COLUMNS = ["mean radius", "mean texture", "mean smoothness"]
#: First centres, in the units of the columns: a small and a large kind of cell.
FIRST = [[12.0, 18.0, 0.09], [20.0, 22.0, 0.11]]


def _federated(answer: Any) -> Figures:
    figures = {"inertia": answer["inertia"]}
    for centre in answer["centres"]:
        number = centre["cluster"] + 1
        figures[f"rows of {number}"] = centre["rows"]
        figures |= {f"{column} of {number}": centre[column] for column in COLUMNS}
    return figures


def _pooled(frame: pandas.DataFrame) -> Figures:
    values = frame[COLUMNS].to_numpy(dtype=float)
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    with peer():
        model = KMeans(2, init=(FIRST - mean) / deviation, n_init=1, tol=0, algorithm="lloyd")
        model.fit((values - mean) / deviation)
    centres = model.cluster_centers_ * deviation + mean
    figures = {"inertia": float(model.inertia_)}
    for number, centre in enumerate(centres, start=1):
        figures[f"rows of {number}"] = int((model.labels_ == number - 1).sum())
        figures |= dict(zip((f"{column} of {number}" for column in COLUMNS), centre, strict=True))
    return figures


DEMONSTRATION = Demonstration(
    title="Breast cancer: two kinds of biopsies",
    data=breast_cancer,
    method="kmeans",
    kwargs={"columns": COLUMNS, "clusters": 2, "init": FIRST, "exact": True},
    federated=_federated,
    pooled=_pooled,
    peer="scikit-learn",
    tolerance=1e-6,
    # The rows themselves; without this it is groups of alike rows.
    node_config={"disclosure": {"cluster_sums": True}},
)
