"""The program of the relay, as a process of its own."""

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from vantage6.node.globals import RELAY_CONTROL
from vantage6.node.unix_socket import listen

PROGRAM = Path(__file__).parents[2] / "docker" / "relay" / "relay.py"


@pytest.fixture
def proxy(tmp_path):
    """A service on a Unix socket that answers with what it got, once all has come."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "proxy.sock"))
    listener.listen()

    def answer(connection):
        with connection:
            connection.sendall(everything(connection)[::-1])

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,)).start()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def everything(connection):
    """All bytes until the other side says that there are no more."""
    return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.fixture
def relay(tmp_path):
    """The address of a relay that has said that it listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "RELAY_PORT": str(port),
        "RELAY_FOLDER": str(tmp_path),
    }
    with listen(tmp_path, RELAY_CONTROL, 1) as control:
        process = subprocess.Popen([sys.executable, "-I", str(PROGRAM)], env=environment)
        control.settimeout(60)
        control.accept()[0].close()
    yield "127.0.0.1", port
    process.terminate()
    assert process.wait(30) == 0


def exchange(address, content):
    with socket.create_connection(address) as connection:
        sender = threading.Thread(target=connection.sendall, args=(content,))
        sender.start()
        sender.join()
        connection.shutdown(socket.SHUT_WR)
        return everything(connection)


def test_bytes_pass_both_ways_and_each_way_ends_for_itself(proxy, relay):
    content = os.urandom(3_000_000)
    assert exchange(relay, content) == content[::-1]


def test_several_at_once(proxy, relay):
    with socket.create_connection(relay) as idle:
        assert exchange(relay, b"abc") == b"cba"
        idle.sendall(b"xyz")
        idle.shutdown(socket.SHUT_WR)
        assert everything(idle) == b"zyx"


def test_without_a_proxy_the_caller_sees_the_end(relay):
    assert exchange(relay, b"") == b""
