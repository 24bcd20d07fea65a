"""What replicas send one another, and what they make of anything else."""

import json
from typing import Any

import pytest

from vantage6.server.message import LONGEST, Message, UnreadableMessageError
from vantage6.server.service.event import Event

EVENTS = [
    Event("new_task", 7, ("node_3", "node_4")),
    Event("status_update", {"result_id": 1, "status": "failed"}, ("collaboration_1",), task_id=7),
    Event("credentials_changed", identity_id=5),
    Event("node-status-changed", to_admin=True),
    Event("task_deleted", task_id=9),
]


def test_what_is_written_can_be_read() -> None:
    message = Message(12, has_gap=True, events=EVENTS)
    assert Message.read(message.write()) == message


def content(**differing: Any) -> bytes:
    event = {"name": "new_task", "payload": 7, "rooms": ["node_3"], **differing.pop("event", {})}
    return json.dumps({"version": 1, "number": 1, "events": [event], **differing}).encode()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        pytest.param(b"\x80\x04K\x01.", "not JSON", id="a pickle"),
        pytest.param(b"[" * 100_000, "not JSON", id="nested deeply"),
        pytest.param(b" " * (LONGEST + 1), "too long", id="long"),
        pytest.param(b"[]", "not of version 1", id="a list"),
        pytest.param(content(version=2), "not of version 1", id="another version"),
        pytest.param(content(number="1"), "no number", id="a number in words"),
        pytest.param(content(events={}), "no events", id="no list of events"),
        pytest.param(content(events=[1]), "no object", id="an event that is a number"),
        pytest.param(content(event={"name": "connect"}), "no name", id="a reserved name"),
        pytest.param(content(event={"name": "A b"}), "no name", id="a name with a space"),
        pytest.param(content(event={"rooms": "node_3"}), "rooms", id="rooms in a word"),
        pytest.param(content(event={"rooms": [None]}), "rooms", id="a room that is null"),
        pytest.param(content(event={"identity_id": "5"}), "no number", id="an id in words"),
        pytest.param(content(event={"task_id": True}), "no number", id="an id that is true"),
    ],
)
def test_anything_else_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(UnreadableMessageError, match=why):
        Message.read(body)
