"""What replicas of a server send one another: events in JSON, read as what a neighbour says."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vantage6.server.service.event import Event

VERSION = 1
# Of what a replica sends at once; a kill of many thousand runs is smaller.
LONGEST = 16 * 1024**2
_NAME = re.compile(r"[a-z][a-z_-]{0,63}")
# Those mean something else to the library of the sockets.
_RESERVED = {"connect", "disconnect", "connect_error"}
_LONGEST_ROOM = 100


class UnreadableMessageError(Exception):
    """It is not what a replica of this version sends; the text says why."""


@dataclass(frozen=True)
class Message:
    """Some events of one replica.

    Attributes
    ----------
    number : int
        Of all that this replica has sent, so that one that is missing is noticed.
    has_gap : bool
        Whether it had to drop events before these.
    events : sequence of Event
    """

    number: int
    has_gap: bool
    events: Sequence[Event]

    def write(self) -> bytes:
        """In the form that is sent."""
        return json.dumps(
            {
                "version": VERSION,
                "number": self.number,
                "has_gap": self.has_gap,
                "events": [_written(event) for event in self.events],
            }
        ).encode()

    @classmethod
    def read(cls, body: bytes) -> "Message":
        """What another replica sent.

        Raises
        ------
        UnreadableMessageError
            When it is anything else, or of another version.
        """
        if len(body) > LONGEST:
            raise UnreadableMessageError("it is too long")
        try:
            content = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UnreadableMessageError("it is not JSON") from error
        if not isinstance(content, dict) or content.get("version") != VERSION:
            raise UnreadableMessageError(f"it is not of version {VERSION}")
        number, events = content.get("number"), content.get("events")
        if not isinstance(number, int) or not isinstance(events, list):
            raise UnreadableMessageError("it has no number, or no events")
        return cls(number, content.get("has_gap") is True, [_read(event) for event in events])


def _written(event: Event) -> dict[str, Any]:
    # What is not set is left out, which is most.
    return {name: value for name, value in vars(event).items() if value not in (None, (), False)}


def _read(content: Any) -> Event:
    if not isinstance(content, dict):
        raise UnreadableMessageError("an event is no object")
    name, rooms = content.get("name"), content.get("rooms", [])
    if not isinstance(name, str) or not _NAME.fullmatch(name) or name in _RESERVED:
        raise UnreadableMessageError("an event has no name")
    if not isinstance(rooms, list) or not all(_is_room(room) for room in rooms):
        raise UnreadableMessageError(f"the rooms of {name} are no names")
    ids = {key: content.get(key) for key in ("task_id", "identity_id")}
    if not all(value is None or _is_integer(value) for value in ids.values()):
        raise UnreadableMessageError(f"an id of {name} is no number")
    return Event(
        name,
        content.get("payload"),
        tuple(rooms),
        **ids,
        to_admin=content.get("to_admin") is True,
    )


def _is_room(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_ROOM


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
