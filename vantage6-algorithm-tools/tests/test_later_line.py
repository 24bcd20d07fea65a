"""Algorithms in the form of the 4.x line run through the wrapper as they are."""

import json

import pandas
import pytest

from vantage6.algorithm.client import AlgorithmClient
from vantage6.algorithm.tools.decorators import algorithm_client, data
from vantage6.algorithm.tools.util import get_env_var
from vantage6.algorithm.tools.wrap import wrap_algorithm
from vantage6.common.client.container import ContainerClient
from vantage6.tools.dispatch import answer
from vantage6.tools.mock_client import ClientMockProtocol


@data(1)
@algorithm_client
def central(client, table, column):
    ids = [organization["id"] for organization in client.organization.list()]
    task = client.task.create(
        input_={"method": "partial", "kwargs": {"column": column}},
        organizations=ids,
        name="partials",
        description="of all",
    )
    parts = client.wait_for_results(task_id=task["id"])
    return {"sum": sum(part["sum"] for part in parts), "rows here": len(table)}


@data(1)
def partial(table, column):
    return {"sum": int(table[column].sum())}


@data(2)
def two(first, second):
    return len(first) + len(second)


def undecorated(table):
    raise AssertionError("this was not for anybody to call")


@pytest.fixture
def package(algorithm):
    return algorithm(central=central, partial=partial, two=two, undecorated=undecorated)


def test_a_federated_function_is_called_by_its_plain_name(run, package):
    run.set("PKG_NAME", package)
    run.ask(method="partial", kwargs={"column": "age"})
    wrap_algorithm()
    assert json.loads(run.output.read_bytes()[5:]) == {"sum": 150}


def test_a_central_function_gets_a_client_and_the_data_without_the_word_master(package):
    tables = [pandas.DataFrame({"age": ages}) for ages in ([1, 2], [3], [4])]
    client = ClientMockProtocol(tables, package)
    content = answer(
        b'json.{"method": "central", "args": ["age"]}',
        package,
        load_data=lambda _: tables[0],
        connect=lambda: client,
    )
    assert json.loads(content[5:]) == {"sum": 10, "rows here": 2}


def test_a_test_of_the_algorithm_hands_in_what_it_wants(package):
    table = pandas.DataFrame({"age": [1, 2]})
    assert partial(column="age", mock_data=[table]) == {"sum": 3}
    assert two(mock_data=[table, table]) == 4


@pytest.mark.parametrize(("method", "reason"), [("undecorated", "no function"), ("two", "2 data")])
def test_what_cannot_be_called_is_refused(run, package, capsys, method, reason):
    run.set("PKG_NAME", package)
    run.ask(method=method)
    with pytest.raises(SystemExit):
        wrap_algorithm()
    assert reason in capsys.readouterr().out


def test_an_image_that_names_no_algorithm_says_so(run, capsys):
    with pytest.raises(SystemExit, match="5"):
        wrap_algorithm()
    assert "PKG_NAME" in capsys.readouterr().out


def test_the_places_of_the_later_line_hold_what_they_should(run):
    run.set("A_VARIABLE", "a")
    assert AlgorithmClient is ContainerClient
    assert (get_env_var("A_VARIABLE"), get_env_var("ANOTHER", "b")) == ("a", "b")
