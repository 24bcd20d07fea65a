"""Answers as tables of pandas."""

import subprocess
import sys

import pandas
import pytest

from vantage6.client.tables import as_frame, as_one_frame

RECORDS = [{"term": "age", "coefficient": 0.1}, {"term": "sex", "coefficient": -2.0}]
FRAME = pandas.DataFrame({"term": ["age", "sex"], "coefficient": [0.1, -2.0]})
ANSWERS = {
    "records": RECORDS,
    "columns": {"term": ["age", "sex"], "coefficient": [0.1, -2.0]},
    "a frame": FRAME,
    "the only table": {"coefficients": RECORDS, "iterations": 5, "converged": True, "notes": []},
    "the only frame": {"coefficients": FRAME, "iterations": 5},
    "the only columns": {"n": 7, "table": {"term": ["age", "sex"], "coefficient": [0.1, -2.0]}},
}


@pytest.mark.parametrize("name", ANSWERS)
def test_a_table_is_found(name):
    pandas.testing.assert_frame_equal(as_frame(ANSWERS[name]), FRAME)


def test_columns_by_index_are_a_table():
    frame = as_frame({"mean": {"age": 50.5, "bmi": 26.0}, "n": {"age": 10, "bmi": 9}})
    assert frame.loc["age", "mean"] == 50.5
    assert list(frame.columns) == ["mean", "n"]


def test_plain_values_are_one_row():
    assert as_frame({"average": 14.1, "count": 569}).to_dict("records") == [
        {"average": 14.1, "count": 569}
    ]


def test_no_records_are_an_empty_table():
    assert as_frame([]).empty


def test_a_series_is_a_table():
    assert as_frame(pandas.Series([1, 2], name="n")).shape == (2, 1)


def test_one_of_several_tables_is_named():
    answer = {"coefficients": RECORDS, "baseline": [{"time": 1, "hazard": 0.5}]}
    with pytest.raises(ValueError, match="name one as key: 'coefficients', 'baseline'"):
        as_frame(answer)
    assert list(as_frame(answer, "baseline").columns) == ["time", "hazard"]


@pytest.mark.parametrize("answer", [3.5, "text", None, {}, [1, 2], {"a": [1, 2], "b": [1]}])
def test_what_is_no_table_is_told(answer):
    with pytest.raises(ValueError, match="There is no table in this answer"):
        as_frame(answer)


@pytest.mark.parametrize("answer", [{"a": 1}, [1]])
def test_a_part_that_is_not_there_is_told(answer):
    with pytest.raises(ValueError, match="no part 'b'"):
        as_frame(answer, "b")


def test_tables_of_organizations_are_put_together():
    frame = as_one_frame({"north": RECORDS, "south": RECORDS[:1]})
    assert frame.index.names[0] == "organization"
    assert len(frame.loc["north"]) == 2
    assert frame.loc["south", "term"].tolist() == ["age"]


def test_the_client_is_imported_without_pandas():
    program = "import sys, vantage6.client; print('pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"
