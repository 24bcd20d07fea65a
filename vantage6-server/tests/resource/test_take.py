"""Taking runs: claimed, begun and with all that they need, in one call."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from clients import LoggedIn, bearer
from factories import IMAGE, Factory
from flask import Flask
from sqlalchemy import update
from sqlalchemy.orm import Session

from vantage6.common import jwt
from vantage6.common.task_status import FINAL, TaskStatus
from vantage6.server.model import Collaboration, Node, Organization, Result
from vantage6.server.model.base import now
from vantage6.server.service import claim
from vantage6.server.service.event import Event

SilenceType = Callable[[], None]
TakeType = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def take(as_node: LoggedIn) -> TakeType:
    """Takes runs, for a process called `one` unless told otherwise."""

    def take(limit: int = 100, claim: str = "one", **wanted: Any) -> list[dict[str, Any]]:
        body = {"claim": claim, "limit": limit, **wanted}
        answer = as_node.post("/api/claim/take", json=body)
        assert answer.status_code == 200, answer.json
        taken: list[dict[str, Any]] = answer.json
        return taken

    return take


@pytest.fixture
def be_silent(session: Session) -> SilenceType:
    """Let the time pass in which the processes that have runs say nothing."""

    def be_silent() -> None:
        silent_since = now() - claim.LEASE - timedelta(seconds=1)
        session.execute(update(Result).values(claimed_at=silent_since))
        session.commit()

    return be_silent


def runs_of(make: Factory, study: Collaboration, number: int) -> list[int]:
    return [make.task(study).results[0].id for _ in range(number)]


def ids(taken: list[dict[str, Any]]) -> list[int]:
    return [run["id"] for run in taken]


def test_a_run_comes_with_all_that_is_needed_to_start_it(
    take: TakeType,
    as_node: LoggedIn,
    make: Factory,
    study: Collaboration,
    own: Organization,
) -> None:
    user = make.user(own)
    task = make.task(study, input="aW5wdXQ=", init_user=user)
    (run,) = take(1)
    token = run.pop("container_token")
    listed = as_node.get(f"/api/result/{task.results[0].id}?include=task").json
    assert run["task"].items() <= listed.pop("task").items()
    assert {**listed, **run, "task": None} == {**listed, "task": None}
    assert (run["input"], run["claim"], run["status"]) == ("aW5wdXQ=", "one", "initializing")
    assert (run["task"]["image"], run["task"]["init_user_name"]) == (IMAGE, user.username)
    by_itself = as_node.post("/api/token/container", json={"task_id": task.id, "image": IMAGE})
    assert claims_of(token) == claims_of(by_itself.json["container_token"])


def test_subtasks_alone_are_given_where_that_is_wished(
    take: TakeType, make: Factory, study: Collaboration
) -> None:
    parent = make.task(study)
    subtasks = [make.task(study, parent=parent).results[0].id for _ in range(3)]
    runs_of(make, study, 1)
    taken = take(2, only_subtasks=True)
    assert ids(taken) == subtasks[:2]
    assert {run["task"]["parent"]["id"] for run in taken} == {parent.id}
    assert ids(take(only_subtasks=True, held=ids(taken))) == subtasks[2:]


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, without what is of its moment."""
    claims = jwt.unverified_claims(token)
    return {name: value for name, value in claims.items() if name not in ("iat", "nbf", "jti")}


def test_the_token_lets_the_container_in(
    app: Flask, take: TakeType, make: Factory, study: Collaboration
) -> None:
    task = make.task(study)
    (run,) = take()
    answer = app.test_client().get(f"/api/task/{task.id}", headers=bearer(run["container_token"]))
    assert (answer.status_code, answer.json["id"]) == (200, task.id)


@pytest.mark.parametrize("image", ["", None, "Not an image!"])
def test_an_image_without_a_good_name_has_no_token(
    take: TakeType, make: Factory, study: Collaboration, image: str | None
) -> None:
    make.task(study, image=image)
    (run,) = take()
    assert run["container_token"] is None


def test_the_oldest_come_first_and_each_once(
    take: TakeType, make: Factory, study: Collaboration
) -> None:
    made = runs_of(make, study, 5)
    assert [ids(take(2)), ids(take(2, "other")), ids(take(2)), take(2)] == [
        made[:2],
        made[2:4],
        made[4:],
        [],
    ]


def test_one_task_can_be_asked_for(take: TakeType, make: Factory, study: Collaboration) -> None:
    first, second = (make.task(study) for _ in range(2))
    assert ids(take(task_id=second.id)) == [second.results[0].id]
    assert take(task_id=second.id) == []
    assert ids(take(task_id=first.id)) == [first.results[0].id]


def test_a_lost_answer_comes_again(take: TakeType, make: Factory, study: Collaboration) -> None:
    made = runs_of(make, study, 4)
    assert ids(take(3)) == made[:3]
    assert ids(take(held=made[1:3])) == [made[0], made[3]]
    assert take(held=made) == []
    assert take() == []


def test_a_process_that_died_is_given_what_it_does_not_remember(
    take: TakeType, as_node: LoggedIn, make: Factory, study: Collaboration
) -> None:
    first, second = runs_of(make, study, 2)
    take()
    as_node.patch(f"/api/result/{second}", json={"claim": "one", "status": "active"})
    again = take(held=[])
    assert [(run["id"], run["status"]) for run in again] == [
        (first, "initializing"),
        (second, "active"),
    ]


def test_nobody_takes_what_another_process_has(
    take: TakeType, make: Factory, study: Collaboration, be_silent: SilenceType
) -> None:
    runs_of(make, study, 1)
    take(claim="other")
    assert take(held=[]) == []
    be_silent()
    assert [one["claim"] for one in take(held=[])] == ["one"]
    assert take(claim="other", held=[]) == []


def test_what_a_process_holds_does_not_come_again_for_its_silence(
    take: TakeType, make: Factory, study: Collaboration, be_silent: SilenceType
) -> None:
    (run,) = runs_of(make, study, 1)
    take()
    be_silent()
    assert take(held=[run]) == []


@pytest.mark.parametrize("status", sorted(FINAL))
def test_a_run_that_has_ended_is_not_given(
    take: TakeType, make: Factory, study: Collaboration, status: TaskStatus
) -> None:
    make.task(study, status=status)
    assert take(held=[]) == []


def test_the_runs_of_other_nodes_are_not_given(
    take: TakeType, make: Factory, study: Collaboration, own: Organization
) -> None:
    stranger = make.organization()
    abroad = make.collaboration(own, stranger)
    make.task(abroad)
    study.organizations.append(stranger)
    make.task(study, stranger)
    assert take(held=[]) == []


def test_a_process_can_see_what_has_begun_without_the_inputs(
    take: TakeType, as_node: LoggedIn, node: Node, make: Factory, study: Collaboration
) -> None:
    first, second, _ = runs_of(make, study, 3)
    take(1)
    take(1, "other")
    listed = as_node.get(f"/api/result?state=claimed&node_id={node.id}").json
    assert {run["id"]: run["claim"] for run in listed} == {first: "one", second: "other"}
    assert [run["input"] for run in listed] == [None, None]


def test_taking_is_told_like_a_report(
    take: TakeType, make: Factory, study: Collaboration, events: list[Event]
) -> None:
    task = make.task(study)
    take()
    assert [(event.name, event.payload["status"]) for event in events] == [
        ("status_update", "initializing")
    ]
    assert events[0].task_id == task.id
    take(held=[])
    assert len(events) == 1


def test_a_run_that_was_taken_can_end_with_one_report(
    take: TakeType, as_node: LoggedIn, make: Factory, study: Collaboration
) -> None:
    make.task(study)
    (run,) = take()
    ended = as_node.patch(
        f"/api/result/{run['id']}",
        json={
            "claim": "one",
            "status": "completed",
            "result": "QQ==",
            "started_at": "2026-01-01T00:00:00",
            "finished_at": "2026-01-01T00:00:01",
        },
    ).json
    assert (ended["status"], ended["started_at"]) == ("completed", "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 1}, "claim"),
        ({"claim": "one"}, "limit"),
        ({"claim": "one", "limit": 0}, "limit"),
        ({"claim": "one", "limit": 101}, "limit"),
        ({"claim": "one", "limit": "1"}, "limit"),
        ({"claim": "one", "limit": 1, "held": ["x"]}, "held"),
        ({"claim": "one", "limit": 1, "task_id": 2**31}, "task_id"),
        ({"claim": "one", "limit": 1, "other": 1}, "other"),
    ],
)
def test_what_cannot_be_asked(as_node: LoggedIn, body: dict[str, Any], field: str) -> None:
    answer = as_node.post("/api/claim/take", json=body)
    assert (answer.status_code, list(answer.json["errors"])) == (400, [field])
