"""Logging in with an authenticator app."""

from typing import Any

import pyotp
import pytest
from clients import LoggedIn, Login
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from letters import Letters
from person import PASSWORD, Person
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.model import SecondFactor, User
from vantage6.server.permission.catalogue import Operation, Scope, rule

EDIT_OWN = rule("user", Scope.ORGANIZATION, Operation.EDIT)


@pytest.fixture
def config(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, "two_factor_auth": True}


@pytest.fixture
def person(client: FlaskClient, user: User) -> Person:
    return Person(client, user.username)


def test_the_first_login_shows_how_to_set_the_app_up(person: Person, user: User) -> None:
    answer = person.log_in()
    assert answer.status_code == 200
    assert answer.json.keys() == {"qr_uri", "otp_secret", "msg"}
    parsed = pyotp.parse_uri(answer.json["qr_uri"])
    assert (parsed.issuer, parsed.name) == ("vantage6", user.username)
    assert parsed.secret == answer.json["otp_secret"]


def test_the_first_code_gives_tokens_and_recovery_codes(person: Person) -> None:
    answer = person.enrol()
    assert answer.status_code == 200
    assert answer.json.keys() >= {"access_token", "refresh_token", "user_url", "refresh_url"}
    assert answer.headers["jwt-token"] == answer.json["access_token"]
    assert len(set(answer.json["recovery_codes"])) == 10


def test_who_looked_before_the_owner_has_another_secret(person: Person) -> None:
    somebody = Person(person.client, person.username)
    somebody.secret = somebody.log_in().json["otp_secret"]
    assert person.log_in(secret="wrong").status_code == 401
    assert person.enrol().status_code == 200
    assert somebody.log_in(somebody.code(1)).status_code == 401
    assert person.log_in(person.code(1)).status_code == 200


def test_what_was_confirmed_is_never_shown_again(person: Person) -> None:
    person.enrol()
    answer = person.log_in()
    assert answer.status_code == 200
    assert answer.json.keys() == {"msg"}


@pytest.mark.parametrize("form", [str, int, lambda code: f"{code[:3]} {code[3:]}"])
def test_later_the_code_is_needed(person: Person, form: Any) -> None:
    person.enrol()
    answer = person.log_in(form(person.code(1)))
    assert answer.status_code == 200
    assert "recovery_codes" not in answer.json
    assert answer.json["access_token"]


def test_a_code_is_good_once(person: Person) -> None:
    person.enrol()
    code = person.code(1)
    assert person.log_in(code).status_code == 200
    assert person.log_in(code).status_code == 401


def test_no_code_helps_without_the_password(person: Person) -> None:
    person.enrol()
    for code in (person.code(1), person.recovery_codes[0]):
        assert person.log_in(code, secret="wrong").status_code == 401


@pytest.mark.parametrize("code", ["000", "abcdef", "١٢٣٤٥٦", "-", [1], True])
def test_what_is_no_code(person: Person, code: Any) -> None:
    person.enrol()
    assert person.log_in(code).status_code in (400, 401)


def test_a_recovery_code_replaces_the_app_once(person: Person) -> None:
    person.enrol()
    first, second = person.recovery_codes[:2]
    answer = person.log_in(first)
    assert answer.status_code == 200
    assert answer.json["access_token"]
    assert "9" in answer.json["msg"]
    assert person.log_in(first).status_code == 401
    assert person.log_in(second.upper().replace("-", " ")).status_code == 200


def test_wrong_codes_count_like_wrong_passwords(person: Person) -> None:
    person.enrol()
    statuses = []
    for _ in range(5):
        statuses.append(person.log_in("000000").status_code)
        # Knowing the password does not begin the count anew.
        statuses.append(person.log_in().status_code)
    assert statuses == [401, 200] * 4 + [401, 429]
    assert person.log_in(person.code(1)).status_code == 429


def test_codes_cannot_be_guessed_from_many_addresses(
    person: Person, user: User, letters: Letters
) -> None:
    person.enrol()
    statuses = [
        person.log_in("000000", environ_base={"REMOTE_ADDR": f"10.0.0.{number}"}).status_code
        for number in range(12)
    ]
    assert statuses == [401] * 10 + [429] * 2
    assert [letter.to for letter in letters.sent] == [user.email]


def test_the_secret_is_not_in_the_database_as_it_is(person: Person, session: Session) -> None:
    person.enrol()
    factor = session.scalars(select(SecondFactor)).one()
    assert person.secret not in factor.sealed_secret


def test_nobody_sees_the_secret_of_a_user(person: Person, user: User, login_as: Login) -> None:
    person.enrol()
    shown = login_as(user).get(f"/api/user/{user.id}")
    assert shown.json["otp_secret"] is None
    assert person.secret not in shown.text


def test_a_server_that_does_not_ask_for_it_ignores_it(
    person: Person, app: Flask, config: dict[str, Any]
) -> None:
    person.enrol()
    app.extensions["second_factors"].required = False
    assert person.log_in().json["access_token"]
    assert person.log_in("000000").json["access_token"]


class TestNewRecoveryCodes:
    """For those who used theirs up, or whose client did not show them."""

    def ask(self, login_as: Login, user: User, code: str, password: str = PASSWORD) -> Any:
        body = {"password": password, "mfa_code": code}
        return login_as(user).post("/api/recover/2fa/codes", json=body)

    def test_they_replace_the_old_ones(self, person: Person, user: User, login_as: Login) -> None:
        person.enrol()
        answer = self.ask(login_as, user, person.code(1))
        assert answer.status_code == 200
        assert len(answer.json["recovery_codes"]) == 10
        assert person.log_in(person.recovery_codes[0]).status_code == 401
        assert person.log_in(answer.json["recovery_codes"][0]).status_code == 200

    def test_they_take_both_factors(self, person: Person, user: User, login_as: Login) -> None:
        person.enrol()
        assert self.ask(login_as, user, person.code(1), "wrong").status_code == 401
        assert self.ask(login_as, user, "000000").status_code == 401
        assert self.ask(login_as, user, person.recovery_codes[0]).status_code == 401
        # Nothing of it is used up by that.
        assert person.log_in(person.recovery_codes[0]).status_code == 200


class TestRemovalByAnAdministrator:
    """For those who lost the app and the recovery codes."""

    @pytest.fixture
    def admin(self, make: Factory, user: User) -> User:
        return make.user(user.organization, rules=[EDIT_OWN])

    @pytest.fixture
    def caller(self, login_as: Login, admin: User) -> LoggedIn:
        return login_as(admin)

    def test_the_user_begins_anew(
        self, person: Person, user: User, caller: LoggedIn, login_as: Login, letters: Letters
    ) -> None:
        person.enrol()
        before = login_as(user)
        assert caller.delete(f"/api/user/{user.id}/2fa").status_code == 200
        assert [letter.to for letter in letters.sent] == [user.email]
        assert before.get("/api/rule").status_code == 401
        answer = person.log_in().json
        assert answer["otp_secret"] != person.secret
        assert person.log_in(person.recovery_codes[0]).status_code == 401

    def test_not_of_the_own_account(self, admin: User, caller: LoggedIn) -> None:
        refused = caller.delete(f"/api/user/{admin.id}/2fa")
        assert refused.status_code == 403
        assert "your own" in refused.json["msg"]

    def test_not_of_a_stronger_account(
        self, make: Factory, user: User, caller: LoggedIn, letters: Letters
    ) -> None:
        stronger = make.user(user.organization, role="Root")
        assert caller.delete(f"/api/user/{stronger.id}/2fa").status_code == 403
        assert letters.sent == []
