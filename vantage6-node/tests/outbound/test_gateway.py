"""The gateway behind a real relay, which runs as a process of this machine."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from vantage6.node.destinations import Destination, Line
from vantage6.node.outbound import gateway as module
from vantage6.node.outbound.gateway import Gateway, RelayFailed, Unreachable, connect
from vantage6.node.runner.interface import EngineUnreachable

PROGRAM = Path(__file__).parents[3] / "docker" / "relay" / "relay.py"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


def everything(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


class Server:
    """Answers with what it got, turned round, once all has come."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.accepted = 0
        self.threads = [threading.Thread(target=self._serve)]
        self.threads[0].start()

    def _serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            self.threads.append(threading.Thread(target=self._answer, args=(connection,)))
            self.threads[-1].start()

    @staticmethod
    def _answer(connection):
        with connection:
            try:
                connection.sendall(everything(connection)[::-1])
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join()


@pytest.fixture
def server():
    server = Server()
    yield server
    server.close()


class Relay:
    """A relay as in a sandbox, but with the loopback interface of this machine."""

    def __init__(self, folder):
        self.folder = folder
        self.proxy_port = free_port()
        environment = {
            **os.environ,
            "RELAY_PORT": str(self.proxy_port),
            "RELAY_FOLDER": str(folder),
        }
        self.process = subprocess.Popen([sys.executable, "-I", str(PROGRAM)], env=environment)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.proxy_port)).close()
                return
            except ConnectionRefusedError:
                assert self.process.poll() is None

    def call(self):
        self.process.send_signal(signal.SIGHUP)

    def close(self):
        self.process.terminate()
        assert self.process.wait(30) == 0


@pytest.fixture
def relay(tmp_path):
    relay = Relay(tmp_path)
    yield relay
    relay.close()


@pytest.fixture
def gateway():
    gateway = Gateway(lambda name: "127.0.0.1")
    yield gateway
    gateway.close()


def line(port, host="127.0.0.1", **values):
    """A destination, and an address of the loopback interface that nobody else will have."""
    address = "127." + ".".join(str(secrets.randbelow(253) + 2) for _ in range(3))
    return Line(address, Destination(host, port, "db", "the database", **values))


def exchange(address, content):
    with socket.create_connection(address) as connection:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_WR)
        return everything(connection)


def refuses(address):
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return True
    return False


def way(line):
    return line.address, line.destination.port


def test_bytes_pass_both_ways_and_are_counted(gateway, relay, server):
    to = line(server.port)
    gateway.admit(1, relay.folder, [to], relay.call)
    content = os.urandom(5_000_000)
    assert exchange(way(to), content) == content[::-1]
    (traffic,) = gateway.dismiss(1)
    assert (traffic.sent, traffic.received, traffic.faults) == (len(content), len(content), set())


def test_the_relay_listens_on_what_it_is_told_and_on_nothing_else(gateway, relay, server):
    lines = [line(server.port), line(server.port)]
    gateway.admit(1, relay.folder, lines, relay.call)
    assert [exchange(way(to), b"abc") for to in lines] == [b"cba", b"cba"]
    assert refuses((lines[0].address, server.port - 1))
    assert refuses((line(server.port).address, server.port))


def wait_until(happens):
    for _ in range(2000):
        if happens():
            return True
        threading.Event().wait(0.01)
    return False


def test_nothing_is_left_for_the_next_run_in_the_same_sandbox(gateway, relay, server):
    first, second = line(server.port), line(server.port)
    gateway.admit(1, relay.folder, [first], relay.call)
    with socket.create_connection(way(first)) as connection:
        connection.sendall(b"abc")
        assert wait_until(lambda: server.accepted == 1)
        gateway.dismiss(1)
        assert connection.recv(1) == b""
    gateway.admit(2, relay.folder, [second], relay.call)
    assert refuses(way(first))
    assert exchange(way(second), b"abc") == b"cba"
    gateway.dismiss(2)
    assert wait_until(lambda: refuses(way(second)))


def test_the_next_process_of_the_node_takes_over(relay, server):
    to = line(server.port)
    for _ in range(2):
        gateway = Gateway(lambda name: "")
        gateway.admit(1, relay.folder, [to], relay.call)
        assert exchange(way(to), b"abc") == b"cba"
        gateway.close()


def test_a_call_that_comes_before_the_relay_is_ready_is_not_lost(gateway, tmp_path, server):
    """The kernel throws away what the first process of a container does not wait for."""
    to = line(server.port)
    relays = []
    gateway.admit(1, tmp_path, [to], lambda: relays.append(Relay(tmp_path)))
    assert exchange(way(to), b"abc") == b"cba"
    relays[0].close()


def test_a_relay_that_cannot_listen_is_named(gateway, relay, server):
    taken = Line("127.0.0.1", Destination("127.0.0.1", server.port, "db", "the database"))
    with pytest.raises(RelayFailed, match="in use"):
        gateway.admit(1, relay.folder, [taken], relay.call)
    assert gateway.dismiss(1) == []


def test_a_relay_that_does_not_answer(gateway, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_RELAY_SECONDS", 0.01)
    with pytest.raises(EngineUnreachable, match="does not answer"):
        gateway.admit(1, tmp_path, [line(1)], lambda: None)


def test_a_node_that_stops_while_it_waits_for_a_relay_does_not_end_the_run(gateway, tmp_path):
    """Else the run would have failed by the time that the node starts again."""
    with ThreadPoolExecutor(1) as executor:
        called = threading.Event()
        start = executor.submit(gateway.admit, 1, tmp_path, [line(1)], called.set)
        assert called.wait(60)
        gateway.close()
        assert isinstance(start.exception(60), EngineUnreachable)


def test_a_relay_that_ends_before_it_answers_is_one_that_has_ended(gateway, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_RELAY_SECONDS", 0.01)
    calls = []

    def call():
        if calls:
            raise EngineUnreachable("The relay of the container has ended")
        calls.append(1)

    with pytest.raises(EngineUnreachable, match="has ended"):
        gateway.admit(1, tmp_path, [line(1)], call)


def test_one_side_that_only_listens_does_not_end_the_other(gateway, relay, server):
    to = line(server.port)
    gateway.admit(1, relay.folder, [to], relay.call)
    with socket.create_connection(way(to)) as idle:
        assert exchange(way(to), b"abc") == b"cba"
        idle.sendall(b"xyz")
        idle.shutdown(socket.SHUT_WR)
        assert everything(idle) == b"zyx"


def test_anchor_D_audit_counts_what_somebody_got_who_then_broke_off():  # noqa: N802
    """Else a destination that an algorithm knows takes as much as it likes, and none is noted."""
    counted = []
    ours, inside = socket.socketpair()
    outside, theirs = socket.socketpair()
    with ours, inside, outside, theirs:
        ours.sendall(b"x" * 100)
        theirs.close()
        module._pump(inside, outside, counted.append)
    assert counted == [100]


def test_connections_of_one_run_are_bounded(gateway, relay, server, monkeypatch):
    monkeypatch.setattr(module, "_MOST_CONNECTIONS", 3)
    to = line(server.port)
    gateway.admit(1, relay.folder, [to], relay.call)
    held = [socket.create_connection(way(to)) for _ in range(3)]
    assert wait_until(lambda: server.accepted == 3)
    assert exchange(way(to), b"") == b""
    assert server.accepted == 3
    for connection in held:
        connection.close()
    (traffic,) = gateway.dismiss(1)
    assert "More than 3 connections" in "".join(traffic.faults)


def test_a_destination_that_is_away_is_a_reason_without_an_address(gateway, relay):
    to = line(free_port())
    gateway.admit(1, relay.folder, [to], relay.call)
    with socket.create_connection(way(to)) as impatient:
        # It speaks first, and waits for the answer without saying that this was all.
        impatient.sendall(b"hello")
        with suppress(ConnectionResetError):
            assert everything(impatient) == b""
    (traffic,) = gateway.dismiss(1)
    (fault,) = traffic.faults
    assert "Connection refused" in fault
    assert "127.0.0.1" not in fault


# What the node connects to


def target(host, port=1, **values):
    return Destination(host, port, host, "", **values)


def nobody(name):
    raise Unreachable("there is no container of that name")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_house_itself_only_where_the_owner_wrote_so(host, server):
    connect(target(host, server.port), nobody).close()


@pytest.mark.parametrize("host", ["127.1", "2130706433", "0x7f000001", "0"])
def test_no_other_spelling_of_the_house_itself(host, server):
    with pytest.raises(Unreachable, match="may not connect"):
        connect(target(host, server.port), nobody)
    assert server.accepted == 0


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "127.0.0.1", "::1", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0"]
)
def test_anchor_ssrf_a_name_cannot_lead_to_the_house_or_the_metadata_service(
    address, server, monkeypatch
):
    def rebound(host, port, **_):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return [(family, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    with pytest.raises(Unreachable, match="may not connect"):
        connect(target("api.example", server.port), nobody)
    assert server.accepted == 0


def test_a_name_is_looked_up_when_it_is_needed(server, monkeypatch):
    known = {}

    def look_up(host, port, *_, **__):
        if host not in known:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(module, "is_closed", lambda address: False)
    with pytest.raises(Unreachable, match="not known"):
        connect(target("db.house", server.port), nobody)
    known["db.house"] = known["127.0.0.1"] = "127.0.0.1"
    connect(target("db.house", server.port), nobody).close()


def test_a_service_is_where_it_is_now(server):
    places = iter(["127.0.0.1"])
    connect(target("omop-1", server.port, is_service=True), lambda name: next(places)).close()
    with pytest.raises(Unreachable, match="no container"):
        connect(target("omop-1", server.port, is_service=True), nobody)
