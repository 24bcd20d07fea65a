"""Federations in memory: their organizations, their databases, and what is said of bad ones."""

import os
import sqlite3
from contextlib import closing
from datetime import timedelta

import pandas
import pytest

from vantage6.common.exceptions import BadRequest, TaskFailed
from vantage6.tools.mock_client import ClientMockProtocol, MockAlgorithmClient


def total(data):
    return int(data["x"].sum())


def spoil(data):
    data["x"] = 0
    return len(data)


def look(data):
    names = ("DATABASE_URI", "LABS_DATABASE_URI", "USER_REQUESTED_DATABASE_LABEL", "DB_LABELS")
    return {name: os.environ.get(name) for name in names}


def fail(data):
    raise KeyError("no such thing")


@pytest.fixture
def module(algorithm):
    return algorithm(RPC_total=total, RPC_spoil=spoil, RPC_look=look, RPC_fail=fail)


@pytest.fixture
def file(tmp_path):
    """Write a CSV file with one column."""

    def write(name, *values):
        pandas.DataFrame({"x": values}).to_csv(tmp_path / name, index=False)
        return tmp_path / name

    return write


def table(*values):
    return pandas.DataFrame({"x": values})


def test_a_data_set_may_be_given_in_many_ways(module, file, tmp_path):
    table(4).to_parquet(tmp_path / "four.parquet")
    datasets = [
        table(1),
        file("two.csv", 2),
        {"database": str(file("three.csv", 3)), "db_type": "csv", "input_data": {}},
        [{"database": tmp_path / "four.parquet"}],
        [{"database": table(5)}, table(100)],
    ]
    client = MockAlgorithmClient(datasets, module)
    assert list(client.ask("total").values()) == [1, 2, 3, 4, 5]


def test_ids_count_from_one_in_the_newer_mock_and_from_zero_in_the_classic_one(module):
    newer = MockAlgorithmClient([table(1), table(2)], module)
    classic = ClientMockProtocol([table(1), table(2)], module)
    assert newer.ask("total") == {1: 1, 2: 2}
    assert classic.ask("total") == {0: 1, 1: 2}
    assert (newer.tasks[0]["id"], classic.tasks[0]["id"]) == (1, 0)


def test_ids_and_names_may_be_chosen(module):
    client = MockAlgorithmClient(
        [table(1), table(2)],
        module,
        collaboration_id=7,
        organization_ids=[20, 30],
        node_ids=[5, 6],
        organization_names=["north", "south"],
    )
    assert [one["name"] for one in client.organization.list()] == ["north", "south"]
    assert (client.collaboration_id, client.organization_id, client.host_node_id) == (7, 20, 5)
    assert client.collaboration.get()["id"] == 7
    assert client.ask("total", organizations=[30]) == {30: 2}


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ({"organization_ids": [1]}, "2 data sets, so organization_ids"),
        ({"organization_ids": [1, 1]}, "different values"),
        ({"node_ids": [1, 2, 3]}, "node_ids"),
        ({"organization_names": ["north", "north"]}, "organization_names"),
    ],
)
def test_ids_and_names_have_to_fit(module, choice, reason):
    with pytest.raises(ValueError, match=reason):
        MockAlgorithmClient([table(1), table(2)], module, **choice)


@pytest.mark.parametrize(
    ("datasets", "reason"),
    [
        ([], "at least one data set"),
        ([[]], "at least one database"),
        ([{"path": "x.csv"}], "the key 'database'"),
        ([[{"database": "a", "label": "x"}, {"database": "b", "label": "x"}]], "label 'x'"),
    ],
)
def test_data_sets_have_to_be_ones(module, datasets, reason):
    with pytest.raises(ValueError, match=reason):
        MockAlgorithmClient(datasets, module)


def test_a_database_is_read_by_its_kind_and_with_what_its_reader_needs(
    module, tmp_path, monkeypatch
):
    monkeypatch.setenv("DISCLOSURE_OWN_QUERIES", "true")
    path = tmp_path / "patients"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE patients (x INTEGER)")
        connection.execute("INSERT INTO patients VALUES (2), (40)")
        connection.commit()
    query = "SELECT x FROM patients WHERE x < 10"
    database = {"database": f"sqlite:///{path}", "db_type": "sql", "query": query}
    assert MockAlgorithmClient([database], module).ask("total") == {1: 2}


def test_the_database_of_the_task_is_the_one_that_is_read(module):
    client = MockAlgorithmClient([[table(1), {"database": table(2), "label": "labs"}]], module)

    def ask(database):
        task = client.post_task(
            "t", "mock", 1, {"method": "total"}, organization_ids=[1], database=database
        )
        return client.wait_for_results(task["id"])

    assert (ask("default"), ask("labs")) == ([1], [2])
    # as documented: where there is none of that label, the default is used
    assert ask("else") == [1]


def test_other_databases_are_found_by_their_variables(module, file, monkeypatch):
    monkeypatch.setenv("DB_LABELS", "as before")
    main, labs = file("main.csv", 1), file("labs.csv", 2)
    client = MockAlgorithmClient([[main, {"database": labs, "label": "labs"}]], module)
    assert client.ask("look")[1] == {
        "DATABASE_URI": str(main),
        "LABS_DATABASE_URI": str(labs),
        "USER_REQUESTED_DATABASE_LABEL": "default",
        "DB_LABELS": "default,labs",
    }
    assert os.environ["DB_LABELS"] == "as before"
    assert "LABS_DATABASE_URI" not in os.environ


def test_what_a_function_does_to_its_data_stays_with_it(module):
    mine = table(1, 2)
    client = MockAlgorithmClient([mine], module)
    assert client.ask("spoil") == {1: 2}
    assert client.ask("total") == {1: 3}
    assert mine["x"].tolist() == [1, 2]


def test_enough_answers_are_enough_and_the_others_are_late(module):
    client = MockAlgorithmClient([table(1), table(2), table(3)], module)
    assert client.ask("total", quorum=2) == {1: 1, 2: 2}
    asked = client.ask("total", quorum=2, allow_failures=True)
    assert asked.answers == {1: 1, 2: 2}
    assert (asked.failures[3].status, "late" in asked.failures[3].reason) == ("late", True)


def test_who_is_offline_is_missing_at_the_deadline(module):
    client = MockAlgorithmClient([table(1), table(2)], module, offline=[2])
    asked = client.ask("total", deadline=timedelta(hours=1), allow_failures=True)
    assert asked.answers == {1: 1}
    assert "no answer" in asked.failures[2].reason
    with pytest.raises(TaskFailed, match="1 of the 2 answers it needs came in time"):
        client.ask("total", deadline=timedelta(hours=1))
    assert client.ask("total", quorum=1) == {1: 1}


def test_a_mock_waits_for_nobody_for_ever(module):
    client = MockAlgorithmClient([table(1), table(2)], module, offline=[2])
    with pytest.raises(BadRequest, match="for ever"):
        client.ask("total")


def test_too_many_failures_settle_a_task_as_failed(module):
    client = MockAlgorithmClient([table(1), table(2)], module, raise_errors=False)
    with pytest.raises(TaskFailed, match="0 of the 1 answers it needs"):
        client.ask("fail", quorum=1)
    with pytest.raises(BadRequest, match="cannot come from 2"):
        client.ask("total", quorum=3)


@pytest.mark.parametrize("mock", [ClientMockProtocol, MockAlgorithmClient])
def test_an_error_comes_out_with_its_traceback_or_as_a_failed_run(module, mock):
    with pytest.raises(KeyError, match="no such thing"):
        mock([table(1)], module).ask("fail")
    with pytest.raises(TaskFailed, match="no such thing"):
        mock([table(1)], module, raise_errors=False).ask("fail")


def test_the_name_of_the_distribution_will_do():
    assert ClientMockProtocol([table(1)], "v6-average-py").lib.__name__ == "v6_average_py"


def test_classic_attributes_are_there(module, file):
    client = ClientMockProtocol([str(file("a.csv", 1)), table(2)], module)
    assert client.n == 2
    assert [len(data) for data in client.datasets] == [1, 1]
    assert client.get_organizations_in_my_collaboration()[1]["domain"] == "mock-1.org"
    assert client.tasks == []
