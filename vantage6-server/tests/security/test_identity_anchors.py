"""Published holes of the classic line that concern who is who; each test has the name of one."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clients import Login, bearer
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from letters import Letters
from mailserver import MailServer, run_mail_server
from person import PASSWORD, Person
from sqlalchemy import update
from sqlalchemy.orm import Session

from vantage6.common.exceptions import ConfigurationError
from vantage6.server import first_run
from vantage6.server.app import create_app
from vantage6.server.database import Database
from vantage6.server.model import Node, RefreshToken, User
from vantage6.server.model.base import now
from vantage6.server.service import password

NEW = "N3w-passw0rd"


@pytest.fixture
def user(make: Factory) -> User:
    return make.user()


def log_in(client: FlaskClient, name: str, secret: str = PASSWORD, address: str = "::1") -> Any:
    body = {"username": name, "password": secret}
    where = {"REMOTE_ADDR": address}
    return client.post("/api/token/user", json=body, environ_base=where)


def test_a1_nobody_learns_from_a_refusal_that_an_account_exists(
    client: FlaskClient, user: User
) -> None:
    """CVE-2022-39228."""

    def answers(name: str) -> list[tuple[int, Any]]:
        given = [log_in(client, name, "wrong", f"10.0.0.{len(name)}") for _ in range(7)]
        return [(answer.status_code, answer.json) for answer in given]

    assert answers(user.username) == answers("somebody else")


def test_a1_guesses_do_not_tell_whose_a_mail_address_is(client: FlaskClient, user: User) -> None:
    """CVE-2022-39228, by a detour: locked out by the address, locked out by the name."""
    for email in (user.email, "nobody@hospital.example"):
        body = {"email": email, "password": "wrong"}
        where = {"REMOTE_ADDR": "10.0.0.1"}
        statuses = [
            client.post("/api/recover/2fa/lost", json=body, environ_base=where).status_code
            for _ in range(6)
        ]
        assert statuses == [401] * 5 + [429]
        assert log_in(client, user.username, "wrong", "10.0.0.1").status_code == 401


def test_a3_a_refresh_token_ends(
    client: FlaskClient, user: User, session: Session, make: Factory
) -> None:
    """CVE-2023-23929."""
    hospital = make.organization()
    node: Node = make.node(hospital, make.collaboration(hospital), api_key="the key")
    of_user = log_in(client, user.username).json["refresh_token"]
    of_node = client.post("/api/token/node", json={"api_key": "the key"}).json["refresh_token"]

    def renew(token: str) -> int:
        return client.post("/api/token/refresh", headers=bearer(token)).status_code

    assert (renew(of_user), renew(of_node)) == (200, 200)
    session.execute(
        update(RefreshToken).where(RefreshToken.identity_id == user.id).values(expires_at=now())
    )
    session.commit()
    assert (renew(of_user), renew(of_node)) == (401, 200)
    node.revoke_tokens()
    session.commit()
    assert renew(of_node) == 401


def test_a11_an_unknown_name_costs_as_much_work_as_a_wrong_password(
    client: FlaskClient, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CVE-2024-21671."""
    compared: list[str | None] = []
    matches = password.matches

    def note(secret: str, hashed: str | None) -> bool:
        compared.append(hashed and "a hash")
        return matches(secret, hashed)

    monkeypatch.setattr(password, "matches", note)
    log_in(client, user.username, "wrong")
    log_in(client, "nobody", "wrong")
    body = {"username": "nobody", "password": "wrong"}
    client.post("/api/recover/2fa/lost", json=body)
    assert compared == ["a hash", None, None]


class TestA15:
    """CVE-2024-24769: a flood of mails."""

    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[MailServer]:
        with run_mail_server(tmp_path / "mail") as running:
            yield running

    @pytest.fixture
    def config(self, config: dict[str, Any], server: MailServer) -> dict[str, Any]:
        return {**config, "smtp": server.config()}

    def test_a15_of_a_hundred_requests_one_becomes_a_mail(
        self, app: Flask, client: FlaskClient, user: User, server: MailServer
    ) -> None:
        for number in range(100):
            where = {"REMOTE_ADDR": f"10.0.{number}.1"}
            answer = client.post(
                "/api/recover/lost", json={"username": user.username}, environ_base=where
            )
            assert answer.status_code == 200
        app.extensions["notices"].wait()
        assert [message["To"] for message in server.messages] == [user.email]
        assert server.were_safe == [True]

    def test_a15_one_address_does_not_flood_many_accounts(
        self, app: Flask, client: FlaskClient, make: Factory, server: MailServer
    ) -> None:
        for _ in range(25):
            client.post("/api/recover/lost", json={"username": make.user().username})
        app.extensions["notices"].wait()
        assert len(server.messages) == 20

    def test_a15_another_process_counts_on(
        self, app: Flask, config: dict[str, Any], user: User, server: MailServer
    ) -> None:
        other = create_app(config)
        for each in (app, other):
            body = {"username": user.username}
            each.test_client().post("/api/recover/lost", json=body)
            each.extensions["notices"].wait()
        other.extensions["database"].dispose()
        assert len(server.messages) == 1


def test_a16_a_lost_password_is_answered_before_the_user_is_looked_for(
    app: Flask, client: FlaskClient, user: User, letters: Letters
) -> None:
    """CVE-2024-24770: the request does the same whether there is a user; a thread does the rest."""
    here, looked = threading.get_ident(), []
    notices = app.extensions["notices"]
    write = notices._password_reset

    def note(user: User) -> Any:
        looked.append(threading.get_ident())
        return write(user)

    notices._password_reset = note
    answers = [
        client.post("/api/recover/lost", json={"username": name})
        for name in (user.username, "nobody")
    ]
    assert len(letters.sent) == 1
    assert looked
    assert here not in looked
    assert answers[0].json == answers[1].json


def test_a17_mail_alone_does_not_replace_a_second_factor(
    app: Flask, client: FlaskClient, user: User, letters: Letters
) -> None:
    """CVE-2024-27928: who reads the mail of somebody gets neither factor from it but one."""
    app.extensions["second_factors"].required = True
    person = Person(client, user.username)
    person.enrol()
    client.post("/api/recover/lost", json={"username": user.username})
    body = {"reset_token": letters.token(), "password": NEW}
    assert client.post("/api/recover/reset", json=body).status_code == 200
    login = {"username": user.username, "password": NEW}
    assert client.post("/api/token/user", json=login).json.keys() == {"msg"}
    client.post("/api/recover/2fa/lost", json=login)
    refused = client.post("/api/recover/2fa/reset", json={"reset_token": letters.token()})
    assert refused.status_code == 400
    assert client.post("/api/token/user", json=login).json.keys() == {"msg"}


def test_a17_mail_alone_does_not_begin_the_guesses_at_codes_anew(
    app: Flask, client: FlaskClient, letters: Letters, user: User
) -> None:
    """Nor does a new password: who reads the mail would guess until a code is right."""
    app.extensions["second_factors"].required = True
    person = Person(client, user.username)
    person.enrol()
    for number in range(10):
        where = {"REMOTE_ADDR": f"10.0.0.{number}"}
        assert person.log_in("000000", environ_base=where).status_code == 401
    client.post("/api/recover/lost", json={"username": user.username})
    body = {"reset_token": letters.token(), "password": NEW}
    assert client.post("/api/recover/reset", json=body).status_code == 200
    where = {"REMOTE_ADDR": "10.0.1.1"}
    assert person.log_in("000000", secret=NEW, environ_base=where).status_code == 429


class TestA19:
    """CVE-2025-43863: every place that compares a secret counts what is wrong."""

    def test_a19_log_in(self, client: FlaskClient, user: User) -> None:
        statuses = [log_in(client, user.username, "wrong").status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    def test_a19_password_change(self, login_as: Login, user: User) -> None:
        body = {"current_password": "wrong", "new_password": NEW}
        caller = login_as(user)
        statuses = [caller.patch("/api/password/change", json=body).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    def test_a19_lost_second_factor(self, client: FlaskClient, user: User) -> None:
        body = {"username": user.username, "password": "wrong"}
        statuses = [client.post("/api/recover/2fa/lost", json=body).status_code for _ in range(6)]
        assert statuses == [401] * 5 + [429]

    @pytest.mark.parametrize("code", ["000000", "abcd-efgh-jkmn-pqrs"])
    def test_a19_codes(self, app: Flask, client: FlaskClient, user: User, code: str) -> None:
        app.extensions["second_factors"].required = True
        person = Person(client, user.username)
        person.enrol()
        assert [person.log_in(code).status_code for _ in range(6)] == [401] * 5 + [429]

    @pytest.mark.parametrize(
        ("path", "body", "refusal"),
        [
            ("token/node", {"api_key": "a guess"}, 401),
            ("recover/reset", {"reset_token": "x", "password": NEW}, 400),
            ("recover/2fa/reset", {"reset_token": "x"}, 400),
        ],
    )
    def test_a19_keys_and_tokens(
        self, client: FlaskClient, path: str, body: dict[str, Any], refusal: int
    ) -> None:
        statuses = [client.post(f"/api/{path}", json=body).status_code for _ in range(51)]
        assert statuses == [refusal] * 50 + [429]

    @pytest.mark.parametrize(
        ("path", "body", "refusal"),
        [
            ("token/node", {"api_key": "a guess"}, 401),
            ("recover/reset", {"reset_token": "x", "password": NEW}, 400),
        ],
    )
    def test_a19_the_addresses_of_one_network_guess_together(
        self, client: FlaskClient, path: str, body: dict[str, Any], refusal: int
    ) -> None:
        statuses = [
            client.post(
                f"/api/{path}", json=body, environ_base={"REMOTE_ADDR": f"2001:db8::{number}"}
            ).status_code
            for number in range(51)
        ]
        assert statuses == [refusal] * 50 + [429]

    def test_a19_a_namesake_does_not_have_guesses_forgotten(
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


def test_guesses_from_many_addresses_are_slowed_down_and_the_owner_is_told(
    app: Flask, client: FlaskClient, user: User, letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    database: Database = app.extensions["database"]

    def sleep(seconds: float) -> None:
        # Nobody waits for a connection because of somebody who guesses; but the mails use one.
        assert len(letters.sent) <= 1
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        pauses.append(seconds)

    limit = app.extensions["login_limit"]
    app.extensions["login_limit"] = replace(limit, sleep=sleep)
    for number in range(15):
        assert log_in(client, user.username, "wrong", f"10.0.0.{number}").status_code == 401
    assert pauses[:10] == [0.0] * 10
    assert pauses[10:] == [0.25, 0.5, 1.0, 2.0, 4.0]
    (letter,) = letters.sent
    assert (letter.to, letter.subject) == (user.email, "Wrong log-ins to your vantage6 account")
    # The owner waits, and gets in.
    assert log_in(client, user.username, address="10.0.1.1").status_code == 200
    assert pauses[15:] == [4.0]
    assert log_in(client, "nobody", address="10.0.1.1").status_code == 401


def test_a20_the_secret_of_the_server_is_random_and_kept(tmp_path: Path) -> None:
    """CVE-2025-43866."""
    first = first_run.load_secret({}, tmp_path / "one")
    assert first == first_run.load_secret({}, tmp_path / "one")
    assert first != first_run.load_secret({}, tmp_path / "two")
    assert len(first) >= 43
    with pytest.raises(ConfigurationError):
        first_run.load_secret({"jwt_secret_key": "secret"}, tmp_path)


def test_the_limits_hold_when_all_come_at_once(
    app: Flask, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One code, shown ten times in the same moment, is taken once."""
    app.extensions["second_factors"].required = True
    person = Person(app.test_client(), user.username)
    person.enrol()
    # So that the limit of attempts is not what stops them.
    app.extensions["login_limit"] = replace(app.extensions["login_limit"], per_account=100)
    code, ready = person.code(1), threading.Barrier(5)
    statuses: list[int] = []

    def show() -> None:
        other = Person(app.test_client(), user.username)
        ready.wait()
        statuses.append(other.log_in(code).status_code)

    threads = [threading.Thread(target=show) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 4
