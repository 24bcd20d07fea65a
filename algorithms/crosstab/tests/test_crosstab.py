"""A federated contingency table is that of all rows together, and so are its tests."""

import numpy
import pandas
import pytest
import v6_crosstab_py
from scipy import stats
from statsmodels.stats.contingency_tables import StratifiedTable
from v6_crosstab_py import RPC_crosstab_counts

from development.accuracy import peer
from development.cohorts import cut, doctor_visits, gbsg2, lung, rossi
from vantage6.common.exceptions import TaskFailed
from vantage6.tools.exceptions import DisclosureRefused
from vantage6.tools.mock_client import ClientMockProtocol


def crosstab(parts, rows, columns, **keywords):
    client = ClientMockProtocol(parts, "v6_crosstab_py", raise_errors=False)
    kwargs = {"rows": rows, "columns": columns, **keywords}
    input_ = {"method": "crosstab", "master": True, "kwargs": kwargs}
    (answer,) = client.wait_for_results(client.create_new_task(input_, [0])["id"])
    return answer


def counts(answer, stratum=None):
    cells = pandas.DataFrame(answer["table"])
    if stratum is not None:
        cells = cells[cells["stratum"] == stratum]
    return cells.pivot_table("count", "row", "column").to_numpy()


TABLES = {
    "two by two": (gbsg2, "horTh", "menostat"),
    "two by two, weak": (gbsg2, "horTh", "cens"),
    "whole numbers": (rossi, "fin", "wexp"),
    "five by two": (doctor_visits, "lncoins", "idp"),
    "many rows": (doctor_visits, "hlthg", "hlthp"),
}


@pytest.mark.parametrize("sites", [3, 10])
@pytest.mark.parametrize("table", TABLES)
def test_the_table_and_its_tests_are_those_of_all_rows_together(table, sites, accuracy):
    load, rows, columns = TABLES[table]
    frame = load()
    answer = crosstab(cut(frame, sites), rows, columns)
    true = pandas.crosstab(frame[rows], frame[columns]).to_numpy()
    assert numpy.array_equal(counts(answer), true)
    (ours,) = answer["tests"]
    with peer():
        plain = stats.chi2_contingency(true, correction=False)
        corrected = stats.chi2_contingency(true, correction=True)
        cramer = stats.contingency.association(true, "cramer")
    expected = [cell["expected"] for cell in answer["table"]]
    accuracy("crosstab", f"expected, {table}", "scipy", sites, expected, plain[3].ravel())
    figures = [ours[name] for name in ("chi_square", "degrees_of_freedom", "p_value", "cramers_v")]
    theirs = [plain[0], plain[2], plain[1], cramer]
    accuracy("crosstab", f"chi-square, {table}", "scipy", sites, figures, theirs)
    if true.shape == (2, 2):
        exact = stats.fisher_exact(true)
        names = ("chi_square_yates", "p_value_yates", "odds_ratio", "p_value_fisher")
        theirs = [corrected[0], corrected[1], exact[0], exact[1]]
        accuracy(
            "crosstab", f"Yates, Fisher, {table}", "scipy", sites, [ours[n] for n in names], theirs
        )
    else:
        assert ours["p_value_fisher"] is ours["chi_square_yates"] is None


@pytest.mark.parametrize("sites", [3, 10])
def test_strata_have_a_table_each_and_a_test_together(sites, accuracy):
    frame = doctor_visits()
    frame["often"] = pandas.cut(
        frame["mdvis"], [-1, 0, 3, 100], labels=["never", "at times", "often"]
    )
    answer = crosstab(cut(frame, sites), "idp", "hlthg", strata="often")
    tables = []
    for stratum in ("at times", "never", "often"):
        rows = frame[frame["often"] == stratum]
        tables.append(pandas.crosstab(rows["idp"], rows["hlthg"]))
        assert numpy.array_equal(counts(answer, stratum), tables[-1].to_numpy())
    with peer():
        theirs = StratifiedTable([table.to_numpy() for table in tables])
        plain, corrected = theirs.test_null_odds(), theirs.test_null_odds(correction=True)
    names = (
        "odds_ratio", "chi_square", "p_value", "chi_square_corrected", "p_value_corrected"
    )  # fmt: skip
    accuracy(
        "crosstab",
        "Mantel-Haenszel",
        "statsmodels",
        sites,
        [answer["common"][name] for name in names],
        [
            theirs.oddsratio_pooled,
            plain.statistic,
            plain.pvalue,
            corrected.statistic,
            corrected.pvalue,
        ],
    )


def test_strata_that_are_not_two_by_two_have_no_test_together():
    answer = crosstab(cut(doctor_visits(), 3), "lncoins", "idp", strata="hlthg")
    assert answer["common"] is None
    assert [line["stratum"] for line in answer["tests"]] == ["0", "1"]


def people(**levels):
    """A table with so many people of each pair of levels."""
    pairs = [pair for pair, number in levels.items() for _ in range(number)]
    return pandas.DataFrame([pair.split("_") for pair in pairs], columns=["sex", "smoker"])


def test_a_level_that_a_site_lacks_is_one_that_nobody_there_has():
    parts = [people(f_no=5, f_yes=4, m_no=7, m_yes=3), people(f_no=9, f_former=6)]
    answer = crosstab(parts, "sex", "smoker")
    table = {(cell["row"], cell["column"]): cell["count"] for cell in answer["table"]}
    assert table == {
        ("f", "former"): 6, ("f", "no"): 14, ("f", "yes"): 4,
        ("m", "former"): 0, ("m", "no"): 7, ("m", "yes"): 3,
    }  # fmt: skip
    assert answer["tests"][0]["degrees_of_freedom"] == 2


def test_levels_are_the_same_however_a_site_read_them():
    """Whole numbers, numbers with a point since one is missing, nullable ones, texts."""
    levels = [1] * 9 + [2] * 9
    kinds = ["int64", "float64", "Int64", "str", "category"]
    parts = [
        pandas.DataFrame({"a": pandas.Series(levels).astype(kind), "b": [True, False, True] * 6})
        for kind in kinds
    ]
    parts[1]["b"] = parts[1]["b"].astype("boolean")
    parts[2]["b"] = parts[2]["b"].astype(object)
    answer = crosstab(parts, "a", "b")
    table = {(cell["row"], cell["column"]): cell["count"] for cell in answer["table"]}
    assert table == {("1", "False"): 15, ("1", "True"): 30, ("2", "False"): 15, ("2", "True"): 30}


def test_levels_that_are_numbers_are_in_the_order_of_numbers():
    frame = pandas.DataFrame({"a": [2, 10, 1] * 12, "b": ["x", "y"] * 18})
    assert [cell["row"] for cell in crosstab([frame], "a", "b")["table"][::2]] == ["1", "2", "10"]


def test_a_site_where_all_is_missing_takes_part_with_nobody():
    nobody = pandas.DataFrame({"sex": [None] * 5, "smoker": ["no"] * 5})
    answer = crosstab([people(f_no=5, m_yes=5), nobody], "sex", "smoker")
    assert (answer["rows"], answer["missing"]) == (15, 5)
    assert [site["rows"] for site in answer["organizations"]] == [10, 5]


def test_one_level_alone_has_nothing_to_test():
    answer = crosstab([people(f_no=5, f_yes=6)], "sex", "smoker")
    assert {**answer["tests"][0], "stratum": None} == dict.fromkeys(answer["tests"][0])


def test_nobody_anywhere_is_an_error():
    nobody = pandas.DataFrame({"sex": [None] * 5, "smoker": ["no"] * 5})
    with pytest.raises(TaskFailed, match="No organization has rows with both"):
        crosstab([nobody], "sex", "smoker")


def test_organizations_can_be_chosen():
    parts = [people(f_no=5, m_yes=5), people(f_no=9, m_yes=3), people(f_no=4, m_yes=4)]
    assert crosstab(parts, "sex", "smoker", organizations=[0, 2])["rows"] == 18


@pytest.mark.parametrize(
    ("rows", "columns", "strata", "reason"),
    [
        ("sex", "sex", None, "have to be different"),
        ("sex", "smoker", "smoker", "have to be different"),
        ("sex", "height", None, r"organization 0.*no column 'height'"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_sentence(rows, columns, strata, reason):
    with pytest.raises(TaskFailed, match=reason):
        crosstab([people(f_no=5, m_yes=5)], rows, columns, strata=strata)


# What would tell a person


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (people(f_no=50, f_yes=40, m_no=60, m_yes=1), "people by 'sex' and 'smoker'"),
        (people(f_no=1), "fewer than 3 usable rows"),
        (people(f_no=50, m_yes=50).assign(sex=[None] + ["f"] * 99), "that lack a value"),
        (people(f_no=60).assign(sex=[str(number) for number in range(60)]), "levels of 'sex'"),
        (people(f_no=60).assign(smoker=numpy.linspace(0, 1, 60)), "levels of 'smoker'"),
    ],
    ids=["a small cell", "one row", "all but one", "by patient", "a measure as a category"],
)
def test_a_table_about_single_people_is_refused_as_a_whole(frame, reason):
    with pytest.raises(DisclosureRefused, match=reason) as refusal:
        RPC_crosstab_counts(frame, "sex", "smoker")
    assert not any(f"{level!r}" in str(refusal.value) for level in ("f", "m", "yes", "7"))


def test_a_site_that_refuses_is_named_with_the_reason():
    parts = [people(f_no=9, m_yes=9), people(f_no=9, m_yes=2)]
    with pytest.raises(TaskFailed, match=r"organization 1.*smaller than 3"):
        crosstab(parts, "sex", "smoker")


def test_the_data_owner_decides_how_small(monkeypatch):
    frame = people(f_no=50, f_yes=40, m_no=60, m_yes=4)
    assert len(RPC_crosstab_counts(frame, "sex", "smoker")["counts"]) == 4
    monkeypatch.setenv("DISCLOSURE_MINIMUM_CELL", "5")
    with pytest.raises(DisclosureRefused, match="smaller than 5"):
        RPC_crosstab_counts(frame, "sex", "smoker")


def test_a_real_table_with_a_small_cell_is_refused():
    with pytest.raises(TaskFailed, match="smaller than 3"):
        crosstab(cut(lung(), 10), "ph.ecog", "sex")


def test_nothing_but_its_own_functions_can_be_called():
    callables = {name for name, value in vars(v6_crosstab_py).items() if callable(value)}
    assert callables == set(v6_crosstab_py.__all__)
