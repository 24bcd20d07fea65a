"""The keys that this node uses, what is sealed with them, and what it says of itself."""

import logging
import time
from collections.abc import Iterable
from pathlib import Path

from vantage6.common import capability
from vantage6.common.capability import AUTHENTICATED, CLASSIC
from vantage6.common.correspondence import Correspondence
from vantage6.common.encryption import DummyCryptor, RSACryptor
from vantage6.common.exceptions import ConfigurationError, EncryptionError, ServerError
from vantage6.common.partners import Partners
from vantage6.common.pins import Pin, Pins, pinned_keys
from vantage6.common.sent import Sent
from vantage6.node.agreement import Agreement
from vantage6.node.envelopes import Envelopes, Plain, Sealed
from vantage6.node.journal import Journal
from vantage6.node.server import Identity, Server

PINS = "pins.json"
CONFIRM = "vnode-local keys confirm {}"
ACCEPT_CLASSIC = f"{CONFIRM} --classic"

# Which envelopes are taken, by the key `encryption.envelope`.
READS = {
    "both": (CLASSIC, AUTHENTICATED),
    "authenticated": (AUTHENTICATED,),
    "classic": (CLASSIC,),
}

log = logging.getLogger(__name__)


class NodePins(Pins):
    """The keys that a node has pinned."""

    def find(self, organization_id: int) -> Pin | None:
        """What is pinned of an organization; an error tells the researcher no path of the house."""
        try:
            return super().find(organization_id)
        except ConfigurationError as error:
            log.error("%s", error)
            raise EncryptionError(
                "The keys that this node has pinned cannot be read; its owner has to look at them"
            ) from error


def pins_of(server: Server, data_folder: Path) -> Pins:
    """The keys that a node has pinned.

    Raises
    ------
    ConfigurationError
        When there is a file of them that cannot be read.
    """
    path = data_folder / PINS
    pinned_keys(path)
    return NodePins(path, server.address, CONFIRM)


def partners_of(who: Identity, server: Server, cryptor: RSACryptor, pins: Pins) -> Partners:
    """The organizations of our collaboration."""
    return Partners(
        pins,
        (who.organization_id, who.organization_name),
        cryptor,
        lambda id_: server.organization(id_, who.collaboration_id),
        ACCEPT_CLASSIC,
    )


def publish_capabilities(
    who: Identity, cryptor: RSACryptor, server: Server, reads: Iterable[str]
) -> None:
    """Have the server tell others what we can read, unless it does so already.

    Signed with our key, so that no server can say it in our place. A node that reads classic
    envelopes only says nothing; where something else was said before, it signs that as well.
    """
    envelopes = tuple(reads)
    said = _said(who, cryptor)
    if said is None and AUTHENTICATED not in envelopes:
        return
    if said is not None and set(said.envelopes) == set(envelopes):
        return
    # Later than what was said before, also where the clock was put back.
    issued_at = max(int(time.time()), said.issued_at + 1 if said else 0)
    statement = capability.make(cryptor.private_key, who.organization_id, envelopes, issued_at)
    try:
        server.set_capabilities(who.organization_id, statement)
    except ServerError as error:
        # One of the classic line does not know them.
        log.warning("The server does not tell others what this node can read: %s", error)
    else:
        log.info("The server tells others that we read: %s", ", ".join(envelopes))


def _said(who: Identity, cryptor: RSACryptor) -> capability.Capability | None:
    """What the server shows of us, if we said it."""
    own_key = cryptor.private_key.public_key()
    try:
        if who.capabilities:
            return capability.verify(who.capabilities, own_key, who.organization_id)
    except EncryptionError as error:
        log.warning("What the server says of our organization is not ours: %s", error)
    return None


def envelopes_of(
    who: Identity,
    server: Server,
    cryptor: RSACryptor | DummyCryptor,
    takes: str,
    folder: Path,
    journal: Journal,
) -> Envelopes:
    """How payloads come into a node and leave it.

    Parameters
    ----------
    who : Identity
    server : Server
    cryptor : RSACryptor or DummyCryptor
        That of our organization.
    takes : str
        The key `encryption.envelope`.
    folder : Path
        The data folder.
    journal : Journal

    Raises
    ------
    ConfigurationError
        When there is a file of pinned keys that cannot be read.
    """
    encrypts = isinstance(cryptor, RSACryptor)
    agreement = Agreement(encrypts, lambda: server.is_encrypted(who.collaboration_id))
    if isinstance(cryptor, DummyCryptor):
        return Plain(agreement)
    pins = pins_of(server, folder)
    # So that the owner can read out to others what our own fingerprint is.
    pins.hold(who.organization_id, cryptor.public_key_str, who.organization_name)
    partners = partners_of(who, server, cryptor, pins)
    sent = Sent(folder / "sent.sqlite", server.address)
    return Sealed(
        who.organization_id,
        who.collaboration_id,
        cryptor,
        partners,
        Correspondence(who.organization_id, cryptor, partners, sent),
        journal,
        agreement,
        takes,
    )
