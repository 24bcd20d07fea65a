"""What algorithms may expect of their client: one suite, on the mock and against the server."""

from collections.abc import Iterator
from contextlib import ExitStack

import pandas
import pytest

from vantage6.client import ContainerClient
from vantage6.common.exceptions import (
    BadRequest,
    DeserializationException,
    ServerError,
    TaskFailed,
)
from vantage6.tools.mock_client import ClientMockProtocol

COLUMNS = ([1, 2], [3, 4, 5], [6])


def total(data, factor=1):
    return {"total": data["x"].sum() * factor, "rows": len(data)}


def refuse(data):
    raise ValueError(f"not with {len(data)} rows")


def only_small(data):
    if len(data) > 2:
        raise ValueError("too many rows")
    return len(data)


FUNCTIONS = {"RPC_total": total, "RPC_only_small": only_small, "RPC_refuse": refuse}


@pytest.fixture
def tables():
    return [pandas.DataFrame({"x": column}) for column in COLUMNS]


@pytest.fixture(params=["mock", "server"])
def container(request, tables, algorithm) -> Iterator[ContainerClient]:
    """The client of a central function."""
    module = algorithm(**FUNCTIONS)
    if request.param == "mock":
        yield ClientMockProtocol(tables, module, raise_errors=False)
        return
    federation = request.getfixturevalue("federation")
    # The central run itself is left open, as it is while its function runs.
    create = request.getfixturevalue("create")
    task = create(federation.ids[:1], method="central")
    with ExitStack() as stack:
        nodes = stack.enter_context(federation.work(module, tables))
        yield nodes[0]._container(task)


@pytest.fixture
def ids(container):
    return [item["id"] for item in container.get_organizations_in_my_collaboration()]


def test_it_knows_where_it_is(container):
    assert isinstance(container, ContainerClient)
    assert container.database == "default"
    assert isinstance(container.image, str)
    assert isinstance(container.collaboration_id, int)
    assert isinstance(container.host_node_id, int)
    assert container.whoami.organization_id == container.organization_id


def test_organizations_have_an_id_and_a_name(container):
    organizations = container.get_organizations_in_my_collaboration()
    assert len(organizations) == 3
    assert all(isinstance(item["id"], int) and item["name"] for item in organizations)


def test_values_come_in_the_order_of_the_organizations(container, ids):
    task = container.create_new_task({"method": "total"}, organization_ids=ids)
    assert container.wait_for_results(task["id"]) == [
        {"total": 3, "rows": 2},
        {"total": 12, "rows": 3},
        {"total": 6, "rows": 1},
    ]


def test_arguments_arrive(container, ids):
    input_ = {"method": "total", "kwargs": {"factor": 10}}
    task = container.create_new_task(input_, ids[2:])
    assert container.wait_for_results(task["id"]) == [{"total": 60, "rows": 1}]


def test_the_classic_loop_works(container, ids):
    task = container.create_new_task(input_={"method": "total", "args": [2]}, organization_ids=ids)
    container.wait_for_task(task["id"])
    assert container.get_task(task["id"])["complete"]
    assert container.request(f"task/{task['id']}")["complete"]
    assert [value["rows"] for value in container.get_results(task_id=task["id"])] == [2, 3, 1]


@pytest.mark.parametrize("data_format", ["json", "pickle", "legacy"])
def test_inputs_may_be_in_any_format(container, ids, data_format):
    task = container.create_new_task({"method": "total"}, ids, data_format=data_format)
    assert [int(value["total"]) for value in container.wait_for_results(task["id"])] == [3, 12, 6]


def test_a_pickled_answer_is_not_read_unless_allowed(container, ids):
    container.allow_pickle = False
    task = container.create_new_task({"method": "total"}, ids, data_format="pickle")
    with pytest.raises(DeserializationException, match="allow_pickle"):
        container.wait_for_results(task["id"])


def test_a_failed_part_is_told_with_organization_and_reason(container, ids):
    task = container.create_new_task({"method": "only_small"}, ids)
    reason = rf"organization {ids[1]}: crashed - .*too many rows"
    with pytest.raises(TaskFailed, match=reason) as caught:
        container.wait_for_results(task["id"])
    assert [run["organization"] for run in caught.value.runs] == [ids[1]]


def test_the_classic_results_leave_a_failed_part_out(container, ids):
    task = container.create_new_task({"method": "only_small"}, ids)
    container.wait_for_task(task["id"])
    assert container.get_results(task["id"]) == [2, 1]


def test_all_parts_that_failed_are_told(container, ids):
    task = container.create_new_task({"method": "refuse"}, ids)
    with pytest.raises(TaskFailed, match="3 run") as caught:
        container.wait_for_results(task["id"])
    assert len(caught.value.runs) == 3


def test_the_runs_tell_who_did_what(container, ids):
    task = container.create_new_task({"method": "total"}, ids)
    container.wait_for_task(task["id"])
    runs = container.get_runs(task["id"])
    assert [run["organization"] for run in runs] == ids
    assert {run["status"] for run in runs} == {"completed"}


def test_without_ports_there_are_no_addresses(container, ids):
    task = container.create_new_task({"method": "total"}, ids)
    assert container.get_algorithm_addresses(task["id"]) == []
    assert container.get_algorithm_address_by_label(task["id"], "main") is None


def test_a_task_that_is_not_there(container):
    with pytest.raises(ServerError):
        container.get_task(999)
    assert "msg" in container.request("task/999")


def test_an_organization_that_is_not_there(container):
    with pytest.raises(BadRequest):
        container.create_new_task({"method": "total"}, [999])
