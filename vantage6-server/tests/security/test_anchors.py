"""One test per published hole of the classic line, and per class of holes, named after its entry.

A: advisories, B: weaknesses of the source, E: classes that every release must test. Each test
here is the shortest that the hole would fail; what there is to a subject stands beside the code
that it is about. Entries that concern other parts are tested there:

| entry | where |
|---|---|
| A4, E1 pickle | node, client, tools: `test_serialization.py`, `test_policy.py` of each |
| A8, E4 policy of the node | `vantage6-node/tests/test_policy.py` |
| A9, E9 environment of containers | `vantage6-node/tests/runner/test_contract.py` |
| A10, A22, E5 images and sandboxes | `vantage6-node/tests/runner/test_isolation.py` |
| A23 store of algorithms | there is none |
| A24 node without a policy | `vantage6-node/tests/test_policy.py` |
| B containers, engine socket, egress, logs | `vantage6-node/tests` |
| B envelope, keys, E8 encryption | `vantage6-common/tests/security`, decision notes 0004, 0021 |
"""
# ruff: noqa: N802

import threading
from datetime import timedelta
from typing import Any

import pytest
from clients import LoggedIn, Login, bearer
from factories import ENVELOPE, IMAGE, Factory
from flask import Flask
from flask.testing import FlaskClient
from letters import Letters
from person import NEW_PASSWORD, PASSWORD, Person, log_in
from served import run, write_config, write_import
from socketio.exceptions import ConnectionError as Refused
from sockets import Listener, serving
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import first_run
from vantage6.server.app import create_app
from vantage6.server.database import Database
from vantage6.server.model import Collaboration, Node, Organization, RefreshToken, User
from vantage6.server.model.base import now
from vantage6.server.permission.catalogue import RULES, Operation, Scope, rule
from vantage6.server.service import letter, password

EVIL = "https://evil.example"


@pytest.fixture
def study(make: Factory, own: Organization, partner: Organization) -> Collaboration:
    study = make.collaboration(own, partner)
    for organization in (own, partner):
        make.node(organization, study)
    return study


def lost(client: FlaskClient, name: str, address: str = "10.0.0.1") -> Any:
    body = {"username": name}
    return client.post("/api/recover/lost", json=body, environ_base={"REMOTE_ADDR": address})


def order(study: Collaboration, organization: Organization, **differing: Any) -> dict[str, Any]:
    part = {"id": organization.id, "input": differing.pop("input", None)}
    return {"image": IMAGE, "collaboration_id": study.id, "organizations": [part], **differing}


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["msg"]


def test_A01_a_limit_does_not_tell_that_a_user_exists(client: FlaskClient, user: User) -> None:
    def guesses(name: str, address: str) -> list[tuple[int, str]]:
        return [said(log_in(client, name, "wrong", address)) for _ in range(7)]

    there, not_there = guesses(user.username, "10.0.0.1"), guesses("nobody", "10.0.0.2")
    assert there == not_there
    assert there[-1][0] == 429


def test_A01_guesses_do_not_tell_whose_a_mail_address_is(client: FlaskClient, user: User) -> None:
    """By a detour: locked out by the address, locked out by the name."""
    for email in (user.email, "nobody@hospital.example"):
        body = {"email": email, "password": "wrong"}
        where = {"REMOTE_ADDR": "10.0.0.1"}
        statuses = [
            client.post("/api/recover/2fa/lost", json=body, environ_base=where).status_code
            for _ in range(6)
        ]
        assert statuses == [401] * 5 + [429]
        assert log_in(client, user.username, "wrong", "10.0.0.1").status_code == 401


def test_A02_a_user_cannot_be_moved(root: User, login_as: Login, user: User, make: Factory) -> None:
    before, elsewhere = user.organization_id, make.organization().id
    caller = login_as(root)
    answer = caller.patch(f"/api/user/{user.id}", json={"organization_id": elsewhere})
    assert answer.status_code == 400
    assert caller.get(f"/api/user/{user.id}").json["organization"]["id"] == before


def test_A03_refresh_tokens_end(
    client: FlaskClient, session: Session, make: Factory, user: User
) -> None:
    own = make.organization()
    node: Node = make.node(own, make.collaboration(own), api_key="the key")
    of_user = log_in(client, user.username).json["refresh_token"]
    of_node = client.post("/api/token/node", json={"api_key": "the key"}).json["refresh_token"]

    def renew(token: str) -> int:
        return client.post("/api/token/refresh", headers=bearer(token)).status_code

    assert (renew(of_user), renew(of_node)) == (200, 200)
    its = RefreshToken.identity_id == user.id
    (given,) = session.scalars(select(RefreshToken).where(its))
    assert given.expires_at - now() <= timedelta(hours=48)
    session.execute(update(RefreshToken).where(its).values(expires_at=now()))
    session.commit()
    assert (renew(of_user), renew(of_node)) == (401, 200)
    node.revoke_tokens()
    session.commit()
    assert renew(of_node) == 401


def test_A05_a_name_is_not_an_id(root: User, login_as: Login) -> None:
    body = {
        "username": "13", "firstname": "", "lastname": "", "password": PASSWORD,
        "email": "new@hospital.example",
    }  # fmt: skip
    answer = login_as(root).post("/api/user", json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["username"])


def test_A06_deleted_collaboration_leaves_no_tasks(
    root: User, login_as: Login, make: Factory, study: Collaboration, own: Organization
) -> None:
    caller, task, old = login_as(root), make.task(study), study.id
    result = task.results[0].id
    assert caller.delete(f"/api/collaboration/{old}").status_code == 200
    body = {"name": "new", "organization_ids": [own.id]}
    assert caller.post("/api/collaboration", json=body).json["id"] != old
    assert caller.get(f"/api/result/{result}").status_code == 404
    assert caller.get("/api/task").json == []


def test_A07_includes_and_nested_routes_ask_for_the_same_rules(
    make: Factory, login_as: Login, own: Organization, study: Collaboration
) -> None:
    make.task(study)
    sees_studies = make.user(own, rules=[rule("collaboration", Scope.GLOBAL, Operation.VIEW)])
    sees_tasks = make.user(own, rules=[rule("task", Scope.GLOBAL, Operation.VIEW)])
    path = f"/api/collaboration/{study.id}/task"
    assert login_as(sees_studies).get(path).status_code == 403
    assert login_as(sees_tasks).get("/api/task?include=results").status_code == 403


def test_A11_an_unknown_name_costs_the_same_work(
    client: FlaskClient, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[bool] = []
    matches = password.matches
    monkeypatch.setattr(
        password, "matches", lambda *a: compared.append(a[1] is not None) or matches(*a)
    )
    there, not_there = log_in(client, user.username, "wrong"), log_in(client, "nobody", "wrong")
    assert said(there) == said(not_there)
    body = {"username": "nobody", "password": "wrong"}
    assert client.post("/api/recover/2fa/lost", json=body).status_code == 401
    assert compared == [True, False, False]


@pytest.mark.parametrize("encrypted", [True, False])
def test_A12_E08_plaintext_in_encrypted_collaboration(
    make: Factory, login_as: Login, own: Organization, encrypted: bool
) -> None:
    study = make.collaboration(own, encrypted=encrypted)
    node = make.node(own, study)
    caller = login_as(make.user(own, role="Researcher"))
    right, wrong = (ENVELOPE, "cGxhaW4=") if encrypted else ("cGxhaW4=", ENVELOPE)
    assert caller.post("/api/task", json=order(study, own, input=wrong)).status_code == 400
    made = caller.post("/api/task", json=order(study, own, input=right)).json
    path = f"/api/result/{made['results'][0]['id']}"
    report = {"finished_at": "2026-01-01T00:00:00", "result": wrong}
    assert login_as(node).patch(path, json=report).status_code == 400


def test_A13_E10_no_other_origin_gets_at_anything(app: Flask, client: FlaskClient) -> None:
    for path in ("/api/version", "/api/task", "/socket.io/?EIO=4&transport=polling"):
        answer = client.get(path, headers={"Origin": EVIL})
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", ["/api/version", "/api/user", "/nothing"])
def test_A14_every_answer_carries_the_headers_of_caution(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert {
        "Content-Security-Policy", "Strict-Transport-Security", "X-Frame-Options",
        "X-Content-Type-Options", "Referrer-Policy",
    } <= set(headers.keys())  # fmt: skip


def test_A15_a_hundred_requests_are_one_mail(
    client: FlaskClient, letters: Letters, user: User
) -> None:
    for number in range(100):
        assert lost(client, user.username, f"10.0.{number}.1").status_code == 200
    assert [letter.to for letter in letters.sent] == [user.email]


def test_A15_one_address_does_not_flood_many_accounts(
    client: FlaskClient, letters: Letters, make: Factory
) -> None:
    for _ in range(25):
        lost(client, make.user().username)
    assert len(letters.sent) == 20


def test_A15_another_process_counts_on(
    client: FlaskClient, letters: Letters, config: dict[str, Any], user: User
) -> None:
    other = create_app(config)
    letters_of_other = Letters(other)
    lost(client, user.username)
    assert len(letters.sent) == 1
    lost(other.test_client(), user.username)
    assert letters_of_other.sent == []
    other.extensions["database"].dispose()


def test_A16_recovery_does_not_tell_who_exists(
    client: FlaskClient, letters: Letters, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request does the same for both; another thread looks whether there is such a user."""
    wrote: list[int] = []
    write = letter.password_reset
    monkeypatch.setattr(
        letter, "password_reset", lambda *a: wrote.append(threading.get_ident()) or write(*a)
    )
    assert said(lost(client, user.username)) == said(lost(client, "nobody"))
    assert len(letters.sent) == 1
    assert len(wrote) == 1
    assert threading.get_ident() not in wrote


def test_A17_mail_alone_does_not_remove_the_second_factor(
    client: FlaskClient, letters: Letters, person: Person
) -> None:
    lost(client, person.username)
    body = {"reset_token": letters.token(), "password": NEW_PASSWORD}
    assert client.post("/api/recover/reset", json=body).status_code == 200
    assert person.log_in(secret=NEW_PASSWORD).json.keys() == {"msg"}
    login = {"username": person.username, "password": NEW_PASSWORD}
    client.post("/api/recover/2fa/lost", json=login)
    refused = client.post("/api/recover/2fa/reset", json={"reset_token": letters.token()})
    assert refused.status_code == 400
    assert person.log_in(secret=NEW_PASSWORD).json.keys() == {"msg"}


def test_A17_mail_alone_does_not_begin_the_guesses_at_codes_anew(
    client: FlaskClient, letters: Letters, person: Person
) -> None:
    """Nor does a new password: who reads the mail would guess until a code is right."""

    def guess(address: str, **differing: Any) -> int:
        where = {"REMOTE_ADDR": address}
        return person.log_in("000000", environ_base=where, **differing).status_code

    assert [guess(f"10.0.0.{number}") for number in range(10)] == [401] * 10
    lost(client, person.username)
    body = {"reset_token": letters.token(), "password": NEW_PASSWORD}
    assert client.post("/api/recover/reset", json=body).status_code == 200
    assert guess("10.0.1.1", secret=NEW_PASSWORD) == 429


@pytest.mark.parametrize("role", ["Viewer", "Researcher", "Organization Admin"])
def test_A18_membership_is_for_those_who_manage_every_collaboration(
    make: Factory, login_as: Login, own: Organization, role: str
) -> None:
    foreign = make.collaboration(make.organization())
    caller = login_as(make.user(own, role=role))
    path = f"/api/collaboration/{foreign.id}"
    assert caller.post(f"{path}/organization", json={"id": own.id}).status_code == 403
    assert caller.patch(path, json={"organization_ids": [own.id]}).status_code == 403
    nearly = {r for r in RULES if r.key != ("collaboration", Scope.GLOBAL, Operation.EDIT)}
    caller = login_as(make.user(own, rules=nearly))
    assert caller.post(f"{path}/organization", json={"id": own.id}).status_code == 403


class TestA19:
    """Every place that compares a secret counts what is wrong."""

    def test_A19_log_in(self, client: FlaskClient, user: User) -> None:
        statuses = [log_in(client, user.username, "wrong").status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    def test_A19_password_change(self, login_as: Login, user: User) -> None:
        body = {"current_password": "wrong", "new_password": NEW_PASSWORD}
        caller = login_as(user)
        statuses = [caller.patch("/api/password/change", json=body).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    def test_A19_lost_second_factor(self, client: FlaskClient, user: User) -> None:
        body = {"username": user.username, "password": "wrong"}
        statuses = [client.post("/api/recover/2fa/lost", json=body).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    @pytest.mark.parametrize("code", ["000000", "abcd-efgh-jkmn-pqrs"])
    def test_A19_codes(self, person: Person, code: str) -> None:
        assert [person.log_in(code).status_code for _ in range(6)] == [401] * 5 + [429]

    @pytest.mark.parametrize(
        ("path", "body", "refusal"),
        [
            ("token/node", {"api_key": "a guess"}, 401),
            ("recover/reset", {"reset_token": "x", "password": NEW_PASSWORD}, 400),
            ("recover/2fa/reset", {"reset_token": "x"}, 400),
        ],
    )
    def test_A19_keys_and_tokens(
        self, client: FlaskClient, path: str, body: dict[str, Any], refusal: int
    ) -> None:
        statuses = [client.post(f"/api/{path}", json=body).status_code for _ in range(51)]
        assert statuses == [refusal] * 50 + [429]

    @pytest.mark.parametrize(
        ("path", "body", "refusal"),
        [
            ("token/node", {"api_key": "a guess"}, 401),
            ("recover/reset", {"reset_token": "x", "password": NEW_PASSWORD}, 400),
        ],
    )
    def test_A19_the_addresses_of_one_network_guess_together(
        self, client: FlaskClient, path: str, body: dict[str, Any], refusal: int
    ) -> None:
        statuses = [
            client.post(
                f"/api/{path}", json=body, environ_base={"REMOTE_ADDR": f"2001:db8::{number}"}
            ).status_code
            for number in range(51)
        ]
        assert statuses == [refusal] * 50 + [429]

    def test_A19_a_namesake_does_not_have_guesses_forgotten(
        self, client: FlaskClient, user: User, make: Factory
    ) -> None:
        """Names that differ in their capitals are two names."""
        namesake = make.user(username=user.username.upper())
        assert namesake.username != user.username
        statuses = []
        for _ in range(6):
            statuses.append(log_in(client, user.username, "wrong").status_code)
            assert log_in(client, namesake.username).status_code == 200
        assert statuses == [401] * 5 + [429]


def test_A20_secrets_cannot_be_guessed(tmp_path: Any) -> None:
    secret = first_run.load_secret({}, tmp_path / "a")
    assert secret != first_run.load_secret({}, tmp_path / "b")
    assert secret == first_run.load_secret({}, tmp_path / "a")
    assert len(secret) >= 43
    with pytest.raises(ConfigurationError, match="too short"):
        first_run.load_secret({"jwt_secret_key": "secret"}, tmp_path)


def test_A20_new_api_keys_are_random(root: User, login_as: Login, study: Collaboration) -> None:
    caller = login_as(root)
    keys = [
        caller.post("/api/recover/node", json={"id": node.id}).json["api_key"]
        for node in study.nodes
    ]
    # The fourth form of these names is the random one; the first tells time and machine.
    assert {key[14] for key in keys} == {"4"}


def test_A21_E06_root_is_not_the_password_of_root(empty_uri: str) -> None:
    database = Database(empty_uri)
    prepared = first_run.prepare(database.engine.url, "prod")
    with database.reading() as session:
        root = session.query(User).filter_by(username="root").one()
    database.dispose()
    assert not password.matches("root", root.password_hash)
    assert prepared.root_password
    assert password.matches(prepared.root_password, root.password_hash)


def test_B01_sockets_join_no_rooms(
    app: Flask, make: Factory, login_as: Login, study: Collaboration, own: Organization
) -> None:
    foreign = make.collaboration(make.organization())
    caller = login_as(make.user(own, role="Researcher"))
    with serving(app) as url:
        listener = Listener(url, caller.token)
        answer = listener.call("join_room", f"collaboration_{foreign.id}")
        listener.close()
    assert answer == {"msg": "You may not be in that room"}


def test_B02_users_say_nothing_of_containers(
    app: Flask, make: Factory, login_as: Login, study: Collaboration, own: Organization
) -> None:
    task = make.task(study)
    report = {
        "result_id": task.results[0].id, "collaboration_id": study.id, "status_code": 1,
        "run_id": task.run_id, "node_id": study.nodes[0].id,
    }  # fmt: skip
    caller = login_as(make.user(own, role="Root"))
    with serving(app) as url:
        listener = Listener(url, caller.token)
        listener.call("container_failed", report)
        listener.close()
    assert login_as(make.user(role="Root")).get(
        f"/api/result/{task.results[0].id}"
    ).json["status"] == "pending"  # fmt: skip
    make.session.refresh(task.results[0])
    assert task.results[0].exit_code is None


@pytest.mark.parametrize("image", [f"evil.example/x/{IMAGE}", f"{IMAGE}x", "evil.example/x:1"])
def test_B03_a_subtask_has_exactly_the_image_of_its_parent(
    make: Factory, login_as: Login, study: Collaboration, own: Organization, image: str
) -> None:
    container = login_as(make.task(study).results[0])
    assert container.post("/api/task", json=order(study, own, image=image)).status_code == 403
    assert container.post("/api/task", json=order(study, own)).status_code == 201


def test_B08_the_token_of_a_container_dies_with_its_run(
    make: Factory, login_as: Login, study: Collaboration
) -> None:
    task = make.task(study)
    container: LoggedIn = login_as(task.results[0])
    assert container.get(f"/api/task/{task.id}").status_code == 200
    node = login_as(task.results[0].node)
    report = {"finished_at": "2026-01-01T00:00:00", "status": "completed", "result": "42"}
    assert node.patch(f"/api/result/{task.results[0].id}", json=report).status_code == 200
    assert container.get(f"/api/task/{task.id}").status_code == 401


def test_B14_tables_are_dropped_only_where_it_is_allowed(tmp_path: Any) -> None:
    config = write_config(tmp_path, allow_drop_all=False)
    done = run("import", "--config", config, "--drop-all", write_import(tmp_path))
    assert done.returncode == 1
    assert "does not allow to drop all tables" in done.stderr


def test_E02_nothing_of_others_is_reached(
    make: Factory, login_as: Login, own: Organization
) -> None:
    foreign = make.collaboration(make.organization())
    task = make.task(foreign)
    caller = login_as(make.user(own, role="Organization Admin"))
    for path in (
        f"task/{task.id}", f"task/{task.id}?include=results", f"task/{task.id}/result",
        f"result/{task.results[0].id}", f"result/{task.results[0].id}?include=task",
        f"collaboration/{foreign.id}", f"collaboration/{foreign.id}/task",
    ):  # fmt: skip
        assert caller.get(f"/api/{path}").status_code == 403, path
    assert caller.get("/api/task?include=results").json == []


def test_E03_nobody_grows_by_editing(make: Factory, login_as: Login, own: Organization) -> None:
    me = make.user(own, role="Organization Admin")
    caller, root_role = login_as(me), make.default_role("Root").id
    assert caller.patch(f"/api/user/{me.id}", json={"roles": [root_role]}).status_code == 403
    friend = make.user(own)
    assert caller.patch(f"/api/user/{friend.id}", json={"roles": [root_role]}).status_code == 403
    body = {"name": "new", "description": "", "rules": [1]}
    assert caller.post("/api/role", json=body).status_code == 403


def test_E07_guessing_ends(client: FlaskClient, user: User) -> None:
    assert [log_in(client, user.username, "wrong").status_code for _ in range(6)][-1] == 429
    # Somebody else at another address is not locked out by it.
    assert log_in(client, user.username, address="10.9.9.9").status_code == 200


def test_E09_what_looks_like_a_statement_is_a_name(root: User, login_as: Login) -> None:
    caller, name = login_as(root), "x'; DROP TABLE task; --%"
    made = caller.post("/api/organization", json={"name": name})
    assert made.json["name"] == name
    assert caller.get("/api/organization", query_string={"name": name}).status_code == 200
    assert caller.get("/api/task").status_code == 200


def test_E10_a_token_that_ended_opens_no_socket(app: Flask, user: User, login_as: Login) -> None:
    token = login_as(user).token
    client = app.test_client()
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert client.patch(
        "/api/password/change", json=body, headers=bearer(token)
    ).status_code == 200  # fmt: skip
    with serving(app) as url, pytest.raises(Refused):
        Listener(url, token)
