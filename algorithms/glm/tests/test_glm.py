"""Federated regression takes sites as they are, and says in a sentence what it cannot take."""

import json

import numpy
import pandas
import pytest
from v6_glm_py import RPC_glm_sums, RPC_glm_survey

from development.cohorts import breast_cancer, cut, gbsg2
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.inference import NoMaximum

RADIUS = ["mean radius", "mean texture"]


def table(size=60, seed=1):
    random = numpy.random.default_rng(seed)
    frame = pandas.DataFrame(random.normal(size=(size, 2)), columns=["x", "z"])
    frame["y"] = frame["x"] + random.normal(size=size)
    frame["sick"] = (frame["y"] > 0).astype(int)
    frame["stage"] = random.choice(["I", "II", "III"], size)
    return frame


def test_the_answer_is_plain_json_with_a_record_for_each_term(fit):
    answer = fit(cut(breast_cancer(), 3), outcome="target", predictors=RADIUS, family="binomial")
    assert json.loads(json.dumps(answer, allow_nan=False)) == answer
    frame = pandas.DataFrame(answer["coefficients"])
    assert list(frame["term"]) == ["intercept", *RADIUS]
    assert frame["odds_ratio"].tolist() == pytest.approx(numpy.exp(frame["coefficient"]).tolist())
    assert [site["rows"] for site in answer["organizations"]] == [316, 190, 63]
    assert answer["converged"]


def test_a_model_over_chosen_organizations_leaves_the_others_alone(fit):
    sites = [table(seed=1), table(seed=2), pandas.DataFrame({"other": [1]})]
    answer = fit(sites, outcome="y", predictors=["x"], organizations=[0, 1])
    assert [site["organization"] for site in answer["organizations"]] == [0, 1]


def test_rows_with_missing_values_are_left_out_and_counted_unless_they_are_few(fit):
    sites = [table(seed=1), table(seed=2)]
    sites[0].loc[:9, "x"] = None
    sites[1].loc[:1, "x"] = None
    answer = fit(sites, outcome="y", predictors=["x"])
    told = [(site["rows"], site["missing"]) for site in answer["organizations"]]
    assert told == [(50, 10), (58, None)]


def test_a_site_that_lacks_a_level_takes_part(fit):
    sites = [table(seed=1), table(seed=2)]
    sites[1] = sites[1][sites[1]["stage"] != "III"]
    answer = fit(sites, outcome="y", predictors=["stage"])
    whole = fit([pandas.concat(sites)], outcome="y", predictors=["stage"])
    for ours, theirs in zip(answer["coefficients"], whole["coefficients"], strict=True):
        assert ours == pytest.approx(theirs)


def test_a_site_where_the_outcome_has_one_class_takes_part(fit):
    sites = [table(seed=1), table(seed=2)]
    sites[1]["sick"] = 0
    answer = fit(sites, outcome="sick", predictors=["x"], family="binomial")
    whole = fit([pandas.concat(sites)], outcome="sick", predictors=["x"], family="binomial")
    assert answer["deviance"] == pytest.approx(whole["deviance"])


def test_levels_are_compared_with_the_first_that_the_researcher_names(fit):
    answer = fit([table()], outcome="y", predictors=["stage"], levels={"stage": ["III", "I", "II"]})
    assert [record["term"] for record in answer["coefficients"]][1:] == ["stage[I]", "stage[II]"]
    assert answer["reference"] == {"stage": "III"}


def test_numbers_are_a_category_where_the_researcher_says_so(fit):
    sites = [table(seed=1), table(seed=2)]
    # One site read whole numbers with a point, as pandas does beside missing values.
    for site, kind in zip(sites, (int, float), strict=True):
        site["ward"] = (numpy.arange(len(site)) % 3).astype(kind)
    answer = fit(sites, outcome="y", predictors=["ward"], categorical=["ward"])
    assert [record["term"] for record in answer["coefficients"]][1:] == ["ward[1]", "ward[2]"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ({"family": "gamma"}, "There is no family 'gamma'; there are gaussian"),
        ({"link": "log"}, "has the links identity"),
        ({"exposure": "z"}, "An exposure needs the link log"),
        ({"confidence": 95}, "such as 0.95"),
        ({"levels": {"stage": ["I"]}}, "'stage' is named as a category and is not among"),
        ({"predictors": ["height"]}, "There is no column 'height'"),
        ({"predictors": ["x", "x"]}, "The column 'x' is named twice"),
        ({"predictors": ["x", "y"]}, "The column 'y' is named twice"),
        ({"outcome": "stage"}, "The column 'stage' does not hold numbers"),
        ({"outcome": "y", "family": "binomial"}, "'y' holds other values than 0 and 1"),
        ({"outcome": "y", "family": "poisson"}, "'y' holds counts below 0"),
        ({"weights": "z"}, "'z' holds values that are not above 0"),
        ({"predictors": ["stage"], "levels": {"stage": ["I", "II"]}}, "lack some .*: III"),
        (
            {"predictors": ["stage"], "levels": {"stage": ["I", "II", "III", "IV"]}},
            "No organization has rows with the level 'IV' of 'stage'",
        ),
    ],
)
def test_a_question_that_makes_no_sense_is_one_sentence(fit, asked, reason):
    with pytest.raises(Exception, match=reason):
        fit([table()], **{"outcome": "y", "predictors": ["x"], **asked})


def test_a_name_that_means_different_things_at_two_sites(fit):
    sites = [table(seed=1), table(seed=2)]
    sites[1]["x"] = sites[1]["stage"]
    with pytest.raises(ValueError, match="holds text at organization 1 and numbers elsewhere"):
        fit(sites, outcome="y", predictors=["x"])


@pytest.mark.parametrize(
    ("column", "reason"),
    [
        (lambda frame: 2 * frame["x"] - frame["z"], "One of the terms 'x', 'z', 'new' follows"),
        (lambda frame: 5.1, "'new' has one value only"),
        (lambda frame: "one", "'new' has one level only"),
    ],
    ids=["collinear", "constant", "one level"],
)
def test_a_column_that_adds_nothing_is_named(fit, column, reason):
    sites = [table(seed=1), table(seed=2)]
    for site in sites:
        site["new"] = column(site)
    with pytest.raises(ValueError, match=reason):
        fit(sites, outcome="y", predictors=["x", "z", "new"])


def test_perfect_separation_by_a_number_is_an_error(fit):
    sites = [table(seed=1), table(seed=2)]
    for site in sites:
        site["sick"] = (site["x"] > 0).astype(int)
    with pytest.raises(NoMaximum, match=r"separates|nearly perfectly"):
        fit(sites, outcome="sick", predictors=["x"], family="binomial")


def test_a_group_without_a_single_event_is_an_error(fit):
    sites = [table(200, seed=1), table(200, seed=2)]
    for site in sites:
        site.loc[site["stage"] == "III", "sick"] = 0
    with pytest.raises(NoMaximum, match=r"'stage\[III\]' grows without end"):
        fit(sites, outcome="sick", predictors=["x", "stage"], family="binomial")


def test_a_perfect_fit_is_an_error(fit):
    sites = [table().assign(copy=lambda frame: 3 * frame["y"])]
    with pytest.raises(NoMaximum, match="tell the outcome exactly"):
        fit(sites, outcome="y", predictors=["copy"])


@pytest.mark.parametrize("family", ["gaussian", "binomial", "poisson"])
def test_an_outcome_with_one_value_is_an_error(fit, family):
    with pytest.raises(ValueError, match=r"one value only|exactly"):
        fit([table().assign(y=0)], outcome="y", predictors=["x"], family=family)


def test_it_stops_after_the_rounds_it_may_take(fit):
    with pytest.raises(NoMaximum, match="not converged after 2 iterations"):
        fit([table()], outcome="sick", predictors=["x"], family="binomial", max_iterations=2)


def test_a_count_with_a_wild_predictor_is_reached_by_shorter_steps(fit):
    random = numpy.random.default_rng(3)
    frame = pandas.DataFrame({"x": random.exponential(size=400) ** 2})
    frame["y"] = random.poisson(numpy.exp(0.1 + 0.15 * frame["x"]))
    answer = fit(cut(frame, 3), outcome="y", predictors="x", family="poisson")
    assert answer["coefficients"][1]["coefficient"] == pytest.approx(0.15, abs=0.02)


def test_an_organization_that_refuses_is_named_with_the_reason(fit):
    with pytest.raises(TaskFailed, match=r"organization 1.*fewer than 3 usable rows"):
        fit([table(), table(1)], raise_errors=False, outcome="y", predictors=["x"])


def test_values_of_people_are_never_part_of_an_error(fit):
    sites = [gbsg2().assign(name=lambda frame: [f"person {number}" for number in frame.index])]
    with pytest.raises(TaskFailed) as refusal:
        fit(sites, raise_errors=False, outcome="cens", predictors=["name"], family="binomial")
    assert "more than 40 levels of 'name'" in str(refusal.value)
    assert "person" not in str(refusal.value)


def test_federated_functions_can_be_asked_alone():
    frame = table()
    model = {"outcome": "y", "predictors": ["x"], "family": "gaussian", "link": "identity"}
    told = RPC_glm_survey(frame, model)
    design = {
        "terms": [{"column": "x", "level": None, "center": 0.0, "scale": 1.0}],
        "levels": {},
    }
    sums = RPC_glm_sums(frame, model, design, [0.0, 0.0])
    assert told["rows"] == 60
    assert sums["score"] == pytest.approx([frame["y"].sum(), (frame["x"] * frame["y"]).sum()])
