"""The comparison of secrets, as those who guess meet it."""

import threading
from dataclasses import replace
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from letters import Letters
from person import Person

from vantage6.server.database import Database
from vantage6.server.model import User


def test_guesses_from_many_addresses_are_slowed_down_and_the_owner_is_told(
    app: Flask, client: FlaskClient, user: User, letters: Letters
) -> None:
    pauses: list[float] = []
    database: Database = app.extensions["database"]

    def sleep(seconds: float) -> None:
        # Nobody waits for a connection because of somebody who guesses; but the mails use one.
        assert len(letters.sent) <= 1
        assert database.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        pauses.append(seconds)

    def log_in(number: int, name: str = user.username, **differing: Any) -> int:
        where = {"REMOTE_ADDR": f"10.0.0.{number}"}
        return Person(client, name).log_in(environ_base=where, **differing).status_code

    app.extensions["login_limit"] = replace(app.extensions["login_limit"], sleep=sleep)
    assert [log_in(number, secret="wrong") for number in range(15)] == [401] * 15
    assert pauses == [0.0] * 10 + [0.25, 0.5, 1.0, 2.0, 4.0]
    (letter,) = letters.sent
    assert (letter.to, letter.subject) == (user.email, "Wrong log-ins to your vantage6 account")
    # The owner waits, and gets in.
    assert log_in(100) == 200
    assert pauses[15:] == [4.0]
    assert log_in(100, "nobody") == 401


def test_one_code_shown_many_times_at_once_is_taken_once(app: Flask, person: Person) -> None:
    # So that the limit of attempts is not what stops them.
    app.extensions["login_limit"] = replace(app.extensions["login_limit"], per_account=100)
    code, ready = person.code(1), threading.Barrier(5)
    statuses: list[int] = []

    def show() -> None:
        other = Person(app.test_client(), person.username)
        ready.wait()
        statuses.append(other.log_in(code).status_code)

    threads = [threading.Thread(target=show) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [401] * 4
