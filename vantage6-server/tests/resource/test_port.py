"""Ports: kept by the node that runs the container, seen by its collaboration."""

from typing import Any

import pytest
from clients import LoggedIn, Login
from factories import Factory, ids
from flask import Flask

from vantage6.common.task_status import TaskStatus
from vantage6.server.model import Result, User
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.resource import port

VIEW_OWN = rule("port", Scope.ORGANIZATION, Operation.VIEW)


@pytest.fixture
def result(make: Factory) -> Result:
    hospital = make.organization()
    study = make.collaboration(hospital)
    make.node(hospital, study)
    run: Result = make.task(study).results[0]
    return run


@pytest.fixture
def node(result: Result, login_as: Login) -> LoggedIn:
    assert result.node is not None
    return login_as(result.node)


def test_the_node_of_a_run_tells_where_its_container_listens(
    node: LoggedIn, result: Result
) -> None:
    body = {"port": 8080, "result_id": result.id, "label": "http"}
    made = node.post("/api/port", json=body)
    assert made.status_code == 201
    assert made.json == {"id": made.json["id"], "port": 8080, "label": "http", "result": result.id}
    assert node.get(f"/api/port/{made.json['id']}").json == made.json
    shown = node.get(f"/api/result/{result.id}").json["ports"]
    assert shown == [{"id": made.json["id"], "port": 8080, "label": "http"}]


def test_a_label_may_be_left_out(node: LoggedIn, result: Result) -> None:
    made = node.post("/api/port", json={"port": 8080, "result_id": result.id})
    assert made.json["label"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"port": 0}, "port"),
        ({"port": 65536}, "port"),
        ({"port": "http"}, "port"),
        ({"port": None}, "port"),
        ({"result_id": None}, "result_id"),
        ({"host": "x"}, "host"),
        ({"label": "x" * 1001}, "label"),
    ],
)
def test_what_cannot_be_a_port_is_refused(
    node: LoggedIn, result: Result, body: dict[str, Any], field: str
) -> None:
    answer = node.post("/api/port", json={"port": 8080, "result_id": result.id, **body})
    assert (answer.status_code, list(answer.json["errors"])) == (400, [field])


def test_a_run_has_only_so_many_ports(
    node: LoggedIn, result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port, "PORTS_EACH", 1)
    body = {"port": 8080, "result_id": result.id}
    statuses = [node.post("/api/port", json=body).status_code for _ in range(2)]
    assert statuses == [201, 400]
    node.delete(f"/api/port?result_id={result.id}")
    assert node.post("/api/port", json=body).status_code == 201


def test_a_run_that_has_ended_gets_no_ports(make: Factory, login_as: Login) -> None:
    hospital = make.organization()
    study = make.collaboration(hospital)
    node = make.node(hospital, study)
    ended = make.task(study, status=TaskStatus.COMPLETED).results[0]
    answer = login_as(node).post("/api/port", json={"port": 80, "result_id": ended.id})
    assert answer.status_code == 400


def test_other_nodes_have_no_say(make: Factory, login_as: Login, result: Result) -> None:
    partner = make.organization()
    others = [
        make.node(partner, make.collaboration(partner)),
        make.node(result.organization, make.collaboration(result.organization)),
    ]
    port = make.port(result)
    for other in map(login_as, others):
        body = {"port": 80, "result_id": result.id}
        assert other.post("/api/port", json=body).status_code == 403
        assert other.delete(f"/api/port?result_id={result.id}").status_code == 403
        assert other.post("/api/port", json={"port": 80, "result_id": 999}).status_code == 403
    assert login_as(others[0]).get(f"/api/port/{port.id}").status_code == 403


def test_the_ports_of_a_run_are_removed_together(
    make: Factory, node: LoggedIn, result: Result
) -> None:
    other = make.port(make.task(result.task.collaboration).results[0])
    make.port(result, port=1)
    make.port(result, port=2)
    assert node.delete(f"/api/port?result_id={result.id}").status_code == 200
    assert ids(node.get("/api/port").json) == [other.id]


@pytest.mark.parametrize("query", ["", "?result_id=", "?result_id=x"])
def test_which_run_has_to_be_said(node: LoggedIn, query: str) -> None:
    answer = node.delete(f"/api/port{query}")
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["result_id"])


def test_ports_of_other_collaborations_are_not_seen(
    make: Factory, login_as: Login, result: Result, root: User
) -> None:
    stranger = make.organization()
    foreign = make.port(make.task(make.collaboration(stranger)).results[0])
    own = make.port(result)
    client = login_as(make.user(result.organization, rules=[VIEW_OWN]))
    assert ids(client.get("/api/port").json) == [own.id]
    assert client.get(f"/api/port/{foreign.id}").status_code == 403
    assert ids(login_as(root).get("/api/port").json) == [own.id, foreign.id]
    assert login_as(root).get("/api/port/999").status_code == 404


def test_ports_are_found_by_run_task_and_result(
    make: Factory, login_as: Login, result: Result, root: User
) -> None:
    child = make.task(result.task.collaboration, parent=result.task).results[0]
    other = make.task(result.task.collaboration).results[0]
    own, childs, others = (make.port(run).id for run in (result, child, other))
    client = login_as(root)
    found = {
        "": [others, childs, own],
        f"result_id={result.id}": [own],
        f"task_id={child.task_id}": [childs],
        f"run_id={result.task.run_id}": [childs, own],
    }
    for query, expected in found.items():
        assert ids(client.get(f"/api/port?{query}").json) == expected


@pytest.mark.parametrize("configured", [False, True])
def test_without_a_vpn_nodes_are_told_so(app: Flask, node: LoggedIn, configured: bool) -> None:
    app.config["HAS_VPN_SERVER"] = configured
    got = node.get("/api/vpn")
    renewed = node.post("/api/vpn/update", json={"vpn_config": "<cert>"})
    assert (got.status_code, renewed.status_code) == (501, 501)
    assert list(got.json) == ["msg"]
    assert ("`vpn_server`" in got.json["msg"]) == configured
    assert node.post("/api/vpn/update", json={}).status_code == 400
