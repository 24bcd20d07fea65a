"""The sockets: the namespace /tasks for users and nodes, and /admin for users.

A socket shows its access token once, when it connects. From then on everything follows from
that identity and from the database, never from what the socket says about itself. Events for
the sockets come from the event hub, after the transaction that they tell of.
"""

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Flask, request
from flask_socketio import ConnectionRefusedError as SocketRefused
from flask_socketio import Namespace, SocketIO
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from vantage6.server import rooms
from vantage6.server.database import Database
from vantage6.server.exceptions import Unauthorized
from vantage6.server.model import Result, Task
from vantage6.server.permission.catalogue import Kind
from vantage6.server.permission.identity import Identity
from vantage6.server.service import audit, identification, token
from vantage6.server.service.event import (
    Event,
    EventHub,
    collaboration_room,
    node_status_changed,
    record,
)
from vantage6.server.service.presence import Presences
from vantage6.server.transport import (
    IDLE_SECONDS,
    MESSAGE_LIMIT,
    PING_INTERVAL,
    PING_TIMEOUT,
    guard,
)

log = logging.getLogger(__name__)

TASKS = "/tasks"
ADMIN = "/admin"
EXPIRED = "expired_token"

# The moment at which that ended which is no longer good for another reason than its time.
REVOKED = 0.0
# How often connections are looked through for those that must be closed.
CHECK_SECONDS = 1.0
# How long a client that was told that its token is over may take to leave. One that is shown the
# door at once comes back by itself, with the same token, beside the new connection it makes.
FAREWELL_SECONDS = 10.0
# How often it is looked up what somebody who is connected may do by now.
RIGHTS_SECONDS = 60.0
# How many sockets one user or node may have; each costs memory.
SOCKETS_EACH = 100

_LOGGED_CHARACTERS = 200
_DATABASE_INTEGERS = range(-(2**31), 2**31)
_UNKNOWN_EXIT_CODE = 1


def create_socket(app: Flask, origins: Sequence[str] = ()) -> SocketIO:
    """Give an application its sockets; it needs a database, tokens and an event hub already.

    Parameters
    ----------
    app : Flask
    origins : sequence of str
        Besides our own, those of which pages in browsers may connect.

    Returns
    -------
    SocketIO
        Also in `app.extensions`: the library under "socketio", ours under "sockets".
    """
    sockets = Sockets(app, origins)
    app.extensions["sockets"] = sockets
    return sockets.io


@dataclass
class Connection:
    """One socket in one namespace."""

    sid: str
    engine_sid: str
    namespace: str
    # The moment from which on it must not stay open.
    expires: float
    # None for one whose token was over when it connected: it is told so and then closed.
    identity: Identity | None = None
    name: str | None = None
    claims: dict[str, Any] = field(default_factory=dict)
    # When its rights were looked up last.
    looked_up: float = field(default_factory=time.time)


class Sockets:
    """Who is connected, and what reaches them."""

    def __init__(self, app: Flask, origins: Sequence[str]) -> None:
        self._database: Database = app.extensions["database"]
        self._presences: Presences = app.extensions["presences"]
        self._connections: dict[str, Connection] = {}
        # How many connections are on each transport.
        self._used: Counter[str] = Counter()
        self._idle_since: dict[str, float] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._may_have_missed = threading.Event()
        self.io = SocketIO(
            app,
            # Which are greenlets in the process that serves.
            async_mode="threading",
            # In order, and without a thread for every event that a client cares to send.
            async_handlers=False,
            client_manager=rooms.Manager(),
            manage_session=False,
            # For the library an empty list stands for everybody, and none for our own.
            cors_allowed_origins=list(origins) or None,
            cors_credentials=False,
            # Those with a handler, and no others; an empty list would stand for "/".
            namespaces=[TASKS, ADMIN],
            max_http_buffer_size=MESSAGE_LIMIT,
            ping_interval=PING_INTERVAL,
            ping_timeout=PING_TIMEOUT,
            logger=logging.getLogger("socketio.server"),
            engineio_logger=logging.getLogger("engineio.server"),
        )
        guard(app, self.io, self._used)
        self.io.on_namespace(TaskNamespace(TASKS, self))
        self.io.on_namespace(AdminNamespace(ADMIN, self))
        self._events: EventHub = app.extensions["events"]
        self._events.subscribe(self._deliver)
        self._events.when_missed(self._may_have_missed.set)

    def start(self) -> None:
        """Watch the connections, in a thread of its own, until `close`."""
        threading.Thread(target=self._watch, name="sockets", daemon=True).start()

    def close(self) -> None:
        """End all connections, in a way that lets clients come back to the next server."""
        self._stopping.set()
        for transport in list(self.io.server.eio.sockets.values()):
            # Without a word of farewell: after one, clients do not reconnect by themselves.
            transport.close(wait=False, abort=True)
        self._presences.close()

    def connect(self, namespace: str) -> Connection | None:
        """Let in the socket of the current request; None when its token is over.

        Raises
        ------
        ConnectionRefusedError
            When it shows no token, or one that is not good here.
        """
        try:
            claims = token.read()
            with self._database.connection() as connection:
                identity = identification.identify(connection, claims)
        except token.ExpiredToken:
            self._add(self._connection(namespace, expires=time.time() + FAREWELL_SECONDS))
            self.io.server.emit(EXPIRED, "", to=_sid(), namespace=namespace)
            return None
        except Unauthorized as error:
            raise _refusal(namespace, str(error)) from error
        audit.set_caller(identity)
        if identity.kind is Kind.CONTAINER:
            raise _refusal(namespace, "This is not for a container")
        if len(self._of(identity)) >= SOCKETS_EACH:
            raise _refusal(namespace, "There are too many connections already")
        return self._connection(namespace, claims["exp"], identity, identity.name, claims)

    def count_by_kind(self) -> dict[str, int]:
        """How many connections there are of each kind of identity."""
        with self._lock:
            kinds = [one.identity.kind for one in self._connections.values() if one.identity]
        return {kind.value: kinds.count(kind) for kind in (Kind.USER, Kind.NODE)}

    def find(self) -> Connection | None:
        """The connection of the current request, if it has an identity."""
        connection = self._connections.get(_sid())
        return connection if connection and connection.identity else None

    def add(self, connection: Connection) -> None:
        """Count a connection; its user or node is online from the first one on."""
        self._add(connection)
        self._come(connection)

    def remove(self, sid: str) -> Connection | None:
        """Forget a connection; its user or node is offline after the last one."""
        with self._lock:
            connection = self._connections.pop(sid, None)
            if connection:
                self._used[connection.engine_sid] -= 1
                if not self._used[connection.engine_sid]:
                    del self._used[connection.engine_sid]
        if connection:
            self._go(connection)
        return connection

    def rooms(self, identity: Identity) -> set[str]:
        """The rooms that somebody may be in, of which nobody else decides."""
        with self._database.reading() as session:
            return rooms.allowed(session, identity)

    def enter(self, connection: Connection, rooms: Iterable[str]) -> None:
        """Put a socket into rooms, and say so where that concerns those who are there."""
        for room in sorted(rooms):
            self.io.server.enter_room(connection.sid, room, namespace=TASKS)
            self._announce(connection, room, "{kind} <{name}> joined room <{room}>")

    def announce_leaving(self, connection: Connection) -> None:
        """Say that a socket leaves, where that concerns those who stay."""
        if self._stopping.is_set():
            return
        for room in self.io.server.rooms(connection.sid, namespace=TASKS):
            self._announce(connection, room, "{name} left room {room}")

    def report_failure(self, identity: Identity, payload: Any) -> None:
        """A node says that the container of a run of its own failed; tell its collaboration."""
        result_id = payload.get("result_id") if isinstance(payload, dict) else None
        with self._database.transaction() as session:
            result = session.scalar(
                select(Result)
                .join(Task)
                .where(
                    Result.id == _integer(result_id, default=0),
                    Result.organization_id == identity.organization_id,
                    Task.collaboration_id == identity.collaboration_id,
                )
            )
            if result is None:
                log.warning("Node %s reported a failure of %s", identity.id, _shown(payload))
                return
            if not result.finished_at:
                result.exit_code = _integer(payload.get("status_code"), default=_UNKNOWN_EXIT_CODE)
            room = collaboration_room(result.task.collaboration_id)
            record(session, Event("container_failed", result.task.run_id, (room,)))
        log.warning("A container of node %s failed, of result %s", identity.id, result_id)

    def check(self, now: float) -> None:
        """Close what must not stay open, and follow the rights of those who may.

        Closed is who was revoked, went half way or never logged in; who expired is told so, and
        closed if that does not make it leave.
        """
        if self._may_have_missed.is_set():
            self._revoke_the_void()
        with self._lock:
            connections = list(self._connections.values())
        # Looked at after the connections, so that each of these had its transport before.
        transports = dict(self.io.server.eio.sockets)
        for connection in connections:
            if connection.engine_sid not in transports:
                self.remove(connection.sid)
            elif connection.expires <= now:
                self._expire(connection, now)
            elif connection.identity and now - connection.looked_up >= RIGHTS_SECONDS:
                self._look_up(self._due_together(connection, now), now)
        used = {connection.engine_sid for connection in connections}
        self._close_idle({sid: transports[sid] for sid in transports.keys() - used}, now)

    def _watch(self) -> None:
        while not self._stopping.wait(CHECK_SECONDS):
            try:
                self.check(time.time())
            except Exception:
                # It goes on: if it did not, tokens would stop to expire.
                log.exception("The connections could not be looked through")

    def _expire(self, connection: Connection, now: float) -> None:
        server = self.io.server
        if not server.manager.is_connected(connection.sid, connection.namespace):
            # Its handshake is not over yet; the next look finds it.
            return
        is_revoked = connection.expires == REVOKED
        if connection.identity:
            server.emit(EXPIRED, "", to=connection.sid, namespace=connection.namespace)
            if not is_revoked:
                self._mute(connection)
                connection.expires = now + FAREWELL_SECONDS
                return
        server.disconnect(connection.sid, namespace=connection.namespace)

    def _mute(self, connection: Connection) -> None:
        """Treat a connection as if it had gone: it hears nothing and is not heard."""
        self.announce_leaving(connection)
        server, sid, namespace = self.io.server, connection.sid, connection.namespace
        for room in set(server.rooms(sid, namespace)) - {sid}:
            server.leave_room(sid, room, namespace=namespace)
        gone = replace(connection)
        connection.identity = None
        self._go(gone)

    def _due_together(self, first: Connection, now: float) -> list[Connection]:
        """A connection that is due, and those of the same credentials that are so before long."""
        assert first.identity
        return [
            one
            for one in self._of(first.identity)
            if one.claims["credential_version"] == first.claims["credential_version"]
            and one.expires > now
            and now - one.looked_up >= RIGHTS_SECONDS / 2
        ]

    def _look_up(self, connections: Sequence[Connection], now: float) -> None:
        """Let somebody hear what may be heard by now: roles and memberships change.

        Parameters
        ----------
        connections : sequence of Connection
            Of one identity and the same credentials: there may be a hundred that wait.
        now : float
        """
        for connection in connections:
            connection.looked_up = now
        try:
            with self._database.reading() as session:
                identity = identification.identify(session.connection(), connections[0].claims)
                allowed = rooms.allowed(session, identity)
        except Unauthorized:
            for connection in connections:
                connection.expires = REVOKED
            return
        for connection in connections:
            connection.identity = identity
            if connection.namespace == TASKS:
                self._follow(connection, allowed)

    def _follow(self, connection: Connection, allowed: set[str]) -> None:
        """Put a socket into the rooms where it may be by now, and out of all others."""
        server, sid = self.io.server, connection.sid
        current = set(server.rooms(sid, TASKS))
        for room in current - allowed - {sid}:
            server.leave_room(sid, room, namespace=TASKS)
        self.enter(connection, allowed - current)

    def _close_idle(self, idle: dict[str, Any], now: float) -> None:
        self._idle_since = {sid: self._idle_since.get(sid, now) for sid in idle}
        for sid, since in self._idle_since.items():
            if now - since >= IDLE_SECONDS:
                idle[sid].close(wait=False)

    def _deliver(self, event: Event) -> None:
        """Take an event of the hub to the sockets that it is for."""
        if event.identity_id is not None:
            self._revoke(event.identity_id)
        if used := self.io.server.manager.used(TASKS, event.rooms):
            self.io.server.emit(event.name, event.payload, to=used, namespace=TASKS)
        if event.to_admin:
            self.io.server.emit(event.name, event.payload, namespace=ADMIN)

    def _revoke_the_void(self) -> None:
        """Revoke those who lost their credentials or place while nobody could tell us of it."""
        with self._lock:
            identities = [one.identity for one in self._connections.values() if one.identity]
        self._may_have_missed.clear()
        try:
            with self._database.reading() as session:
                void = identification.find_void(session, identities)
        except SQLAlchemyError:
            # The next look tries it again; what else is due does not depend on it.
            self._may_have_missed.set()
            log.exception("It could not be looked up whose credentials have changed")
            return
        for identity_id in void:
            self._revoke(identity_id)

    def _revoke(self, identity_id: int) -> None:
        with self._lock:
            for connection in self._connections.values():
                if connection.identity and connection.identity.id == identity_id:
                    connection.expires = REVOKED

    def _connection(self, namespace: str, expires: float, *who: Any) -> Connection:
        sid = _sid()
        engine_sid = self.io.server.manager.eio_sid_from_sid(sid, namespace)
        return Connection(sid, engine_sid, namespace, expires, *who)

    def _of(self, identity: Identity) -> list[Connection]:
        with self._lock:
            return [
                connection
                for connection in self._connections.values()
                if connection.identity and connection.identity.id == identity.id
            ]

    def _add(self, connection: Connection) -> None:
        with self._lock:
            self._connections[connection.sid] = connection
            self._used[connection.engine_sid] += 1

    def _come(self, connection: Connection) -> None:
        """Note that one more connection is that of a user or node."""
        if connection.identity and connection.namespace == TASKS:
            self._presences.come(connection.identity.id)
            self._tell_of(connection.identity)

    def _go(self, connection: Connection) -> None:
        """Note that one connection less is."""
        # When all of them go, that is written down, and told to nobody, at once.
        if connection.identity and connection.namespace == TASKS and not self._stopping.is_set():
            self._presences.go(connection.identity.id)
            self._tell_of(connection.identity)

    def _tell_of(self, identity: Identity) -> None:
        if identity.kind is Kind.NODE:
            self._events.publish(node_status_changed())

    def _announce(self, connection: Connection, room: str, text: str) -> None:
        identity = connection.identity
        # Whoever is in the other rooms may not know this name: they span organizations.
        if identity is None or room not in rooms.audience(identity):
            return
        words = text.format(kind=identity.kind.value.title(), name=connection.name, room=room)
        # Who comes hears of it as well. That each node hears of all others is of use to nobody,
        # and of a thousand nodes it would be a million messages.
        hears = {rooms.watchers_of(room), connection.sid}
        self._events.publish(Event("message", words, tuple(sorted(hears))))


class TaskNamespace(Namespace):
    """What users and nodes say on /tasks."""

    def __init__(self, namespace: str, sockets: Sockets) -> None:
        super().__init__(namespace)
        self._sockets = sockets

    def on_connect(self, _auth: Any = None) -> None:
        """A socket comes: users and nodes only, with a good token."""
        connection = self._sockets.connect(TASKS)
        if connection and connection.identity:
            self._sockets.enter(connection, self._sockets.rooms(connection.identity))
            self._sockets.add(connection)
            log.info("%s %s is connected", connection.identity.kind.value, connection.identity.id)

    def on_disconnect(self, reason: str | None = None) -> None:
        """A socket goes, by itself or because it was closed."""
        connection = self._sockets.find()
        if connection and connection.identity:
            self._sockets.announce_leaving(connection)
            log.info(
                "%s %s left: %s", connection.identity.kind.value, connection.identity.id, reason
            )
        self._sockets.remove(_sid())

    def on_message(self, message: Any = None) -> None:
        """A socket wants something to be in the log of the server."""
        self._log(logging.INFO, message)

    def on_error(self, message: Any = None) -> None:
        """A socket wants an error to be in the log of the server."""
        self._log(logging.ERROR, message)

    def on_join_room(self, room: Any = None) -> dict[str, str] | None:
        """A socket wants into a room."""
        connection = self._sockets.find()
        if connection is None or connection.identity is None:
            return None
        allowed = self._sockets.rooms(connection.identity)
        if not (isinstance(room, str) and room in allowed):
            return {"msg": "You may not be in that room"}
        self._sockets.enter(connection, rooms.beside(room, allowed))
        return None

    def on_container_failed(self, payload: Any = None) -> None:
        """A container of a node ended badly."""
        connection = self._sockets.find()
        if connection and connection.identity and connection.identity.kind is Kind.NODE:
            self._sockets.report_failure(connection.identity, payload)

    def _log(self, level: int, message: Any) -> None:
        connection = self._sockets.find()
        if connection and connection.identity:
            kind, id_ = connection.identity.kind.value, connection.identity.id
            log.log(level, "%s %s says: %s", kind, id_, _shown(message))


class AdminNamespace(Namespace):
    """/admin, on which users hear that a node comes or goes."""

    def __init__(self, namespace: str, sockets: Sockets) -> None:
        super().__init__(namespace)
        self._sockets = sockets

    def on_connect(self, _auth: Any = None) -> None:
        """A socket comes: users only."""
        connection = self._sockets.connect(ADMIN)
        if connection and connection.identity:
            if connection.identity.kind is not Kind.USER:
                raise _refusal(ADMIN, "This is for users only")
            self._sockets.add(connection)

    def on_disconnect(self, _reason: str | None = None) -> None:
        """A socket goes."""
        self._sockets.remove(_sid())


def _refusal(namespace: str, reason: str) -> SocketRefused:
    audit.record("socket", "refused", namespace=namespace, reason=reason)
    return SocketRefused(reason)


def _sid() -> str:
    sid: str = request.sid  # type: ignore[attr-defined]
    return sid


def _integer(value: Any, default: int) -> int:
    """A number that a peer sent, as long as the database can hold it."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and value in _DATABASE_INTEGERS else default


def _shown(value: Any) -> str:
    """What a peer sent, fit for the log: on one line, and short."""
    return repr(value)[:_LOGGED_CHARACTERS]
