"""The classic base of all clients: log in, call, encrypt."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from vantage6.common import jwt
from vantage6.common.client.long_json import NOTHING, Omit
from vantage6.common.client.transport import READ_TIMEOUT, Session, Transport
from vantage6.common.exceptions import (
    AuthenticationException,
    EncryptionError,
    ServerError,
    ServerUnreachable,
    ServiceUnavailable,
    Unauthorized,
)
from vantage6.common.long_text import LARGE, Base64Text, LongText
from vantage6.common.retry import Backoff
from vantage6.common.serialization import JSON, LEGACY, serialize
from vantage6.common.text import bytes_to_base64s

if TYPE_CHECKING:
    from vantage6.common.client.letters import Letters
    from vantage6.common.encryption import DummyCryptor, RSACryptor

# Of which the classic clients know; any other word means to read.
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# How long a patient caller keeps asking, in seconds, when nobody answers.
PATIENCE = 600.0


class WhoAmI(NamedTuple):
    """Who is logged in."""

    type_: str
    id_: int
    name: str
    organization_name: str
    organization_id: int


class ServerInfo(NamedTuple):
    """Where the server is."""

    host: str
    port: int | None
    path: str


class ClientBase:
    """Talks to a server, or to the proxy of a node as if it were one.

    Parameters
    ----------
    host : str
        Scheme and name, such as `https://server.example`.
    port : int, optional
        Without one, the port of the scheme.
    path : str
        Where the API starts.
    session : Session, optional
        In place of a `requests.Session` of our own.
    pins_file : Path or str, optional
        Where the public keys of other organizations are pinned. Else what the variable
        `VANTAGE6_PINS_FILE` names, or `client/pins.json` in the folder for configurations.
    timeout : float, optional
        Seconds after which a server that says nothing is given up.
    """

    def __init__(
        self,
        host: str,
        port: int | str | None,
        path: str = "/api",
        *,
        session: Session | None = None,
        pins_file: Path | str | None = None,
        timeout: float | None = None,
    ) -> None:
        self._server = ServerInfo(host.rstrip("/"), int(port) if port else None, path)
        self.transport = Transport(self.base_path, session)
        self.log = logging.getLogger(type(self).__module__)
        self.pins_file = pins_file
        self.timeout = timeout or READ_TIMEOUT
        self.cryptor: DummyCryptor | RSACryptor | None = None
        self.whoami: WhoAmI | None = None
        self._access_token: str | None = None
        self._refresh_token: str | None = None
        self._refresh_url: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.base_path}>"

    @property
    def host(self) -> str:
        """Scheme and name of the server."""
        return self._server.host

    @property
    def port(self) -> int | None:
        """Port of the server, None for that of the scheme."""
        return self._server.port

    @property
    def path(self) -> str:
        """Where the API starts."""
        return self._server.path

    @property
    def server_url(self) -> str:
        """Host and port; the socket listens here."""
        return f"{self.host}:{self.port}" if self.port else self.host

    @property
    def base_path(self) -> str:
        """Host, port and path together."""
        return f"{self.server_url}{self.path}"

    @property
    def token(self) -> str:
        """The access token; AuthenticationException before the log-in."""
        if self._access_token is None:
            raise AuthenticationException("Log in first: call authenticate()")
        return self._access_token

    @property
    def headers(self) -> dict[str, str]:
        """The header that shows who we are, empty before the log-in."""
        return {"Authorization": f"Bearer {self._access_token}"} if self._access_token else {}

    @property
    def name(self) -> str:
        """The name of who is logged in."""
        if self.whoami is None:
            raise AuthenticationException("Log in first: call authenticate()")
        return self.whoami.name

    def generate_path_to(self, endpoint: str) -> str:
        """The whole URL of an endpoint."""
        return f"{self.base_path}/{endpoint.lstrip('/')}"

    def send(
        self,
        method: str,
        endpoint: str,
        *,
        json: Any = None,
        params: Any = None,
        read_timeout: float | None = None,
        omit: Omit = NOTHING,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Make one call and return the decoded body.

        An access token that is no longer accepted is renewed once. What `omit` says
        is left out of a large answer.

        Raises
        ------
        ServerUnreachable
            When there was no answer.
        ServerError
            When the server refused; the subclass tells why.
        """
        call: dict[str, Any] = {
            "json": json,
            "params": params,
            "read_timeout": read_timeout or self.timeout,
            "omit": omit,
            "headers": headers,
        }
        try:
            return self.transport.call(method, endpoint, token=self._access_token, **call)
        except Unauthorized:
            if not self._can_refresh():
                raise
            self.refresh_token()
            return self.transport.call(method, endpoint, token=self._access_token, **call)

    def send_patiently(
        self, method: str, endpoint: str, *, patience: float = PATIENCE, **call: Any
    ) -> Any:
        """Make one call, and repeat it with growing pauses while nobody answers.

        Only for questions: what creates something may have been done before the answer to it
        was lost.

        Parameters
        ----------
        patience : float
            After so many seconds without an answer the error is raised.
        """
        backoff, end = Backoff(limit=10), time.monotonic() + patience
        while True:
            try:
                return ClientBase.send(self, method, endpoint, **call)
            except (ServerUnreachable, ServiceUnavailable) as error:
                pause = backoff.pause()
                if time.monotonic() + pause > end:
                    raise
                self.log.warning("%s; asking again in %.1f s", error, pause)
                time.sleep(pause)

    def request(
        self,
        endpoint: str,
        json: Any = None,
        method: str = "get",
        params: Any = None,
        first_try: bool = True,
        retry: bool = True,
    ) -> Any:
        """Make one call and return the body, that of a refusal too: `{"msg": ...}`.

        The classic way; `send` raises instead. Only the absence of any answer raises here.
        `first_try` and `retry` are accepted as ever and no longer needed. A method that HTTP
        does not know reads.
        """
        method = method if method.upper() in _METHODS else "get"
        try:
            return self.send(method, endpoint, json=json, params=params)
        except ServerError as error:
            return self._refused(method, endpoint, error)

    def _refused(self, method: str, endpoint: str, error: ServerError) -> dict[str, Any]:
        """What the classic methods return where the server refused: its body, or our words."""
        self.log.error("%s %s: %s", method.upper(), endpoint, error)
        return error.body if isinstance(error.body, dict) else {"msg": str(error)}

    def authenticate(self, credentials: dict[str, Any], path: str = "token/user") -> bool:
        """Log in.

        Returns
        -------
        bool
            False where the server first wants a second factor to be set up: its reply is
            then handed to `show_second_factor`.

        Raises
        ------
        AuthenticationException
            When the credentials are wrong, or a second factor is missing.
        ServerUnreachable, ServerError
            When the server cannot be asked.
        """
        reply = self.transport.call("post", path, json=credentials)
        if "qr_uri" in reply:
            self.show_second_factor(reply)
            return False
        if "access_token" not in reply:
            raise AuthenticationException(reply.get("msg", "The server gave no token"))
        self._take_tokens(reply)
        if "recovery_codes" in reply:
            self.show_recovery_codes(reply)
        return True

    def show_recovery_codes(self, reply: dict[str, Any]) -> None:
        """Show what replaces a lost second factor; clients for people override this."""

    def show_second_factor(self, reply: dict[str, Any]) -> None:
        """Show what is needed to set up a second factor; clients for people override this."""
        raise AuthenticationException(reply.get("msg", "A second factor must be set up first"))

    def refresh_token(self) -> None:
        """Exchange the refresh token for a new access token.

        Raises
        ------
        AuthenticationException
            When there is none, or the server no longer takes it.
        """
        if self._refresh_token is None or self._refresh_url is None:
            raise AuthenticationException("Log in first: call authenticate()")
        # the server names the whole path, so it does not go below that of the API
        transport = Transport(self.server_url, self.transport.session)
        reply = transport.call("post", self._refresh_url, token=self._refresh_token)
        self._take_tokens(reply)

    def setup_encryption(self, private_key_file: Path | str | None) -> None:
        """Use a private key, and make its public half known where the organization has none.

        Parameters
        ----------
        private_key_file : Path, str or None
            None for collaborations without encryption.

        Raises
        ------
        FileNotFoundError
            When there is no such file.
        EncryptionError
            When the file holds no key, or the organization is known with another key: all
            its nodes and users share one, so replacing it is a decision of its own
            (`organization.update(public_key=...)`).
        """
        from vantage6.common.encryption import RSACryptor, load_cryptor

        cryptor = load_cryptor(private_key_file)
        if isinstance(cryptor, RSACryptor):
            self._agree_on_key(cryptor)
        self.cryptor = cryptor

    def post_task(
        self,
        name: str,
        image: str,
        collaboration_id: int,
        input_: Any = "",
        description: str = "",
        organization_ids: list[int] | None = None,
        data_format: str = JSON,
        database: str = "default",
    ) -> dict[str, Any]:
        """Create a task, its input encrypted for each organization.

        The containers are asked to answer in the format of the input, unless the input says
        otherwise itself (`output_format`).

        Returns
        -------
        dict
            The task, or `{"msg": ...}` when the server refused it.

        Raises
        ------
        EncryptionError
            When encryption has not been set up, an organization has no key, or another one
            than was pinned, or the server does not show any more what it said it can read.
        """
        payload = serialize(asking_for(input_, data_format), data_format)
        letters = self._letters()
        inputs = [
            {
                "id": id_,
                "input": self._sealed_input(letters, id_, collaboration_id, image, payload),
            }
            for id_ in organization_ids or []
        ]
        task = self._create_task(
            {
                "name": name,
                "image": image,
                "collaboration_id": collaboration_id,
                "description": description,
                "database": database,
                "organizations": inputs,
            }
        )
        if letters:
            letters.note_sent(task, inputs)
        return task

    def get_results(
        self,
        id: int | None = None,
        state: str | None = None,
        include_task: bool = False,
        task_id: int | None = None,
        node_id: int | None = None,
        params: dict[str, Any] | None = None,
    ) -> Any:
        """Results with `input` and `result` decrypted to bytes where that is possible.

        Returns
        -------
        dict or list of dict
            One result with `id`, else a list; what the server sent, but for the two fields.
        """
        query = {
            **(params or {}),
            "state": state,
            "include": "task" if include_task else (params or {}).get("include"),
            "task_id": task_id,
            "node_id": node_id,
        }
        query = {key: value for key, value in query.items() if value is not None}
        reply = self.request("result" if id is None else f"result/{id}", params=query)
        return self.decrypt_results(reply, task_id=task_id, result_id=id)

    def decrypt_results(
        self, reply: Any, *, task_id: int | None = None, result_id: int | None = None
    ) -> Any:
        """Decrypt `input` and `result` in a reply of the server: one result, a list, or a page.

        A result that cannot be trusted stays encrypted, and `unverified` beside it says why.

        Parameters
        ----------
        reply
        task_id, result_id : int, optional
            What was asked for, where it was one task or one result.
        """
        letters = self._letters()

        def decrypted(item: Any) -> Any:
            if isinstance(item, list):
                return [decrypted(one) for one in item]
            if isinstance(item, dict) and isinstance(item.get("data"), list):
                return {**item, "data": decrypted(item["data"])}
            if isinstance(item, dict) and letters:
                letters.open_fields(item, task_id=task_id, result_id=result_id)
            elif isinstance(item, dict):
                for field in ("input", "result"):
                    if item.get(field):
                        item[field] = self._decrypted(item[field], field)
            return item

        return decrypted(reply)

    def encrypt_for(self, organization_id: int, data: bytes) -> str:
        """`data` as text for the wire that only one organization can read.

        In the classic envelope; `post_task` takes a better one where the organization reads it.

        Raises
        ------
        EncryptionError
            When encryption has not been set up, or the organization has no key, or another one
            than was pinned.
        """
        if self.cryptor is None:
            raise EncryptionError("Encryption has not yet been set up: call setup_encryption()")
        letters = self._letters()
        return letters.seal_classic(organization_id, data) if letters else bytes_to_base64s(data)

    def _sealed_input(
        self,
        letters: "Letters | None",
        organization_id: int,
        collaboration_id: int,
        image: str,
        payload: bytes,
    ) -> str | LongText:
        """The input of one organization; a large one is made while it is sent."""
        if letters:
            return letters.seal_input(organization_id, collaboration_id, image, payload)
        if self.cryptor is None or len(payload) < LARGE:
            return self.encrypt_for(organization_id, payload)
        return Base64Text(payload)

    def _letters(self) -> "Letters | None":
        """What seals and opens, where encryption is set up; its imports take their time."""
        if self.cryptor is None:
            return None
        from vantage6.common.client.letters import Letters, pins_file
        from vantage6.common.encryption import RSACryptor

        if not isinstance(self.cryptor, RSACryptor):
            return None
        if self.whoami is None:
            raise AuthenticationException("Log in first: call authenticate()")
        return Letters(
            (self.whoami.organization_id, self.whoami.organization_name),
            self.cryptor,
            lambda id_: self.send("get", f"organization/{id_}"),
            self.base_path,
            pins_file(self.pins_file),
        )

    def _create_task(self, body: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self.request("task", method="post", json=body)
        return reply

    def _decrypted(self, text: str, field: str) -> bytes | str:
        """The bytes of a field, or its text where it was not made for us."""
        if self.cryptor is None:
            raise EncryptionError("Encryption has not yet been set up: call setup_encryption()")
        try:
            return self.cryptor.decrypt_str_to_bytes(text)
        except EncryptionError as error:
            # An input that was sent to another organization is none of ours to read.
            self.log.debug("The field %r stays as it is: %s", field, error)
            return text

    def _agree_on_key(self, cryptor: "RSACryptor") -> None:
        if self.whoami is None:
            raise AuthenticationException("Log in first: call authenticate()")
        endpoint = f"organization/{self.whoami.organization_id}"
        known = self.send("get", endpoint)["public_key"]
        if not known:
            self.send("patch", endpoint, json={"public_key": cryptor.public_key_str})
        elif not cryptor.verify_public_key(known):
            raise EncryptionError(
                f"The organization {self.whoami.organization_name!r} is known to the server with "
                "another public key than that of this private key. Use the organization's key, "
                "or replace it for all its nodes and users with "
                "organization.update(public_key=...)"
            )

    def _can_refresh(self) -> bool:
        return self._refresh_token is not None and self._refresh_url is not None

    def _take_tokens(self, reply: dict[str, Any]) -> None:
        self._access_token = reply["access_token"]
        self._refresh_token = reply.get("refresh_token", self._refresh_token)
        self._refresh_url = reply.get("refresh_url", self._refresh_url)

    def _subject(self) -> Any:
        return jwt.subject(self.token)


def asking_for(input_: Any, data_format: str) -> Any:
    """The input of a wrapper with the wish to be answered in the format it is sent in."""
    if data_format != LEGACY and isinstance(input_, dict) and "method" in input_:
        return {"output_format": data_format, **input_}
    return input_


__all__ = ["ClientBase", "ServerInfo", "ServerUnreachable", "WhoAmI", "asking_for"]
