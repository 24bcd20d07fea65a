"""What algorithms may expect of their client: one suite, on the mocks and against the server.

Against the server twice: as it is, and through the proxy of a node, which is all that a container
can reach.
"""

import ast
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pandas
import pytest

from vantage6.client import ContainerClient
from vantage6.common.client.plain_session import PlainResponse
from vantage6.common.encryption import DummyCryptor
from vantage6.common.exceptions import (
    BadRequest,
    DeserializationException,
    Forbidden,
    NotFound,
    ServerError,
    TaskFailed,
)
from vantage6.common.text import bytes_to_base64s
from vantage6.node.audit import AuditLog
from vantage6.node.audit.runs import RunAudit
from vantage6.node.door import Call
from vantage6.node.keyring import envelopes_of
from vantage6.node.proxy import Proxy
from vantage6.node.server import Server
from vantage6.tools.mock_client import ClientMockProtocol, MockAlgorithmClient

COLUMNS = ([1, 2], [3, 4, 5], [6])


def total(data, factor=1):
    return {"total": data["x"].sum() * factor, "rows": len(data)}


def refuse(data):
    raise ValueError(f"not with {len(data)} rows")


def only_small(data):
    if len(data) > 2:
        raise ValueError("too many rows")
    return len(data)


def above(data, bound):
    return int((data["x"] > bound).sum())


def median(client, data):
    """Some rounds, each of which depends on the one before."""
    low, high, rounds = 0.0, 8.0, 0
    while high - low > 0.25:
        middle = (low + high) / 2
        more = sum(client.ask("above", bound=middle).values())
        low, high, rounds = (middle, high, rounds + 1) if more > 3 else (low, middle, rounds + 1)
    return {"between": [low, high], "rounds": rounds}


def who(client, data):
    task = client.create_new_task({"method": "total"}, [client.organization_id])
    own = client.get_task(client.task_id)
    return {
        "organization": client.whoami.organization_id,
        "its own": client.organization_id == client.whoami.organization_id,
        "complete": own["complete"],
        "children": [child["id"] for child in own["children"]] == [task["id"]],
        "parent": task["parent"]["id"] == client.task_id,
        "run": task["run_id"] == own["run_id"],
    }


def waits_for_itself(client, data):
    try:
        client.wait_for_results(client.task_id, timeout=0.01)
    except TimeoutError as error:
        return str(error)


def waits_for_ever(client, data):
    client.wait_for_results(client.task_id)


FUNCTIONS = {
    "RPC_total": total,
    "RPC_only_small": only_small,
    "RPC_refuse": refuse,
    "RPC_above": above,
    "median": median,
    "who": who,
    "waits_for_itself": waits_for_itself,
    "waits_for_ever": waits_for_ever,
}


@pytest.fixture
def tables():
    return [pandas.DataFrame({"x": column}) for column in COLUMNS]


class ProxiedSession:
    """The way of a container's calls: the proxy of its node, and then the server."""

    def __init__(self, proxy, token):
        self.proxy, self.token = proxy, token

    def request(self, method, url, *, headers, json=None, params=None, **_):
        call = Call(
            method,
            url.removeprefix("http://proxy"),
            list((params or {}).items()),
            {name.lower(): value for name, value in headers.items()},
            b"" if json is None else encoded(json),
        )
        answer = self.proxy.answer(call, self.token, 1)
        return PlainResponse(answer.status, answer.body)


def encoded(body):
    return json.dumps(body).encode()


@pytest.fixture
def open_task(federation, create):
    """The task of a central run that is left open, as it is while its function runs."""
    return create(federation.ids[:1], method="central")


@pytest.fixture
def nodes(federation, open_task, algorithm, tables):
    """Nodes that do what the client asks for; what was there before stays as it is."""
    with ExitStack() as stack:
        yield stack.enter_context(federation.work(algorithm(**FUNCTIONS), tables))


@pytest.fixture
def at_server(open_task, nodes):
    """The client of a central function."""
    return nodes[0]._container(open_task)


@pytest.fixture
def at_proxy(federation, at_server, live, tmp_path):
    """The same through the proxy of its node."""
    server = Server(f"http://127.0.0.1:{live}", "/api", federation.nodes[0]["api_key"])
    envelopes = envelopes_of(server.log_in(), server, DummyCryptor(), "both", tmp_path, None)
    proxy = Proxy(server, envelopes, RunAudit(AuditLog(tmp_path / "audit")), tmp_path)
    session = ProxiedSession(proxy, at_server.token)
    yield ContainerClient(at_server.token, "http://proxy", None, allow_pickle=True, session=session)
    proxy.close()
    server._session.close()


@pytest.fixture
def classic_mock(tables, algorithm):
    return ClientMockProtocol(tables, algorithm(**FUNCTIONS), raise_errors=False)


@pytest.fixture
def mock(tables, algorithm):
    return MockAlgorithmClient(
        [[{"database": table}] for table in tables],
        algorithm(**FUNCTIONS),
        collaboration_id=4,
        organization_ids=[12, 10, 11],
        node_ids=[1, 2, 3],
        organization_names=["north", "east", "south"],
        raise_errors=False,
    )


@pytest.fixture(params=["classic_mock", "mock", "at_server", "at_proxy"])
def container(request) -> Iterator[ContainerClient]:
    """The client of a central function."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def central(container, ids):
    """Call a central function as a subtask of one organization."""

    def call(method, position=0):
        task = container.task.create({"method": method, "master": True}, [ids[position]])
        (answer,) = container.wait_for_results(task["id"])
        return answer

    return call


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
    assert container.name == "container"
    assert container.base_path == f"{container.server_url}{container.path}"
    assert container.server_url.startswith(container.host)
    assert container.port is None or f":{container.port}" in container.server_url
    assert container.generate_path_to("task") == f"{container.base_path}/task"
    assert container.headers == {"Authorization": f"Bearer {container.token}"}


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
    reason = rf"at organization {ids[1]} \(crashed\): ValueError: too many rows"
    with pytest.raises(TaskFailed, match=reason) as caught:
        container.wait_for_results(task["id"])
    assert [run["organization"] for run in caught.value.runs] == [ids[1]]


def test_the_classic_results_leave_a_failed_part_out(container, ids):
    task = container.create_new_task({"method": "only_small"}, ids)
    container.wait_for_task(task["id"])
    assert container.get_results(task["id"]) == [2, 1]


def test_all_parts_that_failed_are_told(container, ids):
    task = container.create_new_task({"method": "refuse"}, ids)
    with pytest.raises(TaskFailed, match=r"^Task \d+ failed at .*; at .*; at ") as caught:
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


@pytest.mark.parametrize("kind", ["classic_mock", "mock", "at_proxy"])
def test_nothing_is_asked_where_no_organization_is_named(request, kind):
    container = request.getfixturevalue(kind)
    with pytest.raises(BadRequest, match="Organizations missing"):
        container.create_new_task({"method": "total"})


def test_a_question_to_all_is_answered_by_organization(container, ids):
    answers = container.ask("total", factor=2)
    assert {id_: answers[id_]["total"] for id_ in ids} == dict(zip(ids, [6, 24, 12], strict=True))


def test_a_question_to_some_reaches_no_others(container, ids):
    assert set(container.ask("total", organizations=ids[1:])) == set(ids[1:])


def test_a_question_that_one_cannot_answer_is_not_answered(container, ids):
    with pytest.raises(TaskFailed, match=rf"organization {ids[1]} \(crashed\)"):
        container.ask("only_small")


def test_good_answers_and_failures_come_together_where_failures_are_allowed(container, ids):
    asked = container.ask("only_small", allow_failures=True)
    assert asked.answers == {ids[0]: 2, ids[2]: 1}
    (failure,) = asked.failures.values()
    assert (failure.organization, failure.status) == (ids[1], "crashed")
    assert "ValueError: too many rows (" in failure.reason
    assert failure.log[-1].endswith(failure.reason)


def test_waiting_allows_failures_too(container, ids):
    task = container.create_new_task({"method": "refuse"}, ids)
    asked = container.wait_for_results(task["id"], allow_failures=True)
    assert asked.answers == {}
    assert set(asked.failures) == set(ids)


def test_an_answer_that_cannot_be_read_is_a_failure(container, ids):
    task = container.create_new_task({"method": "total"}, ids, data_format="pickle")
    container.allow_pickle = False
    asked = container.wait_for_results(task["id"], allow_failures=True)
    assert set(asked.failures) == set(ids)
    assert f"organization {ids[0]} cannot be read" in asked.failures[ids[0]].reason


def test_rounds_follow_each_other(container, central):
    answer = central("median")
    assert answer == {"between": [2.75, 3.0], "rounds": 5}


@pytest.mark.parametrize("position", [0, 2])
def test_a_central_function_knows_where_it_runs(container, central, ids, position):
    facts = dict.fromkeys(("its own", "children", "parent", "run"), True)
    expected = {"organization": ids[position], "complete": False, **facts}
    assert central("who", position) == expected


def test_waiting_ends_with_the_time_that_was_given(container, central):
    assert "did not end within 0.01 seconds" in central("waits_for_itself")


def test_a_function_cannot_wait_for_its_own_end(container, ids):
    task = container.task.create({"method": "waits_for_ever", "master": True}, ids[:1])
    with pytest.raises(TaskFailed, match="is that of this function"):
        container.wait_for_results(task["id"])


def test_what_has_ended_is_there_without_a_wait(container, ids):
    task = container.create_new_task({"method": "total"}, ids)
    container.wait_for_task(task["id"])
    assert len(container.wait_for_results(task["id"], 5, timeout=0)) == 3


def test_later_names_do_the_same(container, ids):
    task = container.task.create({"method": "total"}, organizations=ids, name="n", description="d")
    values = container.wait_for_results(task_id=task["id"])
    assert container.result.from_task(task["id"]) == values
    assert container.result.get(task["id"]) == container.result.get(task_id=task["id"]) == values
    shown = container.task.get(task["id"])
    assert (shown["name"], shown["description"]) == ("n", "d")
    runs = container.run.from_task(task["id"])
    assert runs == container.get_runs(task["id"])
    assert container.run.get(runs[0]["id"])["organization"]["id"] == ids[0]


def test_later_names_are_understood_in_both_spellings(container, ids):
    task = container.task.create({"method": "total"}, organization_ids=ids[:1])
    assert len(container.wait_for_results(task["id"])) == 1
    with pytest.raises(ValueError, match="once"):
        container.task.create({"method": "total"}, ids, organization_ids=ids)
    with pytest.raises(ValueError, match="task_id"):
        container.result.get()


def test_the_others_can_be_looked_at(container, ids):
    organizations = container.organization.list()
    assert organizations == container.get_organizations_in_my_collaboration()
    one = container.organization.get(ids[1])
    assert (one["id"], one["name"]) == (ids[1], organizations[1]["name"])
    assert container.collaboration.get()["id"] == container.collaboration_id


def test_the_classic_call_names_all_itself(container, ids):
    task = container.post_task(
        name="own",
        image=container.image,
        collaboration_id=container.collaboration_id,
        input_={"method": "total"},
        description="",
        organization_ids=ids,
        database=container.database,
    )
    assert len(container.wait_for_results(task["id"])) == 3


def test_a_container_does_not_log_in(container):
    assert container.authenticate()
    with pytest.raises(Forbidden, match="cannot refresh"):
        container.refresh_token()


def test_the_node_encrypts_not_the_container(container):
    assert container.encrypt_for(1, b"plain") == bytes_to_base64s(b"plain")


@pytest.mark.parametrize("path", ["user", "role", "token/user", "nothing"])
def test_what_is_not_for_algorithms_is_refused(container, path):
    with pytest.raises(ServerError):
        container.send("get", path)


@pytest.mark.parametrize("kind", ["task", "run", "organization"])
def test_what_is_not_there_is_not_found(container, kind):
    with pytest.raises((NotFound, Forbidden)):
        getattr(container, kind).get(999)


@pytest.fixture(params=["at_server", "at_proxy"])
def listening(request, nodes):
    """The client of a container that listens on two ports."""
    client = request.getfixturevalue(request.param)
    (run,) = client.get_runs(client.task_id)
    nodes[0]._report(run, status="active")
    for port in (8001, 8002):
        body = {"port": port, "label": f"p{port}", "result_id": run["id"]}
        nodes[0]._client.send("post", "port", json=body)
    nodes[0]._client.send("patch", f"node/{client.host_node_id}", json={"ip": "10.0.0.7"})
    return client


def test_addresses_are_told_with_their_labels(listening):
    assert listening.get_algorithm_addresses(listening.task_id) == [
        {"ip": "10.0.0.7", "port": 8001, "label": "p8001"},
        {"ip": "10.0.0.7", "port": 8002, "label": "p8002"},
    ]
    address = listening.get_algorithm_address_by_label(listening.task_id, "p8002")
    assert address == "10.0.0.7:8002"
    assert listening.get_algorithm_address_by_label(listening.task_id, "p8003") is None


def test_the_mock_shows_what_the_server_shows(mock, at_proxy):
    shown = []
    for client in (mock, at_proxy):
        organizations = client.organization.list()
        task = client.task.create({"method": "total"}, [organizations[0]["id"]])
        client.wait_for_task(task["id"])
        things = {
            "task": client.task.get(task["id"]),
            "run": client.get_runs(task["id"])[0],
            "one run": client.run.get(task["results"][0]["id"]),
            "organization": organizations[0],
            "collaboration": client.collaboration.get(),
        }
        shown.append({name: set(thing) for name, thing in things.items()})
    pretended, real = shown
    assert {name: real[name] - pretended[name] for name in real} == {name: set() for name in real}


#: What clients have besides, for people and for their own parts; algorithms have no use for it.
NOT_FOR_ALGORITHMS = {
    "cryptor",
    "decrypt_results",
    "large_elsewhere",
    "log",
    "open",
    "pins_file",
    "require_encryption",
    "send_patiently",
    "setup_encryption",
    "show_recovery_codes",
    "show_second_factor",
    "timeout",
    "transport",
}
SUB_CLIENTS = {"task", "result", "run", "organization", "collaboration"}


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def used_here():
    """The names that this suite uses of a client and of its sub-clients."""
    tree = ast.parse(Path(__file__).read_text(encoding="utf-8"))
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return {ast.unparse(attribute).partition(".")[2] for attribute in attributes}


def test_everything_that_a_client_has_is_in_this_contract(at_server):
    names = public(at_server) - NOT_FOR_ALGORITHMS - SUB_CLIENTS
    for name in SUB_CLIENTS:
        names |= {f"{name}.{verb}" for verb in public(getattr(at_server, name)) - {"parent"}}
    assert names - used_here() == set()


def test_the_mocks_have_nothing_that_containers_lack(at_server, mock, classic_mock):
    own = {"lib", "tasks"}
    assert public(mock) - public(at_server) == own
    assert public(classic_mock) - public(at_server) == own | {"n", "datasets"}
