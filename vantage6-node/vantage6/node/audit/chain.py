"""One line of the audit log follows from the one before; pure functions.

A line is a JSON object in its one canonical spelling. `hash` is the SHA-256 of the line
without it, and `previous` the `hash` of the line before, so that nothing can be changed,
taken out, put in or moved without all that follows changing, too.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vantage6.common.text import canonical_json

_FIELDS = {"number", "at", "event", "facts", "previous", "hash"}
_LONGEST_TEXT = 1000


@dataclass(frozen=True)
class Head:
    """The end of a chain.

    Attributes
    ----------
    count : int
        Number of the last line.
    hash : str
        Its hash.
    """

    count: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.count}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> "Head":
        """The head in a text such as `12:ab…`; ValueError when there is none."""
        count, separator, digest = text.strip().partition(":")
        if not separator or len(digest) != 64 or not digest.isalnum():
            raise ValueError(f"{text!r:.100} is not the number and hash of a line")
        return cls(int(count), digest)


@dataclass(frozen=True)
class Record:
    """One line, read back.

    Attributes
    ----------
    is_intact : bool
        Whether the line is what its hash was made of.
    """

    number: int
    at: str
    event: str
    previous: str
    hash: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_intact: bool = True

    @property
    def head(self) -> Head:
        """The end of a chain that ends with this line."""
        return Head(self.number, self.hash)


def make_line(head: Head, at: str, event: str, facts: Mapping[str, Any]) -> tuple[bytes, Head]:
    """The line that follows on a head, and the new head."""
    content = {
        "number": head.count + 1,
        "at": at,
        "event": event,
        "facts": {name: _short(value) for name, value in facts.items()},
        "previous": head.hash,
    }
    digest = _digest(content)
    return canonical_json({**content, "hash": digest}) + b"\n", Head(head.count + 1, digest)


def read_line(line: bytes) -> Record | None:
    """What a line says; None when it is not a line of an audit log."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.keys() != _FIELDS:
        return None
    digest = content.pop("hash")
    number, facts = content["number"], content["facts"]
    if type(number) is not int or not isinstance(facts, dict) or not isinstance(digest, str):
        return None
    spelled = canonical_json({**content, "hash": digest})
    is_intact = digest == _digest(content) and line.rstrip(b"\n") == spelled
    return Record(**content, hash=digest, is_intact=is_intact)


def sha256(data: bytes) -> str:
    """The digest of a payload, or of a line."""
    return hashlib.sha256(data).hexdigest()


def _digest(content: Mapping[str, Any]) -> str:
    return sha256(canonical_json(content))


def _short(value: Any) -> Any:
    """Texts come from tasks, too, and nobody shall fill the log with one."""
    return value[:_LONGEST_TEXT] if isinstance(value, str) else value
