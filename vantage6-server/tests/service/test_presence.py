"""Who is connected to which replica, as the database has it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime
from typing import Any

import pytest
from factories import Factory
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vantage6.server.database import Database
from vantage6.server.model import Authenticatable, Node, Organization, Presence, Replica
from vantage6.server.service import presence
from vantage6.server.service.event import Event, EventHub
from vantage6.server.service.presence import Presences

LONG_AGO = datetime(2020, 1, 1)
MANY = 6
# Who waits so long has failed.
PATIENCE = 20


@pytest.fixture
def database(app: Flask) -> Database:
    found: Database = app.extensions["database"]
    return found


@pytest.fixture
def hub() -> EventHub:
    return EventHub()


@pytest.fixture
def told(hub: EventHub) -> list[Event]:
    heard: list[Event] = []
    hub.subscribe(heard.append)
    return heard


@pytest.fixture
def here(database: Database, hub: EventHub) -> Presences:
    return Presences(database, hub, "here")


@pytest.fixture
def there(database: Database, hub: EventHub) -> Presences:
    return Presences(database, hub, "there")


@pytest.fixture
def node(make: Factory, own: Organization) -> Node:
    return make.node(own, make.collaboration(own))


@pytest.fixture
def status(session: Session) -> Callable[[Authenticatable], str | None]:
    def status(identity: Authenticatable) -> str | None:
        # What was read before may be of a moment that is over.
        session.rollback()
        session.expire_all()
        return identity.status

    return status


def silence(session: Session, name: str) -> None:
    """Let a replica have said nothing for a long time."""
    session.execute(update(Replica).where(Replica.id == name).values(seen_at=LONG_AGO))
    session.commit()


def replicas_of(session: Session, identity: Authenticatable) -> set[str]:
    found = select(Presence.replica_id).where(Presence.identity_id == identity.id)
    return set(session.scalars(found))


class Flaky:
    """A database that is away for as long as it is told, and counts what is done in it."""

    def __init__(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self._run, self.is_away, self.done = database.run, False, 0
        monkeypatch.setattr(database, "run", self.run)

    def run(self, work: Callable[[Session], Any]) -> Any:
        if self.is_away:
            raise OperationalError("", None, Exception("it is away"))
        self.done += 1
        return self._run(work)


@pytest.fixture
def flaky(database: Database, monkeypatch: pytest.MonkeyPatch) -> Flaky:
    return Flaky(database, monkeypatch)


def test_who_comes_is_online_until_the_last_connection_ends(
    here: Presences, node: Node, status: Callable[[Node], str], flaky: Flaky
) -> None:
    here.come(node.id)
    assert status(node) == "online"
    here.come(node.id)
    here.go(node.id)
    assert status(node) == "online"
    here.go(node.id)
    assert status(node) == "offline"
    # The connections in between are of no interest to anybody.
    assert flaky.done == 2


def test_who_is_connected_elsewhere_stays_online(
    here: Presences, there: Presences, node: Node, status: Callable[[Node], str], session: Session
) -> None:
    here.come(node.id)
    there.come(node.id)
    assert replicas_of(session, node) == {"here", "there"}
    here.go(node.id)
    assert status(node) == "online"
    there.close()
    assert status(node) == "offline"


def test_many_who_come_at_once_share_a_transaction(
    here: Presences, make: Factory, own: Organization, database: Database, flaky: Flaky
) -> None:
    study = make.collaboration(own)
    nodes = [make.node(make.organization(), study).id for _ in range(MANY)]
    make.session.commit()
    begun, go_on = threading.Event(), threading.Event()
    run = flaky.run

    def slowly(work: Callable[[Session], Any]) -> Any:
        begun.set()
        assert go_on.wait(PATIENCE)
        return run(work)

    flaky_run, database.run = database.run, slowly  # type: ignore[method-assign]
    try:
        with ThreadPoolExecutor(MANY) as pool:
            coming = [pool.submit(here.come, nodes[0])]
            assert begun.wait(PATIENCE)
            coming += [pool.submit(here.come, node) for node in nodes[1:]]
            end = time.monotonic() + PATIENCE
            while len(here._changed) < MANY - 1:
                assert time.monotonic() < end
            go_on.set()
            assert not wait(coming, PATIENCE).not_done
    finally:
        go_on.set()
        database.run = flaky_run  # type: ignore[method-assign]
    with database.reading() as session:
        assert set(session.scalars(select(Presence.identity_id))) == set(nodes)
    assert flaky.done == 2


def test_a_replica_that_is_silent_is_forgotten_with_all_who_were_there(
    here: Presences,
    there: Presences,
    node: Node,
    status: Callable[[Node], str],
    session: Session,
    told: list[Event],
) -> None:
    here.come(node.id)
    there.beat()
    assert status(node) == "online"
    silence(session, "here")
    there.beat()
    assert status(node) == "offline"
    assert [event.name for event in told] == ["node-status-changed"]
    there.beat()
    assert len(told) == 1


def test_a_replica_that_was_only_frozen_writes_its_connections_again(
    here: Presences, there: Presences, node: Node, status: Callable[[Node], str], session: Session
) -> None:
    here.come(node.id)
    silence(session, "here")
    there.beat()
    assert status(node) == "offline"
    here.beat()
    assert (status(node), replicas_of(session, node)) == ("online", {"here"})


def test_a_user_who_is_gone_with_a_replica_is_no_news_of_nodes(
    here: Presences, there: Presences, make: Factory, session: Session, told: list[Event]
) -> None:
    here.come(make.user().id)
    silence(session, "here")
    there.beat()
    assert told == []


def test_what_could_not_be_stored_is_stored_with_the_next_sign_of_life(
    here: Presences,
    node: Node,
    status: Callable[[Node], str],
    flaky: Flaky,
) -> None:
    flaky.is_away = True
    here.come(node.id)
    assert status(node) is None
    flaky.is_away = False
    here.beat()
    assert status(node) == "online"


def test_what_is_wrong_is_set_right_with_a_sign_of_life(
    here: Presences,
    make: Factory,
    node: Node,
    status: Callable[[Node], str],
    session: Session,
    told: list[Event],
) -> None:
    here.come(node.id)
    ghost = make.node(make.organization(), node.collaboration, status="online")
    node.status = "offline"
    session.commit()
    here.beat()
    assert (status(node), status(ghost)) == ("online", "offline")
    assert len(told) == 2


def test_somebody_who_is_deleted_while_connected_is_nobody(
    here: Presences, node: Node, session: Session
) -> None:
    id_ = node.id
    here.come(id_)
    session.delete(node)
    session.commit()
    here.beat()
    here.go(id_)
    assert session.scalars(select(Presence)).all() == []


def test_who_leaves_with_the_end_of_a_replica_is_written_once(
    here: Presences, node: Node, status: Callable[[Node], str], flaky: Flaky
) -> None:
    here.come(node.id)
    here.close()
    assert status(node) == "offline"
    done = flaky.done
    here.go(node.id)
    here.beat()
    assert (status(node), flaky.done) == ("offline", done)


@pytest.mark.parametrize(("alone", "online"), [(True, None), (False, "online")])
def test_a_start_forgets_those_whom_it_may(
    here: Presences,
    node: Node,
    status: Callable[[Node], str],
    database: Database,
    alone: bool,
    online: str | None,
) -> None:
    here.come(node.id)
    database.run(lambda session: presence.begin(session, alone=alone))
    assert status(node) == (online or "offline")
    with database.reading() as session:
        assert presence.count_living(session) == bool(online)
