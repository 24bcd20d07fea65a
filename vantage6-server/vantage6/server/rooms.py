"""The rooms of the sockets: who may be in which, and who hears there of whom.

Their names are made where events are: `service/event.py`.
"""

import threading
from collections.abc import Iterable
from typing import Any

import socketio
from sqlalchemy import select
from sqlalchemy.orm import Session

from vantage6.server.model import Collaboration, Member
from vantage6.server.permission.catalogue import Kind, Operation, Scope
from vantage6.server.permission.identity import Identity
from vantage6.server.service.event import collaboration_room, node_room, watchers_room


def allowed(session: Session, identity: Identity) -> set[str]:
    """The rooms that somebody may be in."""
    kind = identity.kind.value
    collaborations = _collaborations(session, identity)
    watched = map(watchers_room, collaborations) if identity.kind is Kind.USER else ()
    return {
        "all_connections",
        f"all_{kind}s",
        f"{kind}_{identity.id}",
        *map(collaboration_room, collaborations),
        *watched,
    }


def beside(room: str, rooms: set[str]) -> set[str]:
    """A room, and of the other rooms that which users enter with it."""
    return {room, watchers_of(room)} & rooms


def watchers_of(room: str) -> str:
    """The room of those who hear who comes to a room and goes: of a collaboration, its users."""
    return f"{room}_users" if room.startswith("collaboration_") else room


def audience(identity: Identity) -> set[str]:
    """The rooms in which everybody may know the name of a user or node."""
    if identity.kind is Kind.USER:
        return {f"user_{identity.id}"}
    rooms = {node_room(identity.id)}
    if identity.collaboration_id:
        rooms.add(collaboration_room(identity.collaboration_id))
    return rooms


def _collaborations(session: Session, identity: Identity) -> set[int]:
    """The collaborations whose tasks somebody may see; of a node, its own one."""
    if identity.kind is Kind.NODE:
        return {identity.collaboration_id} if identity.collaboration_id else set()
    scopes = identity.scopes("task", Operation.VIEW)
    if Scope.GLOBAL in scopes:
        return set(session.scalars(select(Collaboration.id)))
    if Scope.ORGANIZATION in scopes:
        own = Member.c.organization_id == identity.organization_id
        return set(session.scalars(select(Member.c.collaboration_id).where(own)))
    return set()


def _locked(name: str) -> Any:
    """A method of the library's manager of rooms, for one thread at a time."""
    method = getattr(socketio.Manager, name)

    def call(self: "Manager", *args: Any, **options: Any) -> Any:
        with self.lock:
            return method(self, *args, **options)

    return call


class Manager(socketio.Manager):
    """Keeps rooms for many threads, which the library's own does not promise to do."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()

    pre_connect = _locked("pre_connect")
    connect = _locked("connect")
    is_connected = _locked("is_connected")
    pre_disconnect = _locked("pre_disconnect")
    basic_disconnect = _locked("basic_disconnect")
    basic_enter_room = _locked("basic_enter_room")
    basic_leave_room = _locked("basic_leave_room")
    get_rooms = _locked("get_rooms")

    def used(self, namespace: str, names: Iterable[str]) -> list[str]:
        """Those of some rooms in which there is somebody: for others no message need be written."""
        with self.lock:
            rooms = self.rooms.get(namespace, {})
            return [name for name in names if name in rooms]

    def get_participants(self, namespace: str, room: Any) -> Any:
        """Who is in a room now; a list, since the room may change while it is gone through."""
        with self.lock:
            return list(super().get_participants(namespace, room))
