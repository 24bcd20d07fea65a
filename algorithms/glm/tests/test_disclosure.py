"""What somebody could ask of a site to learn about one person, and is not told."""

import numpy
import pandas
import pytest
from v6_glm_py import RPC_glm_sums, RPC_glm_survey

from vantage6.tools.exceptions import DisclosureRefused, InputError

MODEL = {"outcome": "y", "predictors": ["x"], "family": "gaussian", "link": "identity"}
LOGIT = {**MODEL, "outcome": "sick", "family": "binomial", "link": "logit"}
POISSON = {**MODEL, "outcome": "visits", "family": "poisson", "link": "log"}


def table(size=60, seed=1):
    random = numpy.random.default_rng(seed)
    frame = pandas.DataFrame(random.normal(size=(size, 2)), columns=["x", "z"])
    frame["y"] = frame["x"] + random.normal(size=size)
    frame["sick"] = numpy.arange(size) % 2
    frame["visits"] = random.poisson(2, size)
    frame["sex"] = numpy.arange(size) // 2 % 2
    return frame


def design(*columns, center=0.0, scale=1.0):
    terms = [
        {"column": column, "level": None, "center": center, "scale": scale} for column in columns
    ]
    return {"terms": terms, "levels": {}}


def mark(rows, size=60):
    """A column that is 1 for the first rows only."""
    return (numpy.arange(size) < rows).astype(float)


@pytest.mark.parametrize("few", [1, 2, 58, 59])
@pytest.mark.parametrize("role", ["predictor", "outcome", "weights", "offset"])
def test_a_column_that_marks_one_or_two_people_has_no_role(few, role):
    frame = table().assign(mark=mark(few) + (role == "weights"))
    asked = {**MODEL, role: "mark"} if role != "predictor" else {**MODEL, "predictors": ["mark"]}
    with pytest.raises(DisclosureRefused):
        RPC_glm_survey(frame, asked)


@pytest.mark.parametrize("noise", [0, 1e-6])
@pytest.mark.parametrize("height", [1, 1e6])
def test_a_mark_is_not_hidden_by_noise_or_size(noise, height):
    random = numpy.random.default_rng(1)
    column = 1e6 + height * mark(1) + noise * random.normal(size=60)
    frame = table().assign(mark=column)
    with pytest.raises(DisclosureRefused):
        RPC_glm_survey(frame, {**MODEL, "predictors": ["mark"]})


def test_two_columns_that_together_mark_one_person_are_refused():
    frame = table()
    frame["twin"] = frame["x"] + 0.001 * mark(1)
    model = {**MODEL, "predictors": ["x", "twin"]}
    RPC_glm_survey(frame, model)
    with pytest.raises(DisclosureRefused, match="stands nearly alone in this model"):
        RPC_glm_sums(frame, model, design("x", "twin"), [0.0, 0.0, 0.0])


def test_two_categories_whose_groups_have_one_or_two_people_are_refused():
    frame = table()
    frame["smokes"] = (frame["sex"] == 0).astype(int)
    frame.loc[frame.index[frame["sex"] == 1][:2], "smokes"] = 1
    frame.loc[frame.index[frame["sex"] == 0][:9], "smokes"] = 0
    model = {**MODEL, "predictors": ["sex", "smokes"]}
    with pytest.raises(DisclosureRefused, match="a group of two categories is smaller than 3"):
        RPC_glm_sums(frame, model, design("sex", "smokes"), [0.0, 0.0, 0.0])


def test_a_group_in_which_one_or_two_are_sick_is_refused():
    frame = table()
    frame["sick"] = frame["sex"] * mark(8)
    frame.loc[frame.index[frame["sex"] == 0][:1], "sick"] = 1
    with pytest.raises(DisclosureRefused, match="a group of two categories"):
        RPC_glm_sums(frame, {**LOGIT, "predictors": ["sex"]}, design("sex"), [0.0, 0.0])


@pytest.mark.parametrize("sick", [1, 2, 58, 59])
def test_one_or_two_people_of_a_class_are_not_counted(sick):
    with pytest.raises(DisclosureRefused, match="'sick' is smaller than 3"):
        RPC_glm_survey(table().assign(sick=mark(sick)), LOGIT)


@pytest.mark.parametrize(
    ("model", "coefficients"),
    [(POISSON, [0.0, 200.0]), (LOGIT, [-2000.0, 1000.0]), (POISSON, [-1e5, 1e5])],
    ids=["a slope", "a narrow window", "beyond all numbers"],
)
def test_coefficients_that_lay_all_weight_on_one_person_get_no_sums(model, coefficients):
    told = RPC_glm_sums(table(), model, design("x"), coefficients)
    assert list(told) == ["withheld"]


def test_an_offset_does_not_lay_all_weight_on_one_person():
    frame = table().assign(away=lambda rows: 40 * rows["z"])
    told = RPC_glm_sums(frame, {**POISSON, "offset": "away"}, design("x"), [0.0, 0.0])
    assert list(told) == ["withheld"]


def test_more_parameters_than_a_third_of_the_rows_are_refused():
    frame = table(8)
    with pytest.raises(DisclosureRefused, match="3 parameters"):
        RPC_glm_sums(frame, {**MODEL, "predictors": ["x", "z"]}, design("x", "z"), [0.0] * 3)


def test_names_of_people_are_no_category():
    frame = table().assign(name=[f"person {number}" for number in range(60)])
    with pytest.raises(DisclosureRefused, match="levels of 'name'") as refusal:
        RPC_glm_survey(frame, {**MODEL, "predictors": ["name"]})
    assert "person" not in str(refusal.value)


def test_whether_a_level_exists_is_not_told_by_asking_for_it():
    """The refusal is the same for a name that is there and one that is not."""
    frame = table().assign(name=[f"person {number}" for number in range(60)])
    model = {**MODEL, "predictors": ["name"]}
    told = []
    for name in ("person 7", "nobody"):
        term = {"column": "name", "level": name, "center": 0.0, "scale": 1.0}
        asked = {"terms": [term], "levels": {"name": ["other", name]}}
        with pytest.raises(DisclosureRefused) as refusal:
            RPC_glm_sums(frame, model, asked, [0.0, 0.0])
        told.append(str(refusal.value))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "asked",
    [
        {"terms": [], "levels": {}},
        design("z"),
        design("x", scale=0.0),
        design("x", center=float("inf")),
        {"terms": [{"column": "x"}], "levels": {}},
        {"terms": [{"column": "x", "level": "1", "center": 0, "scale": 1}], "levels": {}},
    ],
    ids=[
        "empty",
        "other columns",
        "no scale",
        "no center",
        "half",
        "no category",
    ],
)
def test_a_design_that_was_not_agreed_is_refused(asked):
    with pytest.raises(InputError):
        RPC_glm_sums(table(), MODEL, asked, [0.0, 0.0])


@pytest.mark.parametrize("coefficients", [[0.0], [0.0, None], ["a", "b"], [[0.0], [0.0]], None])
def test_coefficients_that_are_none_are_refused(coefficients):
    with pytest.raises(InputError):
        RPC_glm_sums(table(), MODEL, design("x"), coefficients)


@pytest.mark.parametrize(
    "model", [{}, {**MODEL, "family": "gamma"}, {**MODEL, "link": "log"}, {**MODEL, "more": 1}]
)
def test_a_model_that_there_is_not_is_refused(model):
    with pytest.raises(InputError, match="This is no model"):
        RPC_glm_survey(table(), model)


def test_the_thresholds_are_those_of_the_data_owner(monkeypatch):
    monkeypatch.setenv("DISCLOSURE_MINIMUM_ROWS", "100")
    with pytest.raises(DisclosureRefused, match="fewer than 100"):
        RPC_glm_survey(table(), MODEL)
    with pytest.raises(DisclosureRefused, match="fewer than 100"):
        RPC_glm_sums(table(), MODEL, design("x"), [0.0, 0.0])


def test_the_largest_offset_is_not_told():
    """The sum of the exponentials of a column is that of its largest value."""
    frame = table().assign(age=lambda rows: (60 + 9 * rows["z"]).round())
    with pytest.raises(DisclosureRefused, match="expected"):
        RPC_glm_survey(frame, {**POISSON, "offset": "age"})


def test_an_outcome_is_not_told_by_a_weight():
    """Each column may be summed, but one row is most of the sum of the products."""
    frame = table().assign(y=0.1, weight=0.1)
    frame.loc[0, ["y", "weight"]] = 50.0
    frame.loc[1:9, "y"] = frame.loc[11:19, "weight"] = 20.0
    frame.loc[10, "y"] = 1.0
    frame.loc[20, "weight"] = 1.0
    with pytest.raises(DisclosureRefused, match="outcome"):
        RPC_glm_survey(frame, {**MODEL, "weights": "weight"})


@pytest.mark.parametrize(("center", "scale"), [(1e13, 1.0), (0.0, 1e-160), (0.0, 1e170)])
def test_a_far_center_or_an_odd_scale_hides_nobody(center, scale):
    frame = table()
    frame["twin"] = frame["x"] + 0.001 * mark(1)
    model = {**MODEL, "predictors": ["x", "twin"]}
    asked = design("x", "twin", center=center, scale=scale)
    try:
        told = RPC_glm_sums(frame, model, asked, [0.0, 0.0, 0.0])
    except DisclosureRefused:
        return
    # So far away the twins are the same to all digits that there are.
    score = numpy.array(told["score"]) * scale
    assert score[2] - score[1] == 0


def test_a_row_that_weighs_little_is_not_most_of_the_score():
    """Far out, the link cloglog lets residuals grow while weights vanish."""
    frame = table().assign(x=numpy.linspace(-1, 0.9, 60))
    frame.loc[59, ["x", "sick"]] = 1.2, 0
    model = {**LOGIT, "link": "cloglog"}
    told = RPC_glm_sums(frame, model, design("x"), [-6.0, 10.5])
    assert list(told) == ["withheld"]
