"""The socket library of the classic line, by websocket and by long polling."""

import pytest

from tests.conformance.remote import ClassicError


@pytest.fixture(params=["websocket", "polling"])
def socket(request, root, remote, server):
    socket = remote.keep("Socket", server.url, root.token.value, request.param)
    assert socket.transport() == request.param
    yield socket
    socket.close()


def test_connecting(socket):
    socket.wait_for("connect")


def test_hearing_of_the_progress_of_a_run(socket, root, node):
    socket.wait_for("connect")
    # as scripts do; here a user is in the room already
    socket.say("join_room", f"collaboration_{node.collaboration}")
    run = node.new_run(root)
    node.start(run)
    assert socket.wait_for("status_update")["result_id"] == run


def test_a_node_hears_of_a_task_by_its_bare_number(remote, root, server, node):
    socket = remote.keep("Socket", server.url, node.tokens["access_token"], "websocket")
    try:
        socket.wait_for("connect")
        run = node.new_run(root)
        (row,) = [row for row in node.open_runs() if row["id"] == run]
        assert socket.wait_for("new_task") == row["task"]["id"]
    finally:
        socket.close()


def test_a_container_that_failed(remote, root, server, node, socket):
    """What the classic node says in this case, and what becomes of the run afterwards."""
    at_node = remote.keep("Socket", server.url, node.tokens["access_token"], "websocket")
    try:
        run = node.new_run(root)
        node.start(run)
        report = {"node_id": node.id, "status_code": 1, "result_id": run}
        at_node.say("container_failed", {**report, "collaboration_id": node.collaboration})
        task = root.result.get(run, include_task=True)["task"]
        assert socket.wait_for("container_failed") == task["run_id"]
        assert node.finish(run, "c29tZXRoaW5n")["status"] == "failed"
    finally:
        at_node.close()


def test_a_token_that_does_not_work_is_refused(remote, server):
    with pytest.raises(ClassicError) as error:
        remote.keep("Socket", server.url, "no.such.token", "websocket")
    assert error.value.kind == "ConnectionError"
