"""Who gets a token, what is in it, and when it ends."""

import time
from datetime import timedelta
from typing import Any

import pytest
from clients import Login, access_token, bearer, container_token, with_claims
from factories import IMAGE, Factory
from flask import Flask
from flask.testing import FlaskClient
from person import log_in
from sqlalchemy.orm import Session

from vantage6.common.jwt import unverified_claims
from vantage6.common.task_status import TaskStatus
from vantage6.server.model import Node, Result, User
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import Kind
from vantage6.server.service import password, token

HOUR = 3600


@pytest.fixture
def node(make: Factory) -> Node:
    hospital = make.organization()
    return make.node(hospital, make.collaboration(hospital), api_key="the key")


@pytest.fixture
def run(make: Factory, node: Node) -> Result:
    assert node.collaboration is not None
    return make.task(node.collaboration).results[0]


def test_a_user_gets_tokens_for_a_password(client: FlaskClient, root: User) -> None:
    answer = log_in(client, root.username)
    assert answer.status_code == 200
    assert answer.json["user_url"] == f"/api/user/{root.id}"
    assert answer.json["refresh_url"] == "/api/token/refresh"
    assert answer.headers["jwt-token"] == answer.json["access_token"]
    claims = unverified_claims(answer.json["access_token"])
    assert claims["sub"] == root.id
    assert (claims["type"], claims["client_type"]) == ("access", "user")
    assert claims["roles"] == ["Root"]
    assert claims["fresh"] is False
    assert claims["exp"] - claims["iat"] == 6 * HOUR
    refresh = unverified_claims(answer.json["refresh_token"])
    assert refresh["type"] == "refresh"


def test_a_code_of_a_second_factor_may_come_along(client: FlaskClient, root: User) -> None:
    body = {"username": root.username, "password": "Passw0rd!", "mfa_code": "123456"}
    assert client.post("/api/token/user", json=body).status_code == 200


@pytest.mark.parametrize("body", [None, {}, {"username": "x"}, {"password": "x"}, [], "text"])
def test_a_login_without_name_or_password_is_a_bad_request(client: FlaskClient, body: Any) -> None:
    assert client.post("/api/token/user", json=body).status_code == 400


def test_a_huge_login_is_not_read(client: FlaskClient) -> None:
    assert log_in(client, "x" * 100_000).status_code == 400


def test_a_wrong_name_and_a_wrong_password_get_the_same_answer_for_the_same_work(
    client: FlaskClient, root: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bytes] = []
    compare = password.bcrypt.checkpw

    def count(plain: bytes, hashed: bytes) -> bool:
        compared.append(hashed)
        return compare(plain, hashed)

    monkeypatch.setattr(password.bcrypt, "checkpw", count)
    known, unknown = log_in(client, root.username, "wrong"), log_in(client, "nobody", "wrong")
    assert (known.status_code, known.json) == (unknown.status_code, unknown.json)
    assert known.status_code == 401
    cost_known, cost_unknown = (hashed[:7] for hashed in compared)
    assert cost_known == cost_unknown


@pytest.mark.parametrize("name", ["root", "nobody"])
def test_after_five_wrong_passwords_the_address_waits_whatever_the_name(
    client: FlaskClient, make: Factory, name: str
) -> None:
    make.user(username="root")
    statuses = [log_in(client, name, "wrong").status_code for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    blocked = log_in(client, name)
    assert blocked.status_code == 429
    assert 0 < int(blocked.headers["Retry-After"]) <= 15 * 60


def test_nobody_is_locked_out_by_somebody_else(client: FlaskClient, root: User) -> None:
    for _ in range(6):
        log_in(client, root.username, "wrong", "10.0.0.1")
    assert log_in(client, root.username, address="10.0.0.2").status_code == 200


def test_the_right_password_makes_the_wrong_ones_forgotten(client: FlaskClient, root: User) -> None:
    for _ in range(3):
        for _ in range(4):
            assert log_in(client, root.username, "wrong").status_code == 401
        assert log_in(client, root.username).status_code == 200


def test_a_node_gets_tokens_for_its_api_key(client: FlaskClient, node: Node) -> None:
    answer = client.post("/api/token/node", json={"api_key": "the key"})
    assert answer.status_code == 200
    assert answer.json["node_url"] == f"/api/node/{node.id}"
    claims = unverified_claims(answer.json["access_token"])
    assert (claims["sub"], claims["client_type"], claims["roles"]) == (node.id, "node", [])


def test_a_wrong_api_key_is_refused_and_in_the_end_the_address_waits(
    client: FlaskClient, node: Node
) -> None:
    statuses = {
        client.post("/api/token/node", json={"api_key": f"guess {number}"}).status_code
        for number in range(50)
    }
    assert statuses == {401}
    assert client.post("/api/token/node", json={"api_key": "one more"}).status_code == 429
    # Whoever shares the address with a stranger who guesses is not locked out by that.
    assert client.post("/api/token/node", json={"api_key": "the key"}).status_code == 200


def test_logging_in_as_a_node_costs_no_password_hash(
    client: FlaskClient, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password.bcrypt, "checkpw", None)
    assert client.post("/api/token/node", json={"api_key": "the key"}).status_code == 200


def test_a_refresh_token_gives_new_tokens(client: FlaskClient, root: User) -> None:
    first = log_in(client, root.username).json
    renewed = client.post("/api/token/refresh", headers=bearer(first["refresh_token"]))
    assert renewed.status_code == 200
    shown = client.get(f"/api/user/{root.id}", headers=bearer(renewed.json["access_token"]))
    assert shown.status_code == 200
    again = client.post("/api/token/refresh", headers=bearer(renewed.json["refresh_token"]))
    assert again.status_code == 200


def test_each_kind_of_token_is_good_for_its_purpose_only(client: FlaskClient, root: User) -> None:
    tokens = log_in(client, root.username).json
    access, refresh = bearer(tokens["access_token"]), bearer(tokens["refresh_token"])
    assert client.post("/api/token/refresh", headers=access).status_code == 401
    assert client.get("/api/user", headers=refresh).status_code == 401


def test_a_token_that_is_over_or_broken_is_refused(
    app: Flask, client: FlaskClient, root: User
) -> None:
    with app.app_context():
        good = access_token(root)
    expired = with_claims(app, good, exp=int(time.time()) - 1)
    of_text = with_claims(app, good, sub="1")
    of_nobody = with_claims(app, good, sub=999)
    of_other_kind = with_claims(app, good, client_type="node")
    forged = good[:-2] + ("AA" if good[-2:] != "AA" else "BB")
    bad = [expired, of_text, of_nobody, of_other_kind, forged, "", "x", "a.b.c", "é"]
    headers = [bearer(text) for text in bad] + [{}, {"Authorization": "Basic cm9vdDpyb290"}]
    statuses = [client.get("/api/user", headers=header).status_code for header in headers]
    assert statuses == [401] * len(headers)


def test_a_container_token_says_what_algorithms_read_from_it(
    login_as: Login, node: Node, run: Result
) -> None:
    body = {"task_id": run.task_id, "image": IMAGE}
    answer = login_as(node).post("/api/token/container", json=body)
    assert answer.status_code == 200
    claims = unverified_claims(answer.json["container_token"])
    assert claims["sub"] == {
        "client_type": "container",
        "node_id": node.id,
        "organization_id": node.organization_id,
        "collaboration_id": node.collaboration_id,
        "task_id": run.task_id,
        "result_id": run.id,
        "image": IMAGE,
        "database": "default",
    }
    assert claims["client_type"] == "container"
    assert "exp" not in claims


def test_a_container_token_is_for_the_own_part_with_the_own_image(
    login_as: Login, make: Factory, node: Node, run: Result
) -> None:
    client = login_as(node)
    other = make.organization()
    elsewhere = make.collaboration(other)
    make.node(other, elsewhere)
    foreign = make.task(elsewhere)

    def ask(task_id: int, image: str) -> int:
        body = {"task_id": task_id, "image": image}
        return client.post("/api/token/container", json=body).status_code

    assert ask(run.task_id, "evil.example/" + IMAGE) == 403
    assert ask(run.task_id, "Not An Image") == 403
    assert ask(foreign.id, IMAGE) == ask(999, IMAGE) == 403
    assert client.post("/api/token/container", json={"image": IMAGE}).status_code == 400


def test_there_is_no_container_token_for_what_has_ended(
    login_as: Login, make: Factory, node: Node
) -> None:
    assert node.collaboration is not None
    task = make.task(node.collaboration, status=TaskStatus.COMPLETED)
    body = {"task_id": task.id, "image": IMAGE}
    assert login_as(node).post("/api/token/container", json=body).status_code == 400


def test_a_container_token_dies_with_its_run(login_as: Login, node: Node, run: Result) -> None:
    container = login_as(run)
    path = f"/api/task/{run.task_id}"
    assert container.get(path).status_code == 200
    login_as(node).patch(f"/api/result/{run.id}", json={"status": "completed"})
    assert container.get(path).status_code == 401


def test_a_container_token_dies_with_the_place_of_its_node(
    session: Session, login_as: Login, node: Node, run: Result
) -> None:
    container = login_as(run)
    node.collaboration_id = None
    session.commit()
    assert container.get(f"/api/task/{run.task_id}").status_code == 401


def test_a_container_token_without_a_run_is_worth_nothing(
    app: Flask, client: FlaskClient, run: Result
) -> None:
    with app.app_context():
        classic = container_token(run, result_id=None)
    assert client.get("/api/task", headers=bearer(classic)).status_code == 401


def test_who_calls_is_seen_once_a_minute(
    session: Session, login_as: Login, root: User, client: FlaskClient
) -> None:
    caller = login_as(root)
    caller.get("/api/rule/1")
    session.refresh(root)
    first = root.last_seen
    caller.get("/api/rule/1")
    session.refresh(root)
    assert root.last_seen == first
    root.last_seen = now() - timedelta(minutes=2)
    session.commit()
    caller.get("/api/rule/1")
    session.refresh(root)
    assert root.last_seen is not None
    assert first is not None
    assert root.last_seen >= first


def test_tokens_live_a_day_on_a_test_server(app: Flask, config: dict[str, Any]) -> None:
    from vantage6.server.app import create_app

    test_app = create_app({**config, "type": "test"})
    with test_app.app_context():
        claims = unverified_claims(token.access(Kind.USER, 1, 0, []))
    assert claims["exp"] - time.time() == pytest.approx(24 * HOUR, abs=60)
    test_app.extensions["database"].dispose()
