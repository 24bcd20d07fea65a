"""Sockets: who may connect, where they are put, what they hear and may say."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import engineio
import pytest
import requests
import socketio
from clients import access_token, container_token, with_claims
from factories import Factory
from flask import Flask
from socketio.exceptions import ConnectionError as SocketConnectionError
from sockets import PATIENCE, Listener, serving
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from vantage6.common.jwt import unverified_claims
from vantage6.common.task_status import TaskStatus
from vantage6.server.model import Collaboration, Node, Organization, Result, User
from vantage6.server.permission.catalogue import Operation, Scope, rule
from vantage6.server.service import audit, token
from vantage6.server.service.event import (
    Event,
    EventHub,
    collaboration_room,
    credentials_changed,
    new_task,
    record,
    result_status,
)
from vantage6.server.websocket import FAREWELL_SECONDS, IDLE_SECONDS, RIGHTS_SECONDS, Sockets

Connect = Callable[..., Listener]
VIEW_TASKS = rule("task", Scope.ORGANIZATION, Operation.VIEW)
VIEW_ALL_TASKS = rule("task", Scope.GLOBAL, Operation.VIEW)


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with serving(app) as address:
        yield address


@pytest.fixture
def connect(app: Flask, url: str) -> Iterator[Connect]:
    """Connect a user or node, or whoever holds a token; all leave at the end."""
    connected: list[Listener] = []

    def do(who: User | Node | str | None, *namespaces: str, **options: Any) -> Listener:
        if isinstance(who, User | Node):
            with app.app_context():
                who = access_token(who)
        connected.append(Listener(url, who, *namespaces, **options))
        return connected[-1]

    yield do
    for listener in connected:
        listener.close()


@pytest.fixture
def sockets(app: Flask) -> Sockets:
    made: Sockets = app.extensions["sockets"]
    return made


@pytest.fixture
def hub(app: Flask) -> EventHub:
    made: EventHub = app.extensions["events"]
    return made


@pytest.fixture
def organization(make: Factory) -> Organization:
    return make.organization()


@pytest.fixture
def collaboration(make: Factory, organization: Organization) -> Collaboration:
    return make.collaboration(organization)


@pytest.fixture
def node(make: Factory, organization: Organization, collaboration: Collaboration) -> Node:
    return make.node(organization, collaboration)


@pytest.fixture
def researcher(make: Factory, organization: Organization) -> User:
    return make.user(organization, rules=[VIEW_TASKS])


@pytest.fixture
def stranger(make: Factory) -> User:
    """A user of an organization that works with nobody."""
    return make.user(rules=[VIEW_TASKS])


def end(hub: EventHub, *rooms: str) -> None:
    """Send what tests wait for to be sure that nothing else was to come."""
    hub.publish(Event("end", None, rooms))


def status_of(session: Session, who: User | Node) -> str | None:
    session.rollback()
    session.refresh(who)
    return who.status


class TestConnecting:
    @pytest.mark.parametrize("shown", [None, "", "nonsense", "a.b.c"])
    def test_without_a_token_that_is_ours_it_is_refused(
        self, connect: Connect, shown: str | None
    ) -> None:
        with pytest.raises(SocketConnectionError):
            connect(shown)

    def test_a_refresh_token_is_refused(self, app: Flask, connect: Connect, node: Node) -> None:
        with app.app_context():
            refresh = token.refresh(token.Kind.NODE, node.id, 0, [], "x")
        with pytest.raises(SocketConnectionError):
            connect(refresh)

    def test_a_container_is_refused(
        self, app: Flask, connect: Connect, make: Factory, node: Node
    ) -> None:
        task = make.task(node.collaboration)
        with app.app_context():
            shown = container_token(task.results[0])
        with pytest.raises(SocketConnectionError):
            connect(shown)

    def test_a_refusal_is_on_the_audit_trail(
        self, connect: Connect, node: Node, caplog: pytest.LogCaptureFixture
    ) -> None:
        with pytest.raises(SocketConnectionError):
            connect(node, "/admin")
        messages = [one.getMessage() for one in caplog.records if one.name == audit.trail.name]
        trail = [json.loads(message) for message in messages]
        line = next(line for line in trail if line["action"] == "socket")
        assert (line["outcome"], line["namespace"]) == ("refused", "/admin")
        assert (line["actor"]["kind"], line["actor"]["id"]) == ("node", node.id)

    def test_a_revoked_token_is_refused(
        self, app: Flask, connect: Connect, session: Session, node: Node
    ) -> None:
        with app.app_context():
            shown = access_token(node)
        with app.extensions["database"].transaction() as writing:
            writing.get(Node, node.id).revoke_tokens()
        with pytest.raises(SocketConnectionError):
            connect(shown)

    def test_a_token_in_the_payload_counts_for_nothing(
        self, app: Flask, url: str, node: Node
    ) -> None:
        with app.app_context():
            shown = access_token(node)
        with requests.Session() as http, pytest.raises(SocketConnectionError):
            socketio.Client(reconnection=False, http_session=http).connect(
                f"{url}?token={shown}",
                auth={"token": shown, "Authorization": f"Bearer {shown}"},
                namespaces=["/tasks"],
                wait_timeout=PATIENCE,
            )

    @pytest.mark.parametrize("namespace", ["/", "/other", "/tasks/1"])
    def test_unknown_namespaces_are_refused(
        self, connect: Connect, researcher: User, namespace: str
    ) -> None:
        with pytest.raises(SocketConnectionError):
            connect(researcher, namespace)

    def test_another_origin_is_refused(self, connect: Connect, researcher: User) -> None:
        with pytest.raises(SocketConnectionError):
            connect(researcher, origin="http://elsewhere.example")

    def test_nodes_are_refused_on_admin(self, connect: Connect, node: Node) -> None:
        with pytest.raises(SocketConnectionError):
            connect(node, "/admin")

    def test_websocket_is_what_comes_of_it(self, connect: Connect, node: Node) -> None:
        assert connect(node).client.transport() == "websocket"


def token_that_is_over(app: Flask, node: Node) -> str:
    """What a node shows that does not know yet that its time is over."""
    with app.app_context():
        return with_claims(app, access_token(node), exp=int(time.time()) - 60)


class TestExpiry:
    def test_an_expired_token_is_told_and_closed(
        self, app: Flask, connect: Connect, sockets: Sockets, node: Node
    ) -> None:
        listener = connect(token_that_is_over(app, node))
        assert listener.wait_for("expired_token") == ""
        sockets.check(now=time.time())
        assert listener.client.connected, "it would come back with the same token"
        sockets.check(now=time.time() + FAREWELL_SECONDS)
        assert listener.wait_until_gone()

    def test_it_hears_nothing_and_is_not_heard(
        self,
        app: Flask,
        connect: Connect,
        hub: EventHub,
        sockets: Sockets,
        session: Session,
        node: Node,
    ) -> None:
        listener = connect(token_that_is_over(app, node))
        assert listener.call("join_room", "all_nodes") is None
        end(hub, "all_nodes", "all_connections", f"node_{node.id}")
        sockets.check(now=time.time() + FAREWELL_SECONDS)
        assert listener.wait_until_gone()
        assert [event for event, *_ in listener.heard.queue] == ["expired_token"]
        assert status_of(session, node) is None

    def test_a_token_that_ends_while_connected_closes_the_socket(
        self,
        app: Flask,
        connect: Connect,
        hub: EventHub,
        sockets: Sockets,
        session: Session,
        node: Node,
    ) -> None:
        with app.app_context():
            shown = access_token(node)
        listener = connect(shown)
        expires = unverified_claims(shown)["exp"]
        sockets.check(now=expires - 1)
        assert listener.client.connected
        sockets.check(now=expires)
        assert listener.wait_for("expired_token") == ""
        assert status_of(session, node) == "offline"
        assert listener.call("join_room", "all_nodes") is None
        end(hub, "all_nodes", "all_connections", f"node_{node.id}")
        sockets.check(now=expires + FAREWELL_SECONDS)
        assert listener.wait_until_gone()
        heard = {event for event, *_ in listener.heard.queue}
        assert heard <= {"message"}, "nothing but that it left its rooms"

    def test_changed_credentials_close_the_sockets(
        self, connect: Connect, hub: EventHub, sockets: Sockets, researcher: User, node: Node
    ) -> None:
        theirs, other = connect(researcher, "/tasks", "/admin"), connect(node)
        hub.publish(credentials_changed(researcher.id))
        sockets.check(now=0)
        assert theirs.wait_until_gone()
        assert other.client.connected

    def test_what_events_may_have_missed_is_found_in_the_database(
        self,
        connect: Connect,
        hub: EventHub,
        sockets: Sockets,
        make: Factory,
        session: Session,
        collaboration: Collaboration,
        researcher: User,
        node: Node,
    ) -> None:
        moved = make.node(make.organization(), collaboration)
        deleted, other = make.user(), make.user()
        void = [connect(one) for one in (researcher, node, moved, deleted)]
        stays = connect(other)
        researcher.revoke_tokens()
        node.revoke_tokens()
        moved.organization = make.organization()
        session.delete(deleted)
        session.commit()
        sockets.check(now=0)
        assert all(listener.client.connected for listener in void)
        hub.look_again()
        sockets.check(now=0)
        assert all(listener.wait_until_gone() for listener in void)
        assert stays.client.connected

    def test_it_is_looked_for_again_when_the_database_was_away(
        self,
        connect: Connect,
        hub: EventHub,
        sockets: Sockets,
        session: Session,
        app: Flask,
        researcher: User,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def away() -> None:
            raise OperationalError("", None, Exception("it is away"))

        listener = connect(researcher)
        researcher.revoke_tokens()
        session.commit()
        hub.look_again()
        with monkeypatch.context() as patch:
            patch.setattr(app.extensions["database"], "reading", away)
            sockets.check(now=0)
        sockets.check(now=0)
        assert listener.wait_until_gone()

    def test_a_transport_on_which_nobody_shows_a_token_is_closed(
        self, url: str, sockets: Sockets
    ) -> None:
        gone = threading.Event()
        with requests.Session() as http:
            transport = engineio.Client(http_session=http)
            transport.on("disconnect", lambda _reason: gone.set())
            transport.connect(url, engineio_path="socket.io")
            sockets.check(now=1000)
            assert transport.state == "connected"
            sockets.check(now=1000 + IDLE_SECONDS)
            assert gone.wait(PATIENCE)

    def test_a_connection_without_its_transport_is_forgotten(
        self, connect: Connect, sockets: Sockets, session: Session, node: Node
    ) -> None:
        connect(node)
        transports = sockets.io.server.eio.sockets
        kept = dict(transports)
        transports.clear()
        sockets.check(now=0)
        transports.update(kept)
        assert status_of(session, node) == "offline"


class TestStatus:
    def test_online_from_the_first_to_the_last_connection(
        self, connect: Connect, session: Session, make: Factory, node: Node
    ) -> None:
        watcher = connect(make.user(role="Viewer"), "/admin")
        first, second = connect(node), connect(node)
        assert status_of(session, node) == "online"
        first.close()
        _changes(watcher, 3)
        assert status_of(session, node) == "online"
        second.close()
        _changes(watcher, 1)
        assert status_of(session, node) == "offline"

    def test_users_too(self, connect: Connect, session: Session, researcher: User) -> None:
        connect(researcher)
        assert status_of(session, researcher) == "online"

    def test_admin_alone_does_not_count(
        self, connect: Connect, session: Session, researcher: User
    ) -> None:
        connect(researcher, "/admin")
        assert status_of(session, researcher) is None

    def test_users_hear_of_it_without_a_name(
        self, connect: Connect, stranger: User, node: Node
    ) -> None:
        watcher = connect(stranger, "/admin")
        connect(node)
        assert watcher.wait_for("node-status-changed") is None


def _changes(watcher: Listener, count: int) -> None:
    for _ in range(count):
        watcher.wait_for("node-status-changed")


class TestRooms:
    def test_a_node_is_where_the_classic_one_is(
        self, connect: Connect, hub: EventHub, node: Node
    ) -> None:
        listener = connect(node)
        for room in (
            "all_connections",
            "all_nodes",
            f"node_{node.id}",
            f"collaboration_{node.collaboration_id}",
        ):
            hub.publish(Event(room, room, (room,)))
            assert listener.wait_for(room) == room

    def test_a_user_is_in_the_collaborations_whose_tasks_may_be_seen(
        self,
        connect: Connect,
        hub: EventHub,
        make: Factory,
        researcher: User,
        collaboration: Collaboration,
    ) -> None:
        other = make.collaboration(make.organization())
        listener = connect(researcher)
        hub.publish(Event("foreign", None, (collaboration_room(other.id),)))
        hub.publish(Event("own", None, (collaboration_room(collaboration.id),)))
        assert "foreign" not in [name for name, _ in listener.hear_until("own")]

    def test_a_user_who_may_see_all_tasks_is_in_all_collaborations(
        self, connect: Connect, hub: EventHub, make: Factory, collaboration: Collaboration
    ) -> None:
        listener = connect(make.user(rules=[VIEW_ALL_TASKS]))
        hub.publish(Event("any", None, (collaboration_room(collaboration.id),)))
        assert listener.wait_for("any") is None

    def test_a_user_without_that_rule_is_in_none(
        self,
        connect: Connect,
        hub: EventHub,
        make: Factory,
        organization: Organization,
        collaboration: Collaboration,
    ) -> None:
        user = make.user(organization)
        listener = connect(user)
        hub.publish(Event("unseen", None, (collaboration_room(collaboration.id),)))
        end(hub, f"user_{user.id}")
        assert "unseen" not in [name for name, _ in listener.hear_until("end")]

    def test_nobody_joins_a_room_of_others(
        self,
        connect: Connect,
        hub: EventHub,
        stranger: User,
        node: Node,
        collaboration: Collaboration,
    ) -> None:
        listener = connect(stranger)
        rooms = (collaboration_room(collaboration.id), f"node_{node.id}", "all_nodes")
        for room in rooms:
            assert listener.call("join_room", room) == {"msg": "You may not be in that room"}
        hub.publish(Event("secret", None, rooms))
        end(hub, f"user_{stranger.id}")
        assert "secret" not in [name for name, _ in listener.hear_until("end")]

    @pytest.mark.parametrize("room", [None, 1, {}, ["all_users"], "all_users "])
    def test_nonsense_is_no_room(self, connect: Connect, researcher: User, room: Any) -> None:
        assert connect(researcher).call("join_room", room) == {"msg": "You may not be in that room"}

    def test_rights_are_followed_while_connected(
        self,
        app: Flask,
        connect: Connect,
        hub: EventHub,
        sockets: Sockets,
        make: Factory,
        researcher: User,
        collaboration: Collaboration,
    ) -> None:
        # Of one user the rights are looked up once.
        listeners = [connect(researcher), connect(researcher)]
        later = make.collaboration(researcher.organization)
        with app.extensions["database"].transaction() as writing:
            known = writing.get_one(Collaboration, collaboration.id)
            known.organizations.clear()
        sockets.check(now=time.time() + RIGHTS_SECONDS)
        hub.publish(Event("left", None, (collaboration_room(collaboration.id),)))
        hub.publish(Event("joined", None, (collaboration_room(later.id),)))
        for listener in listeners:
            assert "left" not in [name for name, _ in listener.hear_until("joined")]

    def test_who_is_gone_is_closed(
        self, app: Flask, connect: Connect, sockets: Sockets, researcher: User
    ) -> None:
        listener = connect(researcher, "/admin")
        with app.extensions["database"].transaction() as writing:
            writing.delete(writing.get(User, researcher.id))
        soon = time.time() + RIGHTS_SECONDS
        sockets.check(now=soon)
        sockets.check(now=soon)
        assert listener.wait_until_gone()

    def test_a_room_that_became_visible_can_be_joined(
        self, connect: Connect, hub: EventHub, make: Factory, researcher: User
    ) -> None:
        listener = connect(researcher)
        later = make.collaboration(researcher.organization)
        assert listener.call("join_room", collaboration_room(later.id)) is None
        hub.publish(Event("news", None, (collaboration_room(later.id),)))
        assert listener.wait_for("news") is None


class TestAnnouncements:
    def test_a_collaboration_hears_of_its_nodes(
        self, connect: Connect, researcher: User, node: Node
    ) -> None:
        listener = connect(researcher)
        listener.hear_until("message")
        other = connect(node)
        room = collaboration_room(node.collaboration_id)
        assert listener.wait_for("message") == f"Node <{node.name}> joined room <{room}>"
        other.close()
        assert listener.wait_for("message") == f"{node.name} left room {room}"

    def test_names_do_not_reach_other_organizations(
        self, connect: Connect, hub: EventHub, stranger: User, researcher: User, node: Node
    ) -> None:
        listener = connect(stranger)
        own = f"User <{stranger.username}> joined room <user_{stranger.id}>"
        assert listener.wait_for("message") == own
        connect(node).close()
        connect(researcher).close()
        end(hub, "all_connections")
        assert listener.hear_until("end") == []

    def test_user_names_do_not_reach_the_nodes_of_others(
        self, connect: Connect, hub: EventHub, researcher: User, node: Node
    ) -> None:
        listener = connect(node)
        connect(researcher).close()
        end(hub, f"node_{node.id}")
        heard = [payload for _, payload in listener.hear_until("end")]
        assert not any(researcher.username in text for text in heard)


class TestEvents:
    def test_a_new_task_is_told_to_the_nodes_that_have_a_run(
        self,
        app: Flask,
        connect: Connect,
        hub: EventHub,
        make: Factory,
        organization: Organization,
    ) -> None:
        other = make.organization()
        both = make.collaboration(organization, other)
        asked, not_asked = make.node(organization, both), make.node(other, both)
        hears, hears_not = connect(asked), connect(not_asked)
        task = make.task(both, organization)
        with app.extensions["database"].transaction() as session:
            record(session, new_task(session.merge(task)))
        assert hears.wait_for("new_task") == task.id
        end(hub, f"node_{not_asked.id}")
        assert "new_task" not in [name for name, _ in hears_not.hear_until("end")]

    def test_nodes_do_not_hear_of_one_another(
        self,
        app: Flask,
        connect: Connect,
        hub: EventHub,
        make: Factory,
        organization: Organization,
        node: Node,
    ) -> None:
        listener, other = connect(node), make.node(make.organization(), node.collaboration)
        own = f"Node <{node.name}> joined room"
        assert listener.wait_for("message").startswith(own)
        connect(other).close()
        task = make.task(node.collaboration, status=TaskStatus.ACTIVE)
        with app.extensions["database"].transaction() as session:
            record(session, result_status(session.get(Result, task.results[0].id)))
        end(hub, f"node_{node.id}")
        heard = [payload for _, payload in listener.hear_until("end")]
        assert all(str(payload).startswith(own) for payload in heard)

    def test_a_status_is_told_to_the_users_of_the_collaboration(
        self, app: Flask, connect: Connect, make: Factory, researcher: User, node: Node
    ) -> None:
        listener = connect(researcher)
        task = make.task(node.collaboration, status=TaskStatus.ACTIVE)
        with app.extensions["database"].transaction() as session:
            record(session, result_status(session.get(Result, task.results[0].id)))
        assert listener.wait_for("status_update") == {
            "result_id": task.results[0].id,
            "task_id": task.id,
            "parent_id": None,
            "run_id": task.run_id,
            "status": "active",
            "organization_id": node.organization_id,
            "collaboration_id": node.collaboration_id,
        }


class TestContainerFailed:
    def test_it_is_noted_and_relayed(
        self, connect: Connect, session: Session, make: Factory, researcher: User, node: Node
    ) -> None:
        result = make.task(node.collaboration).results[0]
        listener = connect(researcher)
        connect(node).call("container_failed", _failure(result, status_code=137))
        assert listener.wait_for("container_failed") == result.task.run_id
        session.rollback()
        session.refresh(result)
        assert result.exit_code == 137

    def test_what_the_node_says_about_itself_does_not_count(
        self, connect: Connect, hub: EventHub, make: Factory, stranger: User, node: Node
    ) -> None:
        result = make.task(node.collaboration).results[0]
        foreign = make.collaboration(stranger.organization)
        listener = connect(stranger)
        connect(node).call("container_failed", _failure(result, collaboration_id=foreign.id))
        end(hub, collaboration_room(foreign.id))
        assert "container_failed" not in [name for name, _ in listener.hear_until("end")]

    def test_a_run_of_another_node_is_left_alone(
        self,
        connect: Connect,
        session: Session,
        make: Factory,
        collaboration: Collaboration,
        node: Node,
    ) -> None:
        other = make.organization()
        elsewhere = make.collaboration(collaboration.organizations[0], other)
        listener = connect(node)
        for result in (
            make.task(elsewhere, other).results[0],
            make.task(elsewhere, node.organization).results[0],
        ):
            listener.call("container_failed", _failure(result))
            session.rollback()
            session.refresh(result)
            assert result.exit_code is None

    def test_users_cannot_say_so(
        self, connect: Connect, session: Session, make: Factory, researcher: User, node: Node
    ) -> None:
        result = make.task(node.collaboration).results[0]
        connect(researcher).call("container_failed", _failure(result))
        session.rollback()
        session.refresh(result)
        assert result.exit_code is None

    @pytest.mark.parametrize(
        "payload",
        [None, 7, [], {}, {"result_id": None}, {"result_id": "1"}, {"result_id": 10**30}],
    )
    def test_nonsense_changes_nothing(self, connect: Connect, node: Node, payload: Any) -> None:
        assert connect(node).call("container_failed", payload) is None

    @pytest.mark.parametrize("code", [None, "137", 10**30, True])
    def test_a_code_that_is_none_becomes_one(
        self, connect: Connect, session: Session, make: Factory, node: Node, code: Any
    ) -> None:
        result = make.task(node.collaboration).results[0]
        connect(node).call("container_failed", _failure(result, status_code=code))
        session.rollback()
        session.refresh(result)
        assert result.exit_code == 1


def _failure(result: Result, **differing: Any) -> dict[str, Any]:
    return {
        "node_id": result.node.id if result.node else None,
        "status_code": 1,
        "result_id": result.id,
        "collaboration_id": result.task.collaboration_id,
        **differing,
    }


def test_what_is_said_goes_to_the_log_on_one_line(
    connect: Connect, node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    listener = connect(node)
    with caplog.at_level("INFO"):
        listener.call("message", "all is\nwell" + "!" * 1000)
        listener.call("error", "not so")
    says = [message for message in caplog.messages if "says" in message]
    assert says[0].startswith(f"node {node.id} says: 'all is\\nwell!!!")
    assert len(says[0]) < 300
    assert says[1] == f"node {node.id} says: 'not so'"


def test_closing_lets_clients_know(
    connect: Connect, sockets: Sockets, session: Session, node: Node
) -> None:
    listener = connect(node)
    sockets.close()
    assert listener.wait_until_gone()
    assert status_of(session, node) == "offline"
