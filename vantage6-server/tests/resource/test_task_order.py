"""A task that is ordered once more with the same key is not made twice, and told to nobody else."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from clients import LoggedIn, Login, bearer
from factories import IMAGE, Factory
from flask import Flask
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from vantage6.server.model import Task, TaskOrder
from vantage6.server.model.base import now
from vantage6.server.service.event import Event


class Study:
    """A hospital with a node, two researchers of it, and what they may order."""

    def __init__(self, make: Factory, login_as: Login) -> None:
        self.make, self.login_as = make, login_as
        self.hospital = make.organization()
        self.collaboration = make.collaboration(self.hospital)
        self.node = make.node(self.hospital, self.collaboration)
        self.first, self.second = (
            login_as(make.user(self.hospital, role="Researcher")) for _ in range(2)
        )
        self.body: dict[str, Any] = {
            "collaboration_id": self.collaboration.id,
            "organizations": [{"id": self.hospital.id, "input": "aW5wdXQ="}],
            "image": IMAGE,
        }

    def order(self, who: LoggedIn, key: str, **changed: Any) -> Any:
        """Order the task."""
        headers = {**bearer(who.token), "Idempotency-Key": key}
        return who.post("/api/task", json={**self.body, **changed}, headers=headers)


@pytest.fixture
def study(make: Factory, login_as: Login) -> Study:
    return Study(make, login_as)


def count(session: Session) -> int:
    session.rollback()
    return session.scalar(select(func.count()).select_from(Task)) or 0


def test_an_order_that_is_repeated_gets_the_same_task(study: Study, session: Session) -> None:
    first, second = (study.order(study.first, "k1") for _ in range(2))
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json == second.json
    assert count(session) == 1


def test_a_repetition_is_announced_to_nobody(study: Study, app: Flask) -> None:
    seen: list[Event] = []
    study.order(study.first, "k1")
    app.extensions["events"].subscribe(seen.append)
    study.order(study.first, "k1")
    assert seen == []


def test_without_a_key_every_order_is_a_new_one(study: Study, session: Session) -> None:
    for _ in range(2):
        assert study.first.post("/api/task", json=study.body).status_code == 201
    assert count(session) == 2


def test_another_key_is_another_order(study: Study, session: Session) -> None:
    made = {study.order(study.first, key).json["id"] for key in ("k1", "k2", "K1")}
    assert len(made) == count(session) == 3


def test_another_order_under_the_same_key_is_refused(study: Study, session: Session) -> None:
    study.order(study.first, "k1")
    other = study.order(study.first, "k1", name="other")
    assert other.status_code == 409
    assert "another task" in other.json["msg"]
    assert count(session) == 1


def test_the_key_of_somebody_else_tells_nothing(study: Study, session: Session) -> None:
    """A colleague who guesses the key and the order gets a task of their own."""
    first = study.order(study.first, "k1")
    second = study.order(study.second, "k1")
    assert second.status_code == 201
    assert second.json["id"] != first.json["id"]
    assert study.order(study.second, "k1", name="x").status_code == 409
    assert count(session) == 2


def test_an_order_that_was_refused_leaves_its_key_free(study: Study) -> None:
    assert study.order(study.first, "k1", organizations=[{"id": 99}]).status_code == 400
    assert study.order(study.first, "k1").status_code == 201


def test_a_task_that_was_deleted_is_not_made_again(study: Study, session: Session) -> None:
    made = study.order(study.first, "k1").json
    session.delete(session.get_one(Task, made["id"]))
    session.commit()
    again = study.order(study.first, "k1")
    assert again.status_code == 409
    assert "deleted" in again.json["msg"]


def test_who_may_not_order_any_more_gets_nothing_by_a_key(
    study: Study, session: Session, make: Factory
) -> None:
    user = make.user(study.hospital, role="Researcher")
    logged_in = study.login_as(user)
    assert study.order(logged_in, "k1").status_code == 201
    user.roles = []
    session.commit()
    assert study.order(logged_in, "k1").status_code == 403


def test_a_key_is_forgotten_after_a_day(study: Study, session: Session) -> None:
    study.order(study.first, "k1")
    order = session.scalars(select(TaskOrder)).one()
    assert timedelta(hours=23) < order.expires_at - now() <= timedelta(hours=24)
    session.execute(update(TaskOrder).values(expires_at=now()))
    session.commit()
    study.order(study.first, "k2")
    session.rollback()
    assert len(session.scalars(select(TaskOrder)).all()) == 1
    assert study.order(study.first, "k1").status_code == 201
    assert count(session) == 3


@pytest.mark.parametrize(
    "key", ["", "with space", "x" * 256, "\u00e9"], ids=["empty", "space", "long", "accent"]
)
def test_a_key_that_is_none_is_refused(study: Study, session: Session, key: str) -> None:
    refused = study.order(study.first, key)
    assert refused.status_code == 400
    assert "Idempotency-Key" in refused.json["msg"]
    assert count(session) == 0


def test_a_subtask_that_is_ordered_again_is_made_once(
    study: Study, session: Session, make: Factory
) -> None:
    """Also when it was sealed again on the way, by another process of the node."""
    user = make.user(study.hospital)
    task = make.task(study.collaboration, study.hospital, init_user=user)
    container, before = study.login_as(task.results[0]), count(session)
    again = [{"id": study.hospital.id, "input": "c2VhbGVkIGFnYWlu"}]
    first, second = (
        study.order(container, "k1"),
        study.order(container, "k1", organizations=again),
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json["id"] == second.json["id"]
    assert count(session) == before + 1


def test_the_key_of_another_container_tells_nothing(
    study: Study, session: Session, make: Factory
) -> None:
    user = make.user(study.hospital)
    tasks = [make.task(study.collaboration, study.hospital, init_user=user) for _ in range(2)]
    orders = [study.order(study.login_as(task.results[0]), "k1") for task in tasks]
    orders.append(study.order(study.login_as(user), "k1"))
    made = [order.json["id"] for order in orders[:2]]
    assert len(set(made)) == 2
    assert orders[2].status_code == 403 or orders[2].json["id"] not in made


def test_orders_of_one_moment_become_one_task(study: Study, session: Session) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: study.order(study.first, "k1"), range(4)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert count(session) == 1


def test_keys_and_inputs_are_not_stored(study: Study, session: Session) -> None:
    study.order(study.first, "a-word-of-mine")
    order = session.scalars(select(TaskOrder)).one()
    assert "word" not in order.key
    assert "input" not in order.body
