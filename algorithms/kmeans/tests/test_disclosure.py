"""What a site tells of clusters is never about few rows, wherever somebody puts the centres."""

import itertools

import numpy
import pandas
import pytest
from v6_kmeans_py import RPC_kmeans_moments, RPC_kmeans_sums

from vantage6.tools.disclosure import DisclosureRefused
from vantage6.tools.exceptions import InputError


@pytest.fixture
def hospital():
    """Data of one site: 60 patients."""
    random = numpy.random.default_rng(5)
    return pandas.DataFrame({"age": random.normal(60, 9, 60), "dose": random.gamma(9, 2, 60)})


def sums(frame, *starts, columns=("age", "dose"), **kwargs):
    kwargs = {"mean": [0, 0], "scale": [1, 1], **kwargs}
    return RPC_kmeans_sums(frame, list(columns), [list(start) for start in starts], **kwargs)


def test_the_rows_themselves_are_not_clustered_by_default(hospital):
    with pytest.raises(DisclosureRefused, match="ask without exact=True"):
        sums(hospital, [[50, 10], [70, 30]], exact=True)


def test_no_centre_has_few_rows_however_many_there_are(hospital):
    (told,) = sums(hospital, hospital.to_numpy().tolist())
    assert all(rows == 0 or rows >= 3 for rows in told["rows"])


def test_answers_about_centres_moved_a_little_differ_by_nobody_or_by_a_group(hospital):
    """A line between two centres is pushed through the patients, to find who changes sides."""
    starts = [[[age, 0], [age + 2, 0]] for age in numpy.arange(30, 90, 0.25)]
    told = sums(hospital, *starts)
    moved = [abs(a["rows"][0] - b["rows"][0]) for a, b in itertools.pairwise(told)]
    assert max(moved) > 0
    assert all(rows == 0 or rows >= 3 for rows in moved)


def test_with_the_owners_leave_such_answers_tell_a_single_row(hospital, monkeypatch):
    """So that the test above is known to ask the right question."""
    monkeypatch.setenv("DISCLOSURE_CLUSTER_SUMS", "true")
    starts = [[[age, 0], [age + 2, 0]] for age in numpy.arange(50, 65, 0.25)]
    told = sums(hospital, *starts, exact=True)
    moved = [abs(a["rows"][0] - b["rows"][0]) for a, b in itertools.pairwise(told)]
    assert 1 in moved


def test_few_rows_near_a_centre_are_refused_even_with_the_owners_leave(hospital, monkeypatch):
    monkeypatch.setenv("DISCLOSURE_CLUSTER_SUMS", "true")
    border = hospital["age"].nlargest(3).iloc[1:].mean()
    few = [[border - 5, 18], [border + 5, 18]]
    with pytest.raises(DisclosureRefused, match="nearest to one of the centres"):
        sums(hospital, few, exact=True)
    told = sums(hospital, few, [[60, 18], [60, 19]], exact=True)
    assert told[0] is None
    assert min(told[1]["rows"]) >= 3


def test_the_order_of_columns_and_the_scale_make_no_other_groups(hospital):
    centres = hospital.to_numpy()
    (one,) = sums(hospital, centres.tolist())
    (other,) = sums(hospital, centres[:, ::-1].tolist(), columns=("dose", "age"))
    (scaled,) = sums(hospital, (centres / 7).tolist(), scale=[7, 7])
    assert one["rows"] == other["rows"] == scaled["rows"]


def test_a_patient_who_outweighs_all_others_is_not_in_a_mean(hospital):
    hospital.loc[3, "dose"] = 1e6
    for ask in (lambda: RPC_kmeans_moments(hospital, ["dose"]), lambda: sums(hospital, [[1, 1]])):
        with pytest.raises(DisclosureRefused, match="most of the sum"):
            ask()


def test_two_who_differ_from_all_others_are_not_in_a_mean(hospital):
    hospital["rare"] = [1, 1] + [0] * 58
    with pytest.raises(DisclosureRefused):
        RPC_kmeans_moments(hospital, ["rare"])


def test_a_single_row_that_is_left_out_would_be_the_difference_of_two_answers(hospital):
    hospital.loc[7, "dose"] = None
    with pytest.raises(DisclosureRefused, match="rows without a value"):
        RPC_kmeans_moments(hospital, ["age", "dose"])


@pytest.mark.parametrize(
    "kwargs",
    [
        {"mean": [0]},
        {"mean": [0, None]},
        {"scale": [1, float("inf")]},
        {"scale": [1, 0]},
        {"scale": [1, -1]},
        {"starts": [[[1, 2, 3]]]},
        {"starts": [[[float("nan"), 1]]]},
        {"starts": [[]]},
        {"starts": [["centre"]]},
    ],
)
def test_centres_that_are_no_points_are_refused(hospital, kwargs):
    usual = {"starts": [[[1, 2]]], "mean": [0, 0], "scale": [1, 1]}
    with pytest.raises(InputError, match=r"finite numbers|above 0"):
        RPC_kmeans_sums(hospital, ["age", "dose"], **{**usual, **kwargs})


def test_nothing_that_is_asked_changes_a_threshold(hospital):
    with pytest.raises(TypeError):
        sums(hospital, [[1, 1]], minimum_cell=1)
