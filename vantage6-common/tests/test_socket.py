"""The socket for events: what is closed stays closed."""

import socket
import threading

import pytest

from vantage6.common.client.socket import TaskSocket
from vantage6.common.exceptions import ServerUnreachable


@pytest.fixture
def listener():
    """A server that never answers; whoever comes is counted."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server


@pytest.fixture
def tokens():
    return []


@pytest.fixture
def task_socket(listener, tokens):
    def token():
        tokens.append("a token")
        return tokens[-1]

    return TaskSocket(f"http://127.0.0.1:{listener.getsockname()[1]}", token, {})


def test_an_attempt_that_begins_while_it_is_closed_ends_without_asking_for_anything(
    task_socket, listener, tokens
):
    """The library begins it on a thread of its own, which the closing one may not see yet."""
    client = task_socket._client
    client.connection_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client.connection_headers = task_socket._headers
    client.connection_namespaces = ["/tasks"]
    client.reconnection_delay, client.randomization_factor = 0.01, 0
    task_socket.close()
    late = threading.Thread(target=client._handle_reconnect)
    late.start()
    late.join(60)
    assert not late.is_alive()
    assert tokens == []
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_one_that_was_closed_connects_no_more(task_socket, tokens):
    task_socket.close()
    with pytest.raises(ServerUnreachable, match="closed on our side"):
        task_socket.connect()
    assert tokens == []
