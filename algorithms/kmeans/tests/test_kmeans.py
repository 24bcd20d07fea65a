"""Clusters over cut data are those of scikit-learn over all rows together."""

import json

import numpy
import pandas
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from v6_kmeans_py import assign

from development.accuracy import ITERATIVE, peer
from development.cohorts import breast_cancer, cut, diabetes, iris
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.disclosure import Disclosure, DisclosureRefused, Thresholds
from vantage6.tools.exceptions import InputError
from vantage6.tools.microaggregation import alike
from vantage6.tools.mock_client import ClientMockProtocol

COHORTS = {
    "iris": (iris, 3, slice(0, 4)),
    "breast_cancer": (breast_cancer, 2, slice(0, 10)),
    "diabetes": (diabetes, 4, ["age", "bmi", "bp", "s1", "s5"]),
}
every_cohort = pytest.mark.parametrize("cohort", COHORTS)
every_cut = pytest.mark.parametrize("sites", [3, 10])


@pytest.fixture
def cluster_sums(monkeypatch):
    """Data owners who let the rows themselves be clustered, however few are near a centre."""
    monkeypatch.setenv("DISCLOSURE_CLUSTER_SUMS", "true")
    monkeypatch.setenv("DISCLOSURE_MINIMUM_CELL", "1")
    monkeypatch.setenv("DISCLOSURE_PARAMETERS_PER_ROW", "1")


def load(cohort):
    frame, clusters, columns = COHORTS[cohort]
    table = frame()
    return table, clusters, list(table.columns[columns] if isinstance(columns, slice) else columns)


def ask(parts, columns, clusters, *, raise_errors=True, **kwargs):
    client = ClientMockProtocol(parts, "v6_kmeans_py", raise_errors=raise_errors)
    kwargs = {"columns": columns, "clusters": clusters, **kwargs}
    input_ = {"method": "kmeans", "master": True, "kwargs": kwargs}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def centres(answer, table="centres"):
    return numpy.array([[row[name] for name in answer["columns"]] for row in answer[table]])


def fitted(points, init, weights=None):
    with peer():
        model = KMeans(len(init), init=init, n_init=1, algorithm="lloyd", tol=0, max_iter=300)
        return model.fit(points, sample_weight=weights)


@every_cohort
@every_cut
@pytest.mark.parametrize("scale", [True, False])
def test_clusters_of_rows_are_those_of_all_rows_together(
    accuracy, cluster_sums, cohort, sites, scale
):
    frame, clusters, columns = load(cohort)
    values = frame[columns].to_numpy(dtype=float)
    width = values.std(axis=0) if scale else numpy.ones(len(columns))
    init = values.mean(axis=0) + numpy.linspace(-1, 1, clusters)[:, None] * values.std(axis=0)
    theirs = fitted(values / width, init / width)
    parts = cut(frame, sites)
    answer = ask(parts, columns, clusters, init=init.tolist(), exact=True, scale=scale)
    name = f"kmeans {cohort}{'' if scale else ', unscaled'}"
    found = theirs.cluster_centers_ * width
    accuracy(name, "centres", "scikit-learn", sites, centres(answer), found, ITERATIVE)
    accuracy(name, "inertia", "scikit-learn", sites, answer["inertia"], theirs.inertia_, ITERATIVE)
    assert answer["converged"]
    labels = assign(frame, answer)
    assert labels.tolist() == theirs.labels_.tolist()
    assert [row["rows"] for row in answer["centres"]] == numpy.bincount(theirs.labels_).tolist()


def groups_of(part, columns):
    """The means of the groups of a site, and their rows; how groups are made is tested apart."""
    values = part[sorted(columns)].to_numpy(dtype=float)
    found = alike(values, Disclosure(Thresholds()))
    means = [part[columns].to_numpy(dtype=float)[rows].mean(axis=0) for rows in found]
    return means, [len(rows) for rows in found]


@every_cohort
@every_cut
def test_clusters_of_groups_are_those_of_all_groups_together(accuracy, cohort, sites):
    frame, clusters, columns = load(cohort)
    if cohort == "iris":
        # Ten would leave five flowers to the smallest, which tells no variance then.
        sites = min(sites, 5)
    parts = cut(frame, sites)
    told = [groups_of(part, columns) for part in parts]
    points = numpy.concatenate([means for means, _ in told])
    weights = numpy.concatenate([sizes for _, sizes in told])
    values = frame[columns].to_numpy(dtype=float)
    width = values.std(axis=0)
    init = values.mean(axis=0) + numpy.linspace(-1, 1, clusters)[:, None] * width
    theirs = fitted(points / width, init / width, weights)
    answer = ask(parts, columns, clusters, init=init.tolist())
    name = f"kmeans {cohort}, groups"
    found = theirs.cluster_centers_ * width
    accuracy(name, "centres", "scikit-learn", sites, centres(answer), found, ITERATIVE)
    inertia = theirs.inertia_
    accuracy(name, "inertia", "scikit-learn", sites, answer["inertia"], inertia, ITERATIVE)


@pytest.mark.parametrize("cohort", ["iris", "breast_cancer"])
def test_without_first_centres_and_by_default_it_finds_what_scikit_learn_finds(cohort):
    frame, clusters, columns = load(cohort)
    answer = ask(cut(frame, 3), columns, clusters)
    values = frame[columns]
    with peer():
        best = KMeans(clusters, n_init=50, random_state=0).fit(
            (values - values.mean()) / values.std()
        )
    assert adjusted_rand_score(best.labels_, assign(frame, answer)) > 0.8
    assert answer["inertia"] == min(answer["restarts"])


def test_the_same_seed_gives_the_same_answer():
    parts = cut(iris(), 3)
    columns = list(iris().columns[:4])
    assert ask(parts, columns, 3, seed=4) == ask(parts, columns, 3, seed=4)


def clouds(seed=0, **more):
    """Three clouds far from each other, 60 rows each."""
    random = numpy.random.default_rng(seed)
    places = numpy.repeat([[10.0, 10.0], [20.0, 10.0], [10.0, 30.0]], 60, axis=0)
    points = places + random.normal(0, 0.5, places.shape)
    return pandas.DataFrame({"x": points[:, 0], "y": points[:, 1], **more})


@pytest.mark.parametrize("seed", range(5))
def test_clouds_are_found_from_any_seed(seed):
    answer = ask(cut(clouds(), 3), ["x", "y"], 3, seed=seed, restarts=3)
    assert sorted(row["rows"] for row in answer["centres"]) == [60, 60, 60]
    assert centres(answer, "spreads") == pytest.approx(0.5, rel=0.4)


def test_a_cloud_that_only_one_site_has_is_found():
    frame = clouds()
    answer = ask([frame[:70], frame[70:125], frame[125:]], ["x", "y"], 3)
    assert sorted(row["rows"] for row in answer["centres"])[0] >= 55


def test_a_centre_without_rows_is_put_elsewhere(cluster_sums):
    far = [[10, 10], [11, 10], [1e3, 1e3]]
    answer = ask(cut(clouds(), 3), ["x", "y"], 3, init=far, exact=True)
    assert answer["converged"]
    assert all(row["rows"] for row in answer["centres"])


def test_a_start_that_a_site_may_not_tell_all_of_is_left_out(monkeypatch):
    """One of the clouds is hardly there at one site: only starts that do not find it are told."""
    monkeypatch.setenv("DISCLOSURE_CLUSTER_SUMS", "true")
    frame = clouds()
    parts = [frame[:122], frame[122:]]
    with pytest.raises(DisclosureRefused, match="Few rows here are nearest"):
        ask(parts, ["x", "y"], 3, exact=True)
    answer = ask(parts, ["x", "y"], 2, exact=True, restarts=10)
    assert 0 < len(answer["restarts"]) <= 10
    assert answer["converged"]


def test_more_clusters_than_different_rows_leave_centres_alone():
    frame = pandas.DataFrame({"x": [1.0] * 30 + [5.0] * 30})
    answer = ask([frame], ["x"], 4)
    assert answer["inertia"] == pytest.approx(0, abs=1e-12)
    assert sum(row["rows"] for row in answer["centres"]) == 60


def test_a_run_that_is_cut_off_says_so(cluster_sums):
    frame, clusters, columns = load("diabetes")
    init = frame[columns].iloc[:clusters].to_numpy(dtype=float).tolist()
    answer = ask(cut(frame, 3), columns, clusters, init=init, exact=True, iterations=2)
    assert (answer["converged"], answer["iterations"]) == (False, 2)
    nearest = assign(frame, answer).value_counts().sort_index().tolist()
    assert [row["rows"] for row in answer["centres"]] == nearest


def test_rows_without_a_value_have_no_cluster():
    frame = clouds()
    frame.loc[:20, "y"] = None
    answer = ask(cut(frame, 3), ["x", "y"], 3)
    assert answer["rows"] == 159
    assert assign(frame, answer).isna().sum() == 21


@pytest.mark.parametrize(
    ("kwargs", "reason"),
    [
        ({"columns": ["x", "z"]}, "There is no column 'z'"),
        ({"columns": ["x", "x"]}, "named twice"),
        ({"columns": []}, "at least one column"),
        ({"columns": "x"}, "list of names"),
        ({"columns": ["x", "word"]}, "does not hold numbers"),
        ({"columns": ["x", "same"]}, "one value only"),
        ({"clusters": 0}, "whole number from 1"),
        ({"clusters": 1000}, "1000 clusters asked for, of 180 rows"),
        ({"restarts": 0}, "number of restarts"),
        ({"init": [[1, 2]]}, "3 points of 2 numbers"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(kwargs, reason):
    parts = cut(clouds(word="a", same=1.5), 3)
    with pytest.raises(InputError, match=reason):
        ask(parts, **{"columns": ["x", "y"], "clusters": 3, **kwargs})


def test_an_organization_that_may_not_tell_is_named():
    parts = [clouds(), clouds()[:2]]
    with pytest.raises(TaskFailed, match=r"organization 1.*fewer than 3 usable rows"):
        ask(parts, ["x", "y"], 3, raise_errors=False)
    assert ask(parts, ["x", "y"], 3, organizations=[0])["organizations"] == [
        {"organization": 0, "rows": 180}
    ]


def test_every_number_is_plain_json():
    assert json.dumps(ask(cut(clouds(), 3), ["x", "y"], 3), allow_nan=False)
