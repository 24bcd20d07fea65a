"""What a replica was not told, found in the database."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from factories import Factory
from flask import Flask
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vantage6.common.task_status import TaskStatus
from vantage6.server.broker import Broker
from vantage6.server.database import Database
from vantage6.server.model import Collaboration, Node, Organization, Result
from vantage6.server.model.base import now
from vantage6.server.service import catch_up
from vantage6.server.service.catch_up import LOOK_SECONDS, MARGIN, CatchUp
from vantage6.server.service.event import Event, EventHub, node_room


class Connection:
    """What a broker says of itself."""

    def __init__(self) -> None:
        self.is_up, self.has_missed = True, False

    def take_missed(self) -> bool:
        missed, self.has_missed = self.has_missed, False
        return missed


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Catching:
    """The part, what it is told of the broker, and what it tells."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.hub, self.broker, self.clock = EventHub(), Connection(), clock
        self.told: list[Event] = []
        self.looks: list[bool] = []
        self.hub.subscribe(self.told.append)
        self.hub.when_missed(lambda: self.looks.append(True))
        self.carried: list[Event] = []
        self.hub.carry(self.carried.append)
        self._part = CatchUp(database, self.hub, cast("Broker", self.broker))

    def look(self, *, missed: bool = False, later: float = 0.0) -> list[tuple[str, int | None]]:
        """Do what is due; the names and tasks of what it told."""
        self.broker.has_missed, before = missed, len(self.told)
        self.clock.now += later
        self._part.do()
        return [
            (event.name, event.payload if event.name == "new_task" else None)
            for event in self.told[before:]
        ]


@pytest.fixture
def catching(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Catching:
    clock = Clock()
    monkeypatch.setattr(catch_up, "time", SimpleNamespace(monotonic=clock.monotonic))
    return Catching(app.extensions["database"], clock)


@pytest.fixture
def study(make: Factory, own: Organization) -> Collaboration:
    return make.collaboration(own)


@pytest.fixture
def node(make: Factory, own: Organization, study: Collaboration) -> Node:
    return make.node(own, study)


@pytest.fixture
def run(make: Factory, study: Collaboration, node: Node) -> Result:
    """One that its node was to be told of."""
    return make.task(study).results[0]


@pytest.mark.usefixtures("run")
def test_as_long_as_nothing_was_missed_nothing_is_told(catching: Catching) -> None:
    assert catching.look(later=LOOK_SECONDS) == []
    assert catching.looks == []


def test_what_was_missed_is_told_to_those_who_are_here_alone(
    catching: Catching, run: Result, node: Node
) -> None:
    assert catching.look(missed=True) == [("new_task", run.task_id)]
    (event,) = catching.told
    assert (event.payload, event.rooms) == (run.task_id, (node_room(node.id),))
    assert catching.looks == [True]
    # Others look for themselves.
    assert catching.carried == []


def test_a_node_is_told_once_of_the_same(
    catching: Catching, run: Result, make: Factory, study: Collaboration
) -> None:
    assert catching.look(missed=True) == [("new_task", run.task_id)]
    more = make.task(study)
    assert catching.look(missed=True) == [("new_task", more.id)]
    assert catching.look(missed=True) == []


def test_a_run_that_was_killed_is_told_until_its_node_says_that_it_stopped(
    catching: Catching, run: Result, node: Node, session: Session
) -> None:
    run.status, run.finished_at = TaskStatus.KILLED, now()
    session.commit()
    assert catching.look(missed=True) == [("kill_containers", None)]
    (event,) = catching.told
    assert event.rooms == (node_room(node.id),)
    assert [killed["result_id"] for killed in event.payload["kill_list"]] == [run.id]


def test_a_run_that_has_stopped_is_no_news(
    catching: Catching, run: Result, session: Session
) -> None:
    run.status, run.finished_at, run.stopped_at = TaskStatus.KILLED, now(), now()
    session.commit()
    assert catching.look(missed=True) == []


@pytest.mark.parametrize("status", [TaskStatus.INITIALIZING, TaskStatus.ACTIVE, TaskStatus.FAILED])
def test_what_a_node_has_begun_is_no_news(
    catching: Catching, run: Result, session: Session, status: TaskStatus
) -> None:
    run.status = status
    session.commit()
    assert catching.look(missed=True) == []


def test_what_was_told_long_before_is_no_news(
    catching: Catching, run: Result, session: Session
) -> None:
    run.assigned_at = now() - MARGIN - timedelta(minutes=1)
    session.commit()
    assert catching.look(missed=True) == []


def test_while_the_broker_is_away_it_looks_again_and_again(
    catching: Catching, run: Result, make: Factory, study: Collaboration
) -> None:
    catching.broker.is_up = False
    assert catching.look() == [("new_task", run.task_id)]
    more = make.task(study)
    assert catching.look(later=LOOK_SECONDS / 2) == []
    assert catching.look(later=LOOK_SECONDS / 2) == [("new_task", more.id)]
    assert len(catching.looks) == 2
    catching.broker.is_up = True
    last = make.task(study)
    assert catching.look(later=LOOK_SECONDS) == []
    # That it is there again is when the last may have been missed.
    assert catching.look(missed=True) == [("new_task", last.id)]


def test_what_could_not_be_looked_for_is_looked_for_again(
    catching: Catching, run: Result, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise OperationalError("", None, Exception("it is away"))

    with monkeypatch.context() as patch:
        patch.setattr(app.extensions["database"], "reading", away)
        with pytest.raises(OperationalError):
            catching.look(missed=True)
    assert catching.look() == [("new_task", run.task_id)]
