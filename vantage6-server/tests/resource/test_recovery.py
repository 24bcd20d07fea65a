"""The way back into an account."""

from datetime import timedelta
from typing import Any

import pytest
from clients import bearer
from factories import Factory
from flask import Flask
from flask.testing import FlaskClient
from letters import SUPPORT, Letters
from person import NEW_PASSWORD, PASSWORD, Person, log_in
from sqlalchemy.orm import Session

from vantage6.server.model import User
from vantage6.server.model.base import now
from vantage6.server.service.login_limit import LoginLimit
from vantage6.server.service.reset_token import Purpose


def lost(client: FlaskClient, address: str = "10.0.0.1", **account: Any) -> Any:
    return client.post("/api/recover/lost", json=account, environ_base={"REMOTE_ADDR": address})


def reset(client: FlaskClient, token: str, password: str = NEW_PASSWORD) -> Any:
    body = {"reset_token": token, "password": password}
    return client.post("/api/recover/reset", json=body)


@pytest.mark.parametrize("by", ["username", "email"])
def test_a_lost_password_is_replaced_by_mail(
    client: FlaskClient, letters: Letters, user: User, by: str
) -> None:
    before = log_in(client, user.username).json["access_token"]
    assert lost(client, **{by: getattr(user, by)}).status_code == 200
    (letter,) = letters.sent
    assert (letter.to, letter.subject) == (user.email, "Password reset vantage6")
    assert "Ada &lt;b&gt;" in letter.html
    assert SUPPORT in letter.html
    assert "60 minutes" in letter.text
    assert reset(client, letters.token()).status_code == 200
    assert log_in(client, user.username).status_code == 401
    assert log_in(client, user.username, NEW_PASSWORD).status_code == 200
    assert client.get("/api/rule", headers=bearer(before)).status_code == 401


def test_nobody_writes_a_letter_by_his_name(
    client: FlaskClient, letters: Letters, make: Factory
) -> None:
    name = "Ada,\n\nyour account ends today, unless you go to: " + 30 * "https://evil.example/"
    lost(client, username=make.user(firstname=name).username)
    greeting = letters.sent[-1].text.split("\n\n")[0]
    assert greeting == f"Dear {' '.join(name.split())[:100]},"


def test_the_answer_does_not_tell_whether_there_is_such_an_account(
    client: FlaskClient, letters: Letters, user: User
) -> None:
    there, not_there = lost(client, username=user.username), lost(client, username="nobody")
    assert (there.status_code, there.json) == (not_there.status_code, not_there.json)
    assert there.status_code == 200
    assert len(letters.sent) == 1


def test_a_request_does_nothing_for_those_who_exist_that_it_does_not_for_others(
    app: Flask, client: FlaskClient, letters: Letters, user: User
) -> None:
    """What takes time, the look for the user and the mail, is done elsewhere."""
    seen: list[str] = []
    posted = app.extensions["notices"]._mailer
    app.extensions["notices"]._mailer = type(
        "Held", (), {"post": lambda self, errand: seen.append(errand.what)}
    )()
    lost(client, username=user.username)
    lost(client, username="nobody")
    assert seen == ["password reset"] * 2
    app.extensions["notices"]._mailer = posted


@pytest.mark.parametrize("body", [{}, {"username": ""}, {"email": None}, {"username": 3}, None])
def test_somebody_must_be_named(client: FlaskClient, body: Any) -> None:
    assert client.post("/api/recover/lost", json=body).status_code == 400
    if body is not None:
        more = {**body, "password": "x"}
        assert client.post("/api/recover/2fa/lost", json=more).status_code == 400


def test_the_username_wins(client: FlaskClient, letters: Letters, make: Factory) -> None:
    one, other = make.user(), make.user()
    lost(client, username=one.username, email=other.email)
    assert [letter.to for letter in letters.sent] == [one.email]


def test_a_token_is_good_once(client: FlaskClient, letters: Letters, user: User) -> None:
    lost(client, username=user.username)
    assert reset(client, letters.token()).status_code == 200
    again = reset(client, letters.token(), "An0ther-one")
    assert (again.status_code, "used already" in again.json["msg"]) == (400, True)


def test_a_token_ends_with_the_address_it_was_mailed_to(
    client: FlaskClient, letters: Letters, user: User, session: Session
) -> None:
    lost(client, username=user.username)
    token = letters.token()
    user.email = "new@hospital.example"
    session.commit()
    assert reset(client, token).status_code == 400


def test_a_token_ends(app: Flask, client: FlaskClient, user: User) -> None:
    tokens = app.extensions["notices"].tokens
    old = tokens.make(Purpose.PASSWORD, user, at=now() - timedelta(minutes=61))
    assert reset(client, old).status_code == 401
    assert log_in(client, user.username).status_code == 200


def test_no_token_is_good_for_something_else(
    app: Flask, client: FlaskClient, letters: Letters, user: User
) -> None:
    access = log_in(client, user.username).json["access_token"]
    tokens = app.extensions["notices"].tokens
    of_password = tokens.make(Purpose.PASSWORD, user)
    of_second_factor = tokens.make(Purpose.SECOND_FACTOR, user)
    assert reset(client, of_second_factor).status_code == 400
    assert reset(client, access).status_code == 400
    wrong = {"reset_token": of_password}
    assert client.post("/api/recover/2fa/reset", json=wrong).status_code == 400
    for token in (of_password, of_second_factor):
        assert client.get("/api/rule", headers=bearer(token)).status_code == 401


def test_a_weak_password_leaves_the_token_good(
    client: FlaskClient, letters: Letters, user: User
) -> None:
    lost(client, username=user.username)
    assert reset(client, letters.token(), "weak").status_code == 400
    assert reset(client, letters.token()).status_code == 200


def test_wrong_tokens_are_counted(client: FlaskClient, user: User, letters: Letters) -> None:
    statuses = [reset(client, "no token").status_code for _ in range(51)]
    assert statuses == [400] * 50 + [429]
    lost(client, username=user.username)
    assert reset(client, letters.token()).status_code == 200


def test_a_new_password_begins_the_count_anew(
    client: FlaskClient, letters: Letters, user: User
) -> None:
    for _ in range(5):
        log_in(client, user.username, "wrong")
    assert log_in(client, user.username).status_code == 429
    lost(client, username=user.username)
    reset(client, letters.token())
    assert log_in(client, user.username, NEW_PASSWORD).status_code == 200


def test_after_it_was_of_use_another_mail_can_be_had(
    client: FlaskClient, letters: Letters, user: User
) -> None:
    lost(client, username=user.username)
    lost(client, username=user.username)
    assert len(letters.sent) == 1
    reset(client, letters.token())
    lost(client, username=user.username)
    assert len(letters.sent) == 2


def test_an_account_without_an_address_gets_no_mail(
    client: FlaskClient, letters: Letters, make: Factory
) -> None:
    assert lost(client, username=make.user(email=None).username).status_code == 200
    assert letters.sent == []


def test_without_a_mail_server_the_answer_is_the_same_and_the_log_says_so(
    client: FlaskClient, user: User, caplog: pytest.LogCaptureFixture
) -> None:
    answers = [lost(client, username=name) for name in (user.username, "nobody")]
    assert {answer.status_code for answer in answers} == {200}
    assert answers[0].json == answers[1].json
    assert "the configuration has no `smtp` block" in caplog.text


class TestSecondFactor:
    """A lost authenticator app."""

    def lost(self, client: FlaskClient, user: User, password: str = PASSWORD) -> Any:
        body = {"username": user.username, "password": password}
        return client.post("/api/recover/2fa/lost", json=body)

    def reset(self, client: FlaskClient, token: str, code: str | None = None) -> Any:
        body = {"reset_token": token, "recovery_code": code}
        return client.post("/api/recover/2fa/reset", json=body)

    def test_a_mail_and_a_recovery_code_give_another(
        self, client: FlaskClient, letters: Letters, user: User, person: Person
    ) -> None:
        assert self.lost(client, user).status_code == 200
        assert letters.sent[-1].subject == "Two-factor authentication reset vantage6"
        answer = self.reset(client, letters.token(), person.recovery_codes[0])
        assert answer.status_code == 200
        assert answer.json.keys() == {"qr_uri", "otp_secret", "msg"}
        assert answer.json["otp_secret"] != person.secret
        assert letters.sent[-1].subject == "Two-factor authentication removed vantage6"
        old = person.recovery_codes[1]
        person.secret = answer.json["otp_secret"]
        assert person.log_in(old).status_code == 401
        assert len(person.log_in(person.code()).json["recovery_codes"]) == 10

    def test_mail_alone_does_not(
        self, client: FlaskClient, letters: Letters, user: User, person: Person
    ) -> None:
        self.lost(client, user)
        refused = self.reset(client, letters.token())
        assert refused.status_code == 400
        assert "recovery_code" in refused.json["msg"]
        assert "administrator" in refused.json["msg"]
        assert person.log_in(person.code(1)).status_code == 200

    def test_a_wrong_recovery_code_does_not(
        self, client: FlaskClient, letters: Letters, user: User, person: Person
    ) -> None:
        self.lost(client, user)
        token = letters.token()
        statuses = [self.reset(client, token, "x").status_code for _ in range(11)]
        assert statuses == [401] * 10 + [429]
        assert person.log_in().json.keys() == {"msg"}

    def test_a_token_is_good_once(
        self, client: FlaskClient, letters: Letters, user: User, person: Person
    ) -> None:
        self.lost(client, user)
        token = letters.token()
        assert self.reset(client, token, person.recovery_codes[0]).status_code == 200
        assert self.reset(client, token, person.recovery_codes[1]).status_code == 400

    def test_an_app_that_was_never_confirmed_is_replaced_without_one(
        self, app: Flask, client: FlaskClient, letters: Letters, user: User
    ) -> None:
        app.extensions["second_factors"].required = True
        first = Person(client, user.username).log_in().json["otp_secret"]
        self.lost(client, user)
        answer = self.reset(client, letters.token())
        assert answer.status_code == 200
        assert answer.json["otp_secret"] != first

    def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(
        self, client: FlaskClient, letters: Letters, user: User
    ) -> None:
        known = self.lost(client, user, "wrong")
        body = {"username": "nobody", "password": "wrong"}
        unknown = client.post("/api/recover/2fa/lost", json=body)
        assert (known.status_code, known.json) == (unknown.status_code, unknown.json)
        assert known.status_code == 401
        assert letters.sent == []

    def test_guesses_count_with_those_at_the_door(self, client: FlaskClient, user: User) -> None:
        for _ in range(5):
            self.lost(client, user, "wrong")
        assert self.lost(client, user).status_code == 429
        assert log_in(client, user.username).status_code == 429

    def test_a_right_guess_by_mail_address_is_not_counted(
        self, client: FlaskClient, user: User
    ) -> None:
        body = {"email": user.email, "password": PASSWORD}
        statuses = [client.post("/api/recover/2fa/lost", json=body).status_code for _ in range(7)]
        assert statuses == [200] * 7

    def test_an_app_that_is_confirmed_meanwhile_is_not_replaced(
        self,
        app: Flask,
        client: FlaskClient,
        letters: Letters,
        user: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        app.extensions["second_factors"].required = True
        person = Person(client, user.username)
        self.lost(client, user)
        reserve = LoginLimit.reserve_code

        def confirm_first(*args: Any, **options: Any) -> int:
            monkeypatch.undo()
            assert person.enrol().status_code == 200
            return reserve(*args, **options)

        monkeypatch.setattr(LoginLimit, "reserve_code", confirm_first)
        assert self.reset(client, letters.token()).status_code == 401
        assert person.log_in(person.code(1)).status_code == 200

    def test_a_new_password_leaves_the_second_factor_as_it_is(
        self, client: FlaskClient, letters: Letters, user: User, person: Person
    ) -> None:
        lost(client, username=user.username)
        reset(client, letters.token())
        assert person.log_in(secret=NEW_PASSWORD).json.keys() == {"msg"}
        assert person.log_in(person.code(1), secret=NEW_PASSWORD).status_code == 200
