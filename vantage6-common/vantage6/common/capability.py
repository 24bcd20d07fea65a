"""What an organization says it can read: a small statement, signed with its key.

The server hands these statements around, as it does the public keys. Signed with the key that
is pinned for the organization, a statement can be left out by the server, or an older one be
shown, but none can be made. Who has once seen an organization read authenticated envelopes
should therefore remember it, with `issued_at`, and not go back for a missing or older statement.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey

from vantage6.common import keys
from vantage6.common.envelope import base64
from vantage6.common.envelope.context import MAX_ID
from vantage6.common.exceptions import EncryptionError
from vantage6.common.text import canonical_json

CLASSIC, AUTHENTICATED = "classic", "authenticated"

_START = "capability-1"
_SEPARATOR = "$"
_LABEL = b"vantage6-capability-1\0"
_FIELDS = {"envelopes", "issued_at", "key", "organization_id", "v"}
_VERSION = 1
#: Names that we do not know may come from those who are ahead of us.
_NAME = re.compile(r"[a-z0-9-]{1,32}")
_MOST_NAMES = 16
_LONGEST = 8192


@dataclass(frozen=True)
class Capability:
    """A statement that was found to be genuine.

    Attributes
    ----------
    organization_id : int
    envelopes : tuple of str
        Which envelopes the organization reads; there may be names among them that are not known
        here.
    issued_at : int
        Seconds since 1970, by the clock of the organization.
    key : str
        Fingerprint of the key that signed it.
    """

    organization_id: int
    envelopes: tuple[str, ...]
    issued_at: int
    key: str

    @property
    def reads_authenticated(self) -> bool:
        """Whether the organization reads authenticated envelopes."""
        return AUTHENTICATED in self.envelopes


def make(
    own_key: RSAPrivateKey,
    organization_id: int,
    envelopes: Iterable[str] = (CLASSIC, AUTHENTICATED),
    issued_at: int | None = None,
) -> str:
    """A statement about ourselves.

    Parameters
    ----------
    own_key : RSAPrivateKey
        Of the organization.
    organization_id : int
    envelopes : iterable of str
        Which envelopes are read.
    issued_at : int, optional
        Seconds since 1970; now, unless given.
    """
    keys.require_strength(own_key.public_key())
    statement = Capability(
        organization_id,
        tuple(envelopes),
        int(time.time()) if issued_at is None else issued_at,
        keys.fingerprint(own_key.public_key()),
    )
    raw = _encode(statement)
    if _decode(raw) != statement:
        raise EncryptionError("The statement has values that nobody would read")
    signature = keys.sign(own_key, _digest(raw))
    return _SEPARATOR.join([_START, base64.encode(raw), base64.encode(signature)])


def verify(text: str, pinned_public_key: RSAPublicKey, organization_id: int) -> Capability:
    """The statement of an organization.

    Parameters
    ----------
    text : str
        What `make` made.
    pinned_public_key : RSAPublicKey
        The key that is known to be the organization's.
    organization_id : int
        Whose statement it has to be.

    Raises
    ------
    EncryptionError
        When it is malformed, another organization's, or not signed with this key.
    """
    raw, signature = _split(text)
    statement = _decode(raw)
    keys.require_strength(pinned_public_key)
    if statement.organization_id != organization_id:
        raise EncryptionError("The statement is about another organization")
    if statement.key != keys.fingerprint(pinned_public_key):
        raise EncryptionError("The statement was signed with another key than the organization's")
    if not keys.is_signed(pinned_public_key, _digest(raw), signature):
        raise EncryptionError("The statement was changed, or is not from its organization")
    return statement


def _encode(statement: Capability) -> bytes:
    return canonical_json(
        {
            "envelopes": list(statement.envelopes),
            "issued_at": statement.issued_at,
            "key": statement.key,
            "organization_id": statement.organization_id,
            "v": _VERSION,
        }
    )


def _decode(raw: bytes) -> Capability:
    try:
        values = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise _malformed() from error
    if not isinstance(values, dict) or values.keys() != _FIELDS or not _fits(values):
        raise _malformed()
    statement = Capability(
        values["organization_id"], tuple(values["envelopes"]), values["issued_at"], values["key"]
    )
    if _encode(statement) != raw:
        raise _malformed()
    return statement


def _fits(values: dict[str, Any]) -> bool:
    numbers = (values["organization_id"], values["issued_at"])
    names = values["envelopes"]
    return (
        all(type(number) is int and 0 < number <= MAX_ID for number in numbers)
        and isinstance(values["key"], str)
        and isinstance(names, list)
        and 0 < len(names) <= _MOST_NAMES
        and all(isinstance(name, str) and _NAME.fullmatch(name) for name in names)
        and len(set(names)) == len(names)
    )


def _split(text: str) -> tuple[bytes, bytes]:
    parts = text.split(_SEPARATOR) if len(text) <= _LONGEST else []
    if len(parts) != 3 or parts[0] != _START:
        raise _malformed()
    try:
        return base64.decode(parts[1]), base64.decode(parts[2])
    except ValueError as error:
        raise _malformed() from error


def _digest(raw: bytes) -> bytes:
    return hashlib.sha256(_LABEL + raw).digest()


def _malformed() -> EncryptionError:
    return EncryptionError("The statement about envelopes is malformed, or of another version")
