"""What is trusted of other organizations: their pinned keys, and what they say they can read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from vantage6.common import capability
from vantage6.common.capability import Capability
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import Downgraded, EncryptionError
from vantage6.common.keys import load_public_key
from vantage6.common.pins import Pins

__all__ = ["Partners", "Shown"]


@dataclass(frozen=True)
class Shown:
    """An organization as the server shows it; nothing of this is proven.

    Attributes
    ----------
    id : int
    name : str
    public_key, capabilities : str
        "" where there is none.
    """

    id: int
    name: str = ""
    public_key: str = ""
    capabilities: str = ""

    @classmethod
    def from_wire(cls, organization: Mapping[str, Any]) -> "Shown":
        """From what the server sends; servers of the classic line know no capabilities."""

        def text(name: str) -> str:
            value = organization.get(name)
            return value if isinstance(value, str) else ""

        return cls(organization["id"], text("name"), text("public_key"), text("capabilities"))


class Partners:
    """The organizations of one server, our own among them.

    Parameters
    ----------
    pins : Pins
    own : tuple of int and str
        Id and name of our own organization.
    cryptor : RSACryptor
        Has our own key.
    look_up : callable
        From the id of an organization to how the server shows it.
    way_back : str
        How to accept that an organization reads classic envelopes only again, with `{}` for its
        id.
    """

    def __init__(
        self,
        pins: Pins,
        own: tuple[int, str],
        cryptor: RSACryptor,
        look_up: Callable[[int], Shown],
        way_back: str,
    ) -> None:
        self._pins, self._cryptor = pins, cryptor
        self._own, self._own_name = own
        self._look_up, self._way_back = look_up, way_back

    def key(self, organization_id: int) -> RSAPublicKey:
        """The key that counts for an organization; see `key_text`."""
        return load_public_key(self.key_text(organization_id))

    def key_text(self, organization_id: int) -> str:
        """The key that counts for an organization: the pinned one, or our own.

        Raises
        ------
        KeyChanged
            When the server shows another one than was pinned.
        EncryptionError
            When the organization has none.
        """
        if organization_id == self._own:
            return self._cryptor.public_key_str
        shown = self._look_up(organization_id)
        if not shown.public_key:
            raise EncryptionError(
                f"The organization {shown.name!r} has no public key yet, so nothing can be "
                "encrypted for it; its node or a user of it has to set one up first"
            )
        return self._pins.trusted_key(organization_id, shown.public_key, shown.name)

    def name(self, organization_id: int) -> str | None:
        """The name under which the key of an organization was pinned, if no other has it.

        At the first use a name is the server's word: it could show a new organization, with a key
        of its own, under the name of one that is trusted.
        """
        if organization_id == self._own:
            return self._own_name
        pin = self._pins.find(organization_id)
        return pin.name if pin and pin.name and self._pins.is_alone(pin) else None

    def reads_authenticated(self, organization_id: int) -> bool:
        """Whether an organization says, signed with its pinned key, that it reads our envelope.

        What it has said is remembered, so that a server cannot take it back.

        Raises
        ------
        Downgraded
            When the server does not show any more what the organization has said.
        KeyChanged, EncryptionError
            As for `key`.
        """
        key = self._pinned_key(organization_id)
        pin = self._pins.find(organization_id)
        known = _genuine(pin.capabilities if pin else "", key, organization_id)
        text = self._look_up(organization_id).capabilities
        shown = _genuine(text, key, organization_id)
        if known and _is_older(shown, known):
            if not known.reads_authenticated:
                # It said later that it does not any more.
                return False
            raise Downgraded(
                f"Organization {organization_id} has said, signed with its key, that it reads "
                "authenticated envelopes, and the server does not show that any more. It gets "
                "nothing in the classic envelope unless somebody has asked it and accepts that: "
                f"{self._way_back.format(organization_id)}"
            )
        if shown:
            self._pins.remember_capabilities(organization_id, text)
        return shown is not None and shown.reads_authenticated

    def _pinned_key(self, organization_id: int) -> RSAPublicKey:
        if organization_id == self._own:
            self._pins.hold(organization_id, self._cryptor.public_key_str, self._own_name)
        return self.key(organization_id)


def _genuine(text: str, key: RSAPublicKey, organization_id: int) -> Capability | None:
    """A statement if it is one, and the organization's own."""
    try:
        return capability.verify(text, key, organization_id) if text else None
    except EncryptionError:
        # Signed with a former key, or forged: nothing was said.
        return None


def _is_older(shown: Capability | None, known: Capability) -> bool:
    return shown is None or shown.issued_at < known.issued_at
