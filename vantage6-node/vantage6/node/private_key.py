"""The private key of an organization, and its public half at the server."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from vantage6.common import jwt
from vantage6.common.client.base import ClientBase
from vantage6.common.context import InstanceContext, folders
from vantage6.common.encryption import RSACryptor
from vantage6.common.exceptions import AuthenticationException, ConfigurationError
from vantage6.node.assembly import connection_of


@dataclass(frozen=True)
class KeyFile:
    """The key of an organization on this machine.

    Attributes
    ----------
    path : Path
    public_key : str
    made : bool
        Whether it is a new one.
    kept : Path, optional
        Where the one is that was there before.
    """

    path: Path
    public_key: str
    made: bool
    kept: Path | None = None


class _Client(ClientBase):
    def show_second_factor(self, reply: dict[str, Any]) -> None:
        """Refuse: what is shown must reach an app, once."""
        raise AuthenticationException(
            "This user has no second factor yet, which the server wants: log in with the client "
            "of researchers first, which shows how"
        )


class Account:
    """A user of the server, who may change the key of the own organization.

    Parameters
    ----------
    context : InstanceContext
        The node; its server is meant.
    """

    def __init__(self, context: InstanceContext) -> None:
        config = context.config
        self._session = requests.Session()
        connection_of(config).apply(self._session, config["server_url"])
        self._client = _Client(
            config["server_url"], config["port"], config["api_path"], session=self._session
        )
        self.organization: dict[str, Any] = {}

    def log_in(self, username: str, password: str, code: str | None) -> None:
        """Become somebody; AuthenticationException where that fails."""
        credentials = {"username": username, "password": password}
        self._client.authenticate(credentials | ({"mfa_code": code} if code else {}))
        user = self._client.send("get", f"user/{jwt.subject(self._client.token)}")
        self.organization = self._client.send("get", f"organization/{user['organization']['id']}")

    @property
    def name(self) -> str:
        """The name of the organization."""
        return str(self.organization["name"])

    @property
    def public_key(self) -> str:
        """The key by which the server knows the organization; "" for none."""
        return str(self.organization["public_key"] or "")

    def set_public_key(self, public_key: str) -> None:
        """Make a key known for the organization."""
        path = f"organization/{self.organization['id']}"
        self._client.send("patch", path, json={"public_key": public_key})

    def close(self) -> None:
        """Let go of the connection."""
        self._session.close()


def path_of(context: InstanceContext, organization: str) -> Path:
    """Where the key of an organization is: beside the data of all nodes, which may share it."""
    name = organization.replace(os.sep, "_")
    return folders("node", context.system_folders).data / f"privkey_{name}.pem"


def provide(path: Path, overwrite: bool) -> KeyFile:
    """Have a key in a file; one that is there is used, or put aside when told so.

    What was encrypted for a key can be read with no other, so it is never deleted.

    Raises
    ------
    ConfigurationError
        When the file cannot be written.
    """
    kept = None
    try:
        if path.exists() and not overwrite:
            return KeyFile(path, RSACryptor(path).public_key_str, made=False)
        if path.exists():
            kept = path.with_name(f"{path.name}.until-{datetime.now(UTC):%Y%m%d-%H%M%S}")
            path.rename(kept)
        RSACryptor.create_new_rsa_key(path)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used: {error.strerror}") from error
    return KeyFile(path, RSACryptor(path).public_key_str, made=True, kept=kept)


def fits(path: Path, public_key: str) -> bool:
    """Whether a public key is that of a file that is there."""
    return path.exists() and RSACryptor(path).verify_public_key(public_key)
