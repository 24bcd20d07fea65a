"""A summary is that of all rows together, and its bounds hold."""

import math
import statistics

import numpy
import pandas
import pytest
import v6_summary_py
from v6_summary_py import RPC_summary_cells, RPC_summary_parts

from development.cohorts import breast_cancer, cut, doctor_visits, gbsg2, lung, rossi
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.exceptions import DisclosureRefused, InputError
from vantage6.tools.mock_client import ClientMockProtocol

SHARES = [0.0, 0.1, 0.25, 0.5, 0.75, 0.99, 1.0]
FIGURES = ["count", "missing", "mean", "variance", "standard_deviation"]


def summary(parts, columns, **keywords):
    client = ClientMockProtocol(parts, "v6_summary_py", raise_errors=False)
    kwargs = {"columns": columns, **keywords}
    input_ = {"method": "summary", "master": True, "kwargs": kwargs}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def pooled(frame, column):
    values = frame[column].astype(float)
    return [values.count(), values.isna().sum(), values.mean(), values.var(), values.std()]


COHORTS = {
    "whole numbers": (rossi, ["age", "prio", "week"]),
    "measures": (breast_cancer, ["mean radius", "area error", "target"]),
    "missing values": (lung, ["age", "ph.karno", "wt.loss", "meal.cal"]),
    "many rows": (doctor_visits, ["mdvis", "lpi", "disea"]),
}


@pytest.mark.parametrize("sites", [3, 10])
@pytest.mark.parametrize("cohort", COHORTS)
def test_figures_are_those_of_all_rows_together(cohort, sites, accuracy):
    load, columns = COHORTS[cohort]
    frame = load()
    answer = summary(cut(frame, sites), columns)
    assert [line["column"] for line in answer["numbers"]] == columns
    ours = [[line[figure] for figure in FIGURES] for line in answer["numbers"]]
    theirs = [pooled(frame, column) for column in columns]
    accuracy("summary", f"moments, {cohort}", "pandas", sites, ours, theirs)
    assert answer["rows"] == len(frame)
    assert sum(site["rows"] for site in answer["organizations"]) == len(frame)


@pytest.mark.parametrize("sites", [3, 10])
@pytest.mark.parametrize("cohort", COHORTS)
def test_quantiles_are_between_their_bounds(cohort, sites):
    load, columns = COHORTS[cohort]
    frame = load()
    answer = summary(cut(frame, sites), columns, quantiles=SHARES)
    assert len(answer["quantiles"]) == len(columns) * len(SHARES)
    for line in answer["quantiles"]:
        true = numpy.nanquantile(frame[line["column"]], line["quantile"])
        low = -math.inf if line["low"] is None else line["low"]
        high = math.inf if line["high"] is None else line["high"]
        assert low - 1e-12 <= true <= high + 1e-12, line
        assert low <= line["value"] <= high


def test_what_many_people_share_is_told_as_it_is():
    """Of ages in years each value is that of many; nothing better could be said."""
    frame = doctor_visits()
    answer = summary(cut(frame, 3), ["mdvis", "lncoins"], quantiles=[0.25, 0.5, 0.75])
    for line in answer["quantiles"]:
        true = frame[line["column"]].quantile(line["quantile"])
        assert line["low"] == pytest.approx(true, rel=1e-12)
        assert line["high"] == pytest.approx(true, rel=1e-12)


def test_the_bounds_of_a_measure_are_narrow_where_there_are_many_rows():
    frame = pandas.DataFrame({"x": numpy.random.default_rng(4).normal(100, 15, 30_000)})
    answer = summary(cut(frame, 3), ["x"], quantiles=[0.05, 0.5, 0.95])
    assert all(line["high"] - line["low"] < 0.5 for line in answer["quantiles"])


@pytest.mark.parametrize("sites", [3, 10])
def test_groups_are_summed_up_each_by_itself(sites, accuracy):
    frame = gbsg2()
    columns = ["age", "progrec", "tsize"]
    answer = summary(cut(frame, sites), columns, group="horTh")
    ours = [[line[figure] for figure in FIGURES] for line in answer["numbers"]]
    groups = [(column, label) for column in columns for label in ("no", "yes")]
    assert [(line["column"], line["group"]) for line in answer["numbers"]] == groups
    theirs = [pooled(frame[frame["horTh"] == label], column) for column, label in groups]
    accuracy("summary", "moments by group", "pandas", sites, ours, theirs)
    for line in answer["quantiles"]:
        rows = frame[frame["horTh"] == line["group"]]
        true = rows[line["column"]].quantile(line["quantile"])
        assert line["low"] - 1e-12 <= true <= (line["high"] or math.inf) + 1e-12


def test_levels_are_counted():
    frame = gbsg2()
    answer = summary(cut(frame, 3), ["tgrade", "cens"], categorical=["cens"])
    counts = {(line["column"], line["level"]): line["count"] for line in answer["levels"]}
    assert counts == {
        **{("tgrade", level): n for level, n in frame["tgrade"].value_counts().items()},
        **{("cens", str(level)): n for level, n in frame["cens"].value_counts().items()},
        ("tgrade", None): 0,
        ("cens", None): 0,
    }
    assert answer["numbers"] == []


def test_a_level_that_a_site_lacks_and_a_site_where_all_is_missing():
    parts = [
        pandas.DataFrame({"stage": ["I"] * 5 + ["II"] * 6}),
        pandas.DataFrame({"stage": ["III"] * 10}),
        pandas.DataFrame({"stage": [None] * 4}),
    ]
    answer = summary(parts, ["stage"])
    levels = [(line["level"], line["count"]) for line in answer["levels"]]
    assert levels == [("I", 5), ("II", 6), ("III", 10), (None, 4)]


def test_a_column_of_numbers_that_is_all_missing_at_a_site():
    parts = [pandas.DataFrame({"age": numpy.arange(20.0)}), pandas.DataFrame({"age": [None] * 9})]
    (line,) = summary(parts, ["age"])["numbers"]
    assert (line["count"], line["missing"], line["mean"]) == (20, 9, 9.5)


def test_a_column_that_is_all_missing_everywhere():
    answer = summary([pandas.DataFrame({"age": [None] * 9})] * 2, ["age"])
    (line,) = answer["numbers"]
    assert (line["count"], line["missing"], line["mean"], line["at_most"]) == (0, 18, None, None)
    assert answer["quantiles"] == []


@pytest.mark.parametrize("dtype", ["int64", "Int64", "float32", "Float64", "uint8"])
def test_every_kind_of_number_counts(dtype):
    column = pandas.Series([1, 2, 3, 4, 5, 6, 7, 7, 7], dtype=dtype)
    (line,) = summary([pandas.DataFrame({"x": column})], ["x"])["numbers"]
    assert line["mean"] == pytest.approx(42 / 9)


def test_true_and_false_have_a_mean():
    column = pandas.Series([True] * 4 + [False] * 6 + [None], dtype="boolean")
    (line,) = summary([pandas.DataFrame({"x": column})], ["x"])["numbers"]
    assert (line["mean"], line["missing"]) == (0.4, 1)


def test_digits_survive_a_large_mean(accuracy):
    """Sums of squares would lose all of the variance here."""
    frame = pandas.DataFrame({"x": 1e9 + numpy.random.default_rng(8).normal(0, 1e-3, 500)})
    (line,) = summary(cut(frame, 10), ["x"])["numbers"]
    exact = statistics.variance(frame["x"].tolist())
    accuracy("summary", "mean 1e9, sd 1e-3", "statistics", 10, [line["variance"] / exact], [1.0])
    assert line["mean"] == statistics.fmean(frame["x"])


def test_huge_values():
    frame = pandas.DataFrame({"x": numpy.linspace(-1e150, 1e150, 60)})
    answer = summary(cut(frame, 3), ["x"])
    assert answer["numbers"][0]["variance"] == pytest.approx(frame["x"].var(), rel=1e-12)
    too_large = pandas.DataFrame({"x": numpy.linspace(-1e200, 1e200, 60)})
    with pytest.raises(TaskFailed, match="too large"):
        summary([too_large], ["x"])


def test_organizations_can_be_chosen():
    parts = cut(rossi(), 3)
    answer = summary(parts, ["age"], organizations=[0, 2])
    assert answer["organizations"] == [
        {"organization": id_, "rows": len(parts[id_])} for id_ in (0, 2)
    ]
    together = pandas.concat([parts[0], parts[2]])
    assert answer["numbers"][0]["mean"] == pytest.approx(together["age"].mean(), rel=1e-12)


# What cannot be answered


@pytest.mark.parametrize(
    ("columns", "keywords", "reason"),
    [
        ([], {}, "Name the columns"),
        (["age", "age"], {}, "each of them once"),
        (["age"], {"group": "age"}, "cannot be summed up"),
        (["age"], {"categorical": ["sex"]}, "not among the columns"),
        (["age"], {"quantiles": [1.5]}, "from 0 to 1"),
        (["age"], {"quantiles": ["half"]}, "from 0 to 1"),
        (["height"], {}, "no column 'height'"),
        (["age"], {"group": "height"}, "no column 'height'"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_sentence(columns, keywords, reason):
    frame = pandas.DataFrame({"age": numpy.arange(20.0)})
    with pytest.raises((TaskFailed, ValueError), match=reason):
        summary([frame], columns, **keywords)


def test_a_column_that_is_absent_at_one_site_is_named_with_the_site():
    parts = [pandas.DataFrame({"age": numpy.arange(20.0)}), pandas.DataFrame({"height": [1.0] * 9})]
    with pytest.raises(TaskFailed, match=r"organization 1.*no column 'age'"):
        summary(parts, ["age"])


def test_numbers_here_and_texts_there():
    parts = [pandas.DataFrame({"x": [1, 2] * 10}), pandas.DataFrame({"x": ["1", "2"] * 10})]
    with pytest.raises(TaskFailed, match=r"numbers at organizations \[0\].*categorical"):
        summary(parts, ["x"])
    answer = summary(parts, ["x"], categorical=["x"])
    assert [line["count"] for line in answer["levels"]] == [20, 20, 0]


def test_infinite_numbers_are_refused():
    with pytest.raises(InputError, match="not finite"):
        RPC_summary_parts(pandas.DataFrame({"x": [1.0, math.inf] * 9}), ["x"])


# What would tell a person


PEOPLE = pandas.DataFrame(
    {
        "patient": range(60),
        "name": [f"person {number}" for number in range(60)],
        "age": [40.0 + number % 7 for number in range(60)],
        "sex": ["f"] * 58 + ["m"] * 2,
        "ward": ["a"] * 58 + [None] * 2,
        "income": [20.0] * 59 + [1e6],
        "ill": [1] * 59 + [0],
    }
)


@pytest.mark.parametrize(
    ("columns", "group", "reason"),
    [
        (["age"], "patient", "levels of 'patient'"),
        (["age"], "name", "levels of 'name'"),
        (["name"], None, "levels of 'name'"),
        (["age"], "sex", "group by 'sex'"),
        (["sex"], None, "level of 'sex'"),
        (["age"], "ward", "group by 'ward'"),
        (["income"], None, "most of the sum"),
        (["ill"], None, "one of the two values"),
    ],
    ids=[
        "by patient", "by name", "names", "two men", "who are the two men",
        "all but those without a ward", "the rich one", "the healthy one",
    ],
)  # fmt: skip
def test_a_question_about_single_people_is_refused(columns, group, reason):
    with pytest.raises(DisclosureRefused, match=reason) as refusal:
        RPC_summary_parts(PEOPLE, columns, group)
    assert not any(word in str(refusal.value) for word in ("person", "1000000", "'f'", "'m'"))


@pytest.mark.parametrize("group", ["patient", "name", "sex", "ward"])
def test_the_histogram_does_not_answer_either(group):
    """A researcher may call it without the first round."""
    label = str(PEOPLE[group].dropna().iloc[-1])
    question = {"column": "age", "group": label, "between": [[None, None]]}
    with pytest.raises(DisclosureRefused, match=f"{group!r}"):
        RPC_summary_cells(PEOPLE, [question], group)


@pytest.mark.parametrize("rows", [1, 2, 6])
def test_few_rows_have_no_mean_and_variance(rows):
    with pytest.raises(DisclosureRefused):
        RPC_summary_parts(PEOPLE.head(rows), ["age"])
    question = {"column": "age", "group": None, "between": [[None, None]]}
    if rows < 3:
        with pytest.raises(DisclosureRefused, match="fewer than 3"):
            RPC_summary_cells(PEOPLE.head(rows), [question])


def test_the_first_and_the_last_quantile_are_no_single_values():
    ages = pandas.DataFrame({"age": [17.0] + [50.0 + n / 7 for n in range(90)] + [103.0]})
    answer = summary([ages], ["age"], quantiles=[0, 1])
    for line, value in zip(answer["quantiles"], (17, 103), strict=True):
        assert line["low"] is None or line["low"] != value
        assert line["high"] is None or line["high"] != value
        width = (line["high"] or math.inf) - (line["low"] or -math.inf)
        assert width > 10, "nobody else is so near"
    (line,) = answer["numbers"]
    assert line["at_least"] < 17
    assert line["at_most"] is None or line["at_most"] > 103


def test_nothing_but_its_own_functions_can_be_called():
    callables = {name for name, value in vars(v6_summary_py).items() if callable(value)}
    assert callables == set(v6_summary_py.__all__)
