"""The server itself, and one's own account."""

from pathlib import Path
from typing import TYPE_CHECKING

from vantage6.client.base import Reply, SubClient

if TYPE_CHECKING:
    from vantage6.common.pins import Pins


class UtilSubClient(SubClient):
    """Ask about the server, and look after one's own account."""

    def get_server_version(self) -> Reply:
        """Version of the server, under the key `version`."""
        reply: Reply = self._get("version")
        return reply

    def get_server_health(self) -> Reply:
        """Whether the parts of the server work."""
        reply: Reply = self._get("health")
        return reply

    def change_my_password(self, current_password: str, new_password: str) -> Reply:
        """Give yourself another password."""
        body = {"current_password": current_password, "new_password": new_password}
        return self._told(self._patch("password/change", body))

    def reset_my_password(self, email: str | None = None, username: str | None = None) -> Reply:
        """Have a mail sent with which a forgotten password can be replaced.

        Parameters
        ----------
        email, username : str
            One of both.
        """
        return self._told(self._post("recover/lost", _account(email, username)))

    def set_my_password(self, token: str, password: str) -> Reply:
        """Replace a forgotten password.

        Parameters
        ----------
        token : str
            From the mail that `reset_my_password` has sent.
        password : str
            The new password.
        """
        body = {"reset_token": token, "password": password}
        return self._told(self._post("recover/reset", body))

    def reset_two_factor_auth(
        self, password: str, email: str | None = None, username: str | None = None
    ) -> Reply:
        """Have a mail sent with which a lost second factor can be replaced.

        Parameters
        ----------
        password : str
        email, username : str
            One of both.
        """
        body = {**_account(email, username), "password": password}
        return self._told(self._post("recover/2fa/lost", body))

    def set_two_factor_auth(self, token: str, recovery_code: str | None = None) -> Reply:
        """Set up a new second factor and print the code to scan.

        Parameters
        ----------
        token : str
            From the mail that `reset_two_factor_auth` has sent.
        recovery_code : str, optional
            One of those that were shown when the old one was set up. Our server needs it: mail
            alone does not replace a second factor.
        """
        body = {"reset_token": token, "recovery_code": recovery_code}
        given = {name: value for name, value in body.items() if value}
        reply = self._told(self._post("recover/2fa/reset", given))
        if "qr_uri" in reply:
            self.parent.show_second_factor(reply)
        return reply

    def new_recovery_codes(self, password: str, mfa_code: int | str) -> Reply:
        """Have other recovery codes in the place of all that you had, and print them.

        Parameters
        ----------
        password : str
        mfa_code : int or str
            The code that your authenticator app shows now.
        """
        body = {"password": password, "mfa_code": mfa_code}
        reply: Reply = self._post("recover/2fa/codes", body)
        if "recovery_codes" in reply:
            self.parent.show_recovery_codes(reply)
        return reply

    def generate_private_key(self, file_: str | Path | None = None) -> None:
        """Write a new private key, and use it from now on.

        Parameters
        ----------
        file_ : str or Path, optional
            `private_key.pem` in the current folder where nothing is said.

        Raises
        ------
        FileExistsError
            When there is such a file already: a key that is replaced cannot be had back.
        EncryptionError
            When the organization is known to the server with another key.
        """
        from vantage6.common.encryption import RSACryptor

        path = Path(file_ or "private_key.pem")
        if path.exists():
            raise FileExistsError(f"There is a file {path} already; it is left as it is")
        self.parent.whoami_or_fail()
        RSACryptor.create_new_rsa_key(path)
        self.parent.log.info("Wrote a new private key to %s", path)
        self.parent.setup_encryption(path)

    def pinned_keys(self) -> list[dict[str, str | int]]:
        """The public keys of organizations of this server that are trusted.

        Returns
        -------
        list of dict
            `organization_id`, `name`, `fingerprint` and `since`; `offered` is the fingerprint of
            another key that the server showed and that waits to be confirmed.
        """
        from vantage6.common.client.letters import pins_file
        from vantage6.common.pins import pinned_keys

        pins = pinned_keys(pins_file(self.parent.pins_file))
        return [pin.shown() for pin in pins if pin.server == self.parent.base_path]

    def confirm_key(self, organization_id: int, fingerprint: str | None = None) -> None:
        """Trust the other public key that the server shows of an organization.

        Ask the organization first, by telephone for instance: somebody may have put a key of
        their own in its place.

        Parameters
        ----------
        organization_id : int
        fingerprint : str, optional
            Of the new key, as the organization told it; another one is then refused.

        Raises
        ------
        EncryptionError
            When the server has shown no other key, or one with another fingerprint.
        """
        self._pins().confirm(organization_id, fingerprint)

    def accept_classic(self, organization_id: int) -> None:
        """Send to an organization in the classic envelope again, which proves nothing.

        For one that said it reads signed inputs and, as it told you, does not do so any more.
        """
        self._pins().forget_capabilities(organization_id)

    def _pins(self) -> "Pins":
        from vantage6.common.client.letters import CONFIRM, pins_file
        from vantage6.common.pins import Pins

        return Pins(pins_file(self.parent.pins_file), self.parent.base_path, CONFIRM)

    def _told(self, reply: Reply) -> Reply:
        self.parent.log.info("The server says: %s", reply.get("msg"))
        return reply


def _account(email: str | None, username: str | None) -> dict[str, str | None]:
    if not email and not username:
        raise AssertionError("Give an email address or a username")
    return {"email": email, "username": username}
