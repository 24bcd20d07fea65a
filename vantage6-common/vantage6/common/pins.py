"""Public keys of other organizations, pinned at their first use.

The server hands out the keys, so a server that lies could put its own in their place and read
everything. It can do so once, at the very first use, and never again: from then on the pinned
key counts, and another one is refused until somebody has confirmed it. The file is JSON::

    {"version": 1, "servers": {"https://server.example/api": {"7": {"key": ..., ...}}}}

What it holds is no secret, but whoever may write to it decides who is trusted: only its owner
can open it. Several processes may use one file.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vantage6.common import keys
from vantage6.common.exceptions import ConfigurationError, EncryptionError, KeyChanged
from vantage6.common.file_lock import locked
from vantage6.common.files import write_private_file

__all__ = ["Pin", "Pins", "check_offer", "fingerprint", "pinned_keys"]

_VERSION = 1
_SHOWN = 16


@dataclass(frozen=True)
class Pin:
    """What is trusted of one organization at one server.

    Attributes
    ----------
    server : str
        Address of the API.
    organization_id : int
    key : str
        The public key, as organizations carry it.
    since : str
        When it was pinned.
    name : str
        Of the organization, when it was pinned.
    offered : str
        Another key that the server showed since; not trusted.
    capabilities : str
        The last statement of the organization, signed with the pinned key, of what it can read.
    """

    server: str
    organization_id: int
    key: str
    since: str
    name: str = ""
    offered: str = ""
    capabilities: str = ""

    @property
    def fingerprint(self) -> str:
        """That of the pinned key."""
        return fingerprint(self.key)

    @property
    def offered_fingerprint(self) -> str:
        """That of the key which waits to be confirmed; "" where none does."""
        return fingerprint(self.offered) if self.offered else ""

    def shown(self) -> dict[str, str | int]:
        """What people and programs get to see."""
        return {
            "server": self.server,
            "organization_id": self.organization_id,
            "name": self.name,
            "fingerprint": self.fingerprint,
            "since": self.since,
            "offered": self.offered_fingerprint,
        }

    def __str__(self) -> str:
        return f"{self.name!r} (organization {self.organization_id})"


class Pins:
    """The pinned keys of the organizations of one server.

    Parameters
    ----------
    path : Path
        The file; made at the first use.
    server : str
        Address of the API; organizations of two servers have nothing to do with each other.
    way_out : str
        How a changed key is confirmed, with `{}` for the id of the organization.
    """

    def __init__(self, path: Path, server: str, way_out: str) -> None:
        self._path, self._server, self._way_out = path, server, way_out

    def find(self, organization_id: int) -> Pin | None:
        """What is pinned of an organization, if anything is."""
        return _read(self._path).get((self._server, organization_id))

    def is_alone(self, pin: Pin) -> bool:
        """Whether no other organization of the server has the name of this one."""
        others = (other for other in _read(self._path).values() if other.server == pin.server)
        return all(
            other.organization_id == pin.organization_id or other.name != pin.name
            for other in others
        )

    def trusted_key(self, organization_id: int, shown: str, name: str = "") -> str:
        """The key to use for an organization, given the one that the server shows.

        The first one is pinned.

        Raises
        ------
        KeyChanged
            When it is another one than was pinned.
        EncryptionError
            When the organization has no key, or it cannot be read.
        ConfigurationError
            When the file of pins cannot be read.
        """
        shown_print = fingerprint(shown)
        pin = self.find(organization_id) or self._pin_first(organization_id, shown, name)
        if pin.fingerprint == shown_print:
            return pin.key
        if pin.offered != shown:
            self._change(organization_id, lambda old: replace(old, offered=shown))
        raise KeyChanged(
            f"The server shows another public key of {pin} than the one that was pinned: "
            f"{shown_print[:_SHOWN]}… instead of {pin.fingerprint[:_SHOWN]}…. It is not used "
            f"until somebody has asked the organization and confirmed it: "
            f"{self._way_out.format(organization_id)}"
        )

    def confirm(self, organization_id: int, expected: str | None = None) -> Pin:
        """Trust the key that the server showed last, from now on.

        Parameters
        ----------
        organization_id : int
        expected : str, optional
            The fingerprint of the new key as the organization told it; spaces and colons in it
            do not count.

        Raises
        ------
        EncryptionError
            When no other key was shown, or it has another fingerprint.
        """

        def change(pin: Pin) -> Pin:
            check_offer(pin, expected)
            return replace(pin, key=pin.offered, offered="", capabilities="", since=_now())

        return self._change(organization_id, change)

    def hold(self, organization_id: int, own_key: str, name: str) -> None:
        """Pin the key of our own organization: who has its private half asks nobody."""
        pin = self.find(organization_id)
        if pin is None or pin.fingerprint != fingerprint(own_key):
            with _changing(self._path) as pins:
                held = Pin(self._server, organization_id, own_key, _now(), name)
                pins[self._server, organization_id] = held

    def remember_capabilities(self, organization_id: int, statement: str) -> None:
        """Keep the statement of an organization; the caller has verified it."""
        pin = self.find(organization_id)
        if pin is None or pin.capabilities != statement:
            self._change(organization_id, lambda old: replace(old, capabilities=statement))

    def forget_capabilities(self, organization_id: int) -> None:
        """Take an organization as one that never said what it can read."""
        self._change(organization_id, lambda old: replace(old, capabilities=""))

    def _pin_first(self, organization_id: int, key: str, name: str) -> Pin:
        pin = Pin(self._server, organization_id, key, _now(), name)
        with _changing(self._path) as pins:
            # Another process may have been the first.
            return pins.setdefault((self._server, organization_id), pin)

    def _change(self, organization_id: int, change: Callable[[Pin], Pin]) -> Pin:
        with _changing(self._path) as pins:
            pin = pins.get((self._server, organization_id))
            if pin is None:
                raise EncryptionError(f"No key is pinned of organization {organization_id}")
            pins[self._server, organization_id] = changed = change(pin)
            return changed


def pinned_keys(path: Path) -> list[Pin]:
    """All that a file holds.

    Raises
    ------
    ConfigurationError
        When it cannot be read.
    """
    return [pin for _, pin in sorted(_read(path).items())]


def fingerprint(public_key: str) -> str:
    """SHA-256 of a public key, whatever way it is written.

    Raises
    ------
    EncryptionError
        When the key is missing or cannot be read.
    """
    return keys.fingerprint(keys.load_public_key(public_key))


def check_offer(pin: Pin, expected: str | None = None) -> None:
    """Raise EncryptionError unless a key waits to be confirmed, and it is the expected one."""
    if not pin.offered:
        raise EncryptionError(f"The server has shown no other key of {pin} than the pinned one")
    if expected is None:
        return
    if re.sub(r"[\s:]", "", expected).lower() != pin.offered_fingerprint:
        raise EncryptionError(
            f"The key that the server shows of {pin} has another fingerprint: "
            f"{pin.offered_fingerprint}. Somebody may have put it in the place of the right one"
        )


_Content = dict[tuple[str, int], Pin]


@contextmanager
def _changing(path: Path) -> Iterator[_Content]:
    """The content of a file that nobody else changes meanwhile; written at the end."""
    with locked(path.with_name(f".{path.name}.lock")):
        pins = _read(path)
        before = dict(pins)
        yield pins
        if pins != before:
            write_private_file(path, json.dumps(_to_json(pins), indent=1).encode())


def _read(path: Path) -> _Content:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            f"The pinned keys in {path} cannot be read: {error.strerror}"
        ) from error
    try:
        return _from_json(json.loads(content))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        # To begin anew in silence would be to trust whatever the server shows next.
        raise ConfigurationError(
            f"{path} does not hold pinned keys any more; bring it back from a backup, or delete "
            "it to trust the keys that the server shows next"
        ) from error


def _from_json(content: Any) -> _Content:
    if content["version"] != _VERSION:
        raise ValueError(content["version"])
    pins = (
        Pin(server=server, organization_id=int(id_), **entry)
        for server, entries in content["servers"].items()
        for id_, entry in entries.items()
    )
    return {(pin.server, pin.organization_id): _checked(pin) for pin in pins}


def _checked(pin: Pin) -> Pin:
    """The pin; an error when it is none, so that a broken file is not taken for a change."""
    texts = {**asdict(pin), "organization_id": ""}.values()
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a pin is made of texts")
    fingerprint(pin.key)
    return pin


def _to_json(pins: _Content) -> dict[str, Any]:
    servers: dict[str, dict[str, Any]] = {}
    for (server, id_), pin in sorted(pins.items()):
        entry = {
            key: text
            for key, text in asdict(pin).items()
            if text and key not in ("server", "organization_id")
        }
        servers.setdefault(server, {})[str(id_)] = entry
    return {"version": _VERSION, "servers": servers}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
