"""Who is connected, to whichever replica: online is who has a socket at one that is alive.

Each replica says from time to time that it is alive, and who is connected to it. One that has not
been heard of for a while is taken for dead by the others. What is stored may be wrong for as long
as that; it is looked through again and again, so that nothing is wrong for longer.
"""

import logging
import threading
from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vantage6.server.database import Database, insert_or_hold
from vantage6.server.model import Authenticatable, Node, Presence, Replica
from vantage6.server.model.base import now
from vantage6.server.service import event
from vantage6.server.service.event import EventHub

log = logging.getLogger(__name__)

# How often a replica says that it is alive, and for how long that is believed.
BEAT_SECONDS = 5.0
DEAD_AFTER = timedelta(seconds=20)

ONLINE, OFFLINE = "online", "offline"


class Presences:
    """The users and nodes that are connected to this replica, kept in the database.

    Parameters
    ----------
    database : Database
    hub : EventHub
    replica : str
        The name of this process.
    """

    def __init__(self, database: Database, hub: EventHub, replica: str) -> None:
        self._database, self._hub, self._replica = database, hub, replica
        self._connections: Counter[int] = Counter()
        # Those who came or went since they were stored.
        self._changed: set[int] = set()
        self._lock = threading.Lock()
        # Held while they are stored. Who waits for it finds that the one before has done it all.
        self._storing = threading.Lock()
        self._is_over = False

    def come(self, identity_id: int) -> None:
        """Somebody has one connection more; when it returns that is stored, or the log says why."""
        self._count(identity_id, 1)

    def go(self, identity_id: int) -> None:
        """Somebody has one connection less."""
        self._count(identity_id, -1)

    def beat(self) -> None:
        """Say that this replica is alive, and find those that are not; every `BEAT_SECONDS`."""
        with self._storing:
            if self._is_over:
                return
            if not self._database.run(self._is_known):
                # It was taken for dead, and who was connected to it for gone.
                with self._lock:
                    self._changed.update(self._connections)
            self._store(self._take_changed())
            nodes = self._database.run(_forget_the_dead) + self._database.run(_correct)
        for _ in nodes:
            self._hub.publish(event.node_status_changed())

    def close(self) -> None:
        """Nobody is connected to this replica any more: it stops."""
        with self._storing:
            self._is_over = True
            try:
                self._database.run(lambda session: _forget(session, [self._replica]))
            except SQLAlchemyError:
                # The others find out by themselves.
                log.exception("It could not be stored that nobody is connected any more")

    def _count(self, identity_id: int, by: int) -> None:
        with self._lock:
            before = self._connections[identity_id]
            self._connections[identity_id] += by
            if self._connections[identity_id] <= 0:
                del self._connections[identity_id]
            if bool(before) == (identity_id in self._connections):
                return
            self._changed.add(identity_id)
        with self._storing:
            changed = set() if self._is_over else self._take_changed()
            if not changed:
                return
            try:
                self._store(changed)
            except SQLAlchemyError:
                # The connection itself does not depend on it, and the next beat tries again.
                log.exception("The status of %s could not be kept", sorted(changed))

    def _take_changed(self) -> set[int]:
        with self._lock:
            changed, self._changed = self._changed, set()
        return changed

    def _store(self, changed: Collection[int]) -> None:
        try:
            if changed:
                self._database.run(lambda session: self._write(session, changed))
        except SQLAlchemyError:
            # Next time.
            with self._lock:
                self._changed.update(changed)
            raise

    def _write(self, session: Session, changed: Collection[int]) -> None:
        # Someone else may do the same about them, for another replica: one after the other.
        known = _hold(session, Authenticatable.id.in_(changed))
        insert_or_hold(session, Replica, id=self._replica, seen_at=_moment(session))
        session.execute(
            delete(Presence).where(
                Presence.replica_id == self._replica, Presence.identity_id.in_(changed)
            )
        )
        with self._lock:
            here = [identity for identity in known if identity in self._connections]
        rows = [{"replica_id": self._replica, "identity_id": identity} for identity in here]
        if rows:
            session.execute(insert(Presence), rows)
        _set_status(session, here, ONLINE)
        _set_status(session, _without_connection(session, set(known) - set(here)), OFFLINE)

    def _is_known(self, session: Session) -> bool:
        seen = session.execute(
            update(Replica)
            .where(Replica.id == self._replica)
            .values(seen_at=_moment(session))
            .execution_options(synchronize_session=False)
        )
        return bool(seen.rowcount)  # type: ignore[attr-defined]


def begin(session: Session, *, alone: bool) -> None:
    """Forget who was connected to replicas that are gone; to be called when one starts.

    Parameters
    ----------
    session : Session
    alone : bool
        Whether there can be no other replica, so that nobody is connected.
    """
    if alone:
        session.execute(delete(Replica).execution_options(synchronize_session=False))
    else:
        _forget_the_dead(session)
    _correct(session)


def count_living(session: Session) -> int:
    """How many replicas there are."""
    living = select(func.count()).select_from(Replica).where(~_is_dead(session))
    return session.scalar(living) or 0


def _forget_the_dead(session: Session) -> list[int]:
    # What others are about to forget is left to them.
    dead = select(Replica.id).where(_is_dead(session)).with_for_update(skip_locked=True)
    replicas = session.scalars(dead).all()
    if not replicas:
        return []
    log.warning("Not heard of for a while, and taken for dead: replica %s", ", ".join(replicas))
    return _forget(session, replicas)


def _forget(session: Session, replicas: Collection[str]) -> list[int]:
    """Remove replicas; the nodes that are offline now."""
    connected = session.scalars(
        select(Presence.identity_id).where(Presence.replica_id.in_(replicas))
    ).all()
    held = _hold(session, Authenticatable.id.in_(connected))
    session.execute(
        delete(Replica).where(Replica.id.in_(replicas)).execution_options(synchronize_session=False)
    )
    return _set_status(session, _without_connection(session, held), OFFLINE)


def _correct(session: Session) -> list[int]:
    """Set right what is wrong, for whatever reason; the nodes that it was wrong of."""
    is_connected = exists().where(Presence.identity_id == Authenticatable.id)
    is_online = func.coalesce(Authenticatable.status, OFFLINE) == ONLINE
    wrong = _hold(session, or_(and_(is_online, ~is_connected), and_(~is_online, is_connected)))
    gone = _without_connection(session, wrong)
    nodes = _set_status(session, gone, OFFLINE)
    return nodes + _set_status(session, set(wrong) - set(gone), ONLINE)


def _hold(session: Session, condition: ColumnElement[bool]) -> list[int]:
    """The users and nodes of a condition; nobody else changes their status meanwhile."""
    held = select(Authenticatable.id).where(condition).order_by(Authenticatable.id)
    return list(session.scalars(held.with_for_update(key_share=True)))


def _without_connection(session: Session, identities: Collection[int]) -> list[int]:
    connected = set(
        session.scalars(select(Presence.identity_id).where(Presence.identity_id.in_(identities)))
    )
    return [identity for identity in identities if identity not in connected]


def _set_status(session: Session, identities: Collection[int], status: str) -> list[int]:
    """Write a status; the nodes among them."""
    if not identities:
        return []
    session.execute(
        update(Authenticatable)
        .where(Authenticatable.id.in_(identities))
        .values(status=status)
        .execution_options(synchronize_session=False)
    )
    return list(session.scalars(select(Node.id).where(Node.id.in_(identities))))


def _is_dead(session: Session) -> ColumnElement[bool]:
    return Replica.seen_at < _moment(session, DEAD_AFTER)


def _moment(session: Session, ago: timedelta = timedelta()) -> Any:
    """The present moment, or one some time ago; by the one clock that all replicas share."""
    if session.get_bind().dialect.name == "postgresql":
        return func.timezone("UTC", func.clock_timestamp()) - ago
    return now() - ago
