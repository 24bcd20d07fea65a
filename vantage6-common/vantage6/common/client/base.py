"""The classic base of all clients: what a caller needs to order tasks and read results."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.common.attachment import source_of
from vantage6.common.client.ability import Ability, Uploads
from vantage6.common.client.caller import Caller, ServerInfo, WhoAmI
from vantage6.common.client.settled import Deadline, limits
from vantage6.common.client.transport import Session
from vantage6.common.exceptions import (
    AuthenticationException,
    EncryptionError,
    ServerUnreachable,
    Unsupported,
)
from vantage6.common.long_text import LARGE, Base64Text, LongText
from vantage6.common.serialization import JSON, LEGACY
from vantage6.common.sources import Source, whole
from vantage6.common.text import bytes_to_base64s
from vantage6.common.wire import INLINE, SMALL

if TYPE_CHECKING:
    from vantage6.common.client.letters import Letters
    from vantage6.common.encryption import DummyCryptor, RSACryptor

__all__ = ["ClientBase", "ServerInfo", "ServerUnreachable", "WhoAmI", "asking_for"]


# From an organization, a collaboration and an image to an entry of a task, and what was sealed
Seal = Callable[[int, int, str], tuple[dict[str, Any], Any]]


class ClientBase(Caller):
    """A caller that encrypts, orders tasks and reads results.

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

    _uploads_inputs = True

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
        super().__init__(host, port, path, session=session, timeout=timeout)
        self.pins_file = pins_file
        self._ability = Ability(lambda: self.send("get", "version"))
        self.cryptor: DummyCryptor | RSACryptor | None = None

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
        *,
        quorum: int | None = None,
        deadline: Deadline | None = None,
    ) -> dict[str, Any]:
        """Create a task, its input encrypted for each organization.

        The containers are asked to answer in the format of the input, unless the input says
        otherwise itself (`output_format`). `quorum` says how many organizations have to answer,
        `deadline` by when; see `vantage6.common.client.settled`.

        Returns
        -------
        dict
            The task, or `{"msg": ...}` when the server refused it.

        Raises
        ------
        EncryptionError
            When encryption has not been set up, an organization has no key, or another one
            than was pinned, or the server does not show any more what it said it can read.
        ValueError
            When the quorum or the deadline is none.
        Unsupported
            When the server does not know quorum and deadline.
        """
        given = limits(quorum, deadline)
        if given:
            self._require_limits()
        payload = source_of(asking_for(input_, data_format), data_format)
        with self._sealing(payload) as (seal, take_back):
            inputs = [(id_, *seal(id_, collaboration_id, image)) for id_ in organization_ids or []]
            task = self._create_task(
                {
                    "name": name,
                    "image": image,
                    "collaboration_id": collaboration_id,
                    "description": description,
                    "database": database,
                    "organizations": [{"id": id_, **entry} for id_, entry, _ in inputs],
                    **given,
                }
            )
            if "id" not in task:
                take_back()
        if letters := self._letters():
            letters.note_sent(task, [(id_, sent) for id_, _, sent in inputs])
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
            **self.large_elsewhere(),
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
        self,
        reply: Any,
        *,
        task_id: int | None = None,
        result_id: int | None = None,
        stored_inputs: bool = True,
    ) -> Any:
        """Decrypt `input` and `result` in a reply of the server: one result, a list, or a page.

        A result that cannot be trusted stays encrypted, and `unverified` beside it says why. What
        the server does not show because it is large is fetched.

        Parameters
        ----------
        reply
        task_id, result_id : int, optional
            What was asked for, where it was one task or one result.
        stored_inputs : bool
            Whether large inputs are fetched as well.
        """
        letters = self._letters()

        def decrypted(item: Any) -> Any:
            if isinstance(item, list):
                return [decrypted(one) for one in item]
            if isinstance(item, dict) and isinstance(item.get("data"), list):
                return {**item, "data": decrypted(item["data"])}
            stored_input = None
            if isinstance(item, dict) and (item.get("result_stored") or item.get("input_stored")):
                from vantage6.common.client import parcels

                stored_input = parcels.input_of(self, item, result_id)
                ids = {"task_id": task_id, "result_id": result_id}
                parcels.fill(self, item, **ids, with_input=stored_inputs)
            if isinstance(item, dict) and letters:
                letters.open_fields(
                    item, task_id=task_id, result_id=result_id, stored_input=stored_input
                )
            elif isinstance(item, dict):
                for field in ("input", "result"):
                    if isinstance(item.get(field), str) and item[field]:
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
        self.require_encryption()
        letters = self._letters()
        return letters.seal_classic(organization_id, data) if letters else bytes_to_base64s(data)

    def large_elsewhere(self) -> dict[str, int]:
        """What asks a server not to show large payloads inline: we can get them in another way."""
        return {"inline": INLINE} if self._uploads() else {}

    def require_encryption(self) -> None:
        """Raise EncryptionError unless it was said whether we encrypt, and how."""
        if self.cryptor is None:
            raise EncryptionError("Encryption has not yet been set up: call setup_encryption()")

    @contextmanager
    def _sealing(self, payload: Source) -> Iterator[tuple[Seal, Callable[[], None]]]:
        """What seals a payload for organizations, and what takes it back after a refusal.

        A large one goes to the payload store, where the server has one.
        """
        letters, sending = self._letters(), None
        if payload.size > SMALL and type(self)._uploads_inputs:
            from vantage6.common.client import parcels

            self.require_encryption()
            if uploads := self._uploads():
                sending = parcels.Sending(self, letters, uploads)
        held: list[bytes] = []

        def seal(id_: int, collaboration_id: int, image: str) -> tuple[dict[str, Any], Any]:
            if sending and (sent := sending.send(id_, collaboration_id, image, payload)):
                return {"input_upload": sent[0]}, sent[1]
            if not held:
                held.append(whole(payload))
            text = self._sealed_input(letters, id_, collaboration_id, image, held[0])
            return {"input": text}, text

        def take_back() -> None:
            if sending:
                sending.take_back()

        try:
            yield seal, take_back
        except BaseException:
            take_back()
            raise

    def _uploads(self) -> Uploads | None:
        """What the server says of large payloads, where we can send and fetch them."""
        return self._ability.uploads() if self.transport.can_stream else None

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

    def _require_limits(self) -> None:
        """Make sure that the server does not simply pass over a quorum or a deadline."""
        if self.send("get", "version").get("quorum") is not True:
            raise Unsupported(
                "This server waits for all organizations, however long: it knows neither quorum "
                "nor deadline"
            )

    def _create_task(self, body: dict[str, Any]) -> dict[str, Any]:
        reply: dict[str, Any] = self.request("task", method="post", json=body)
        return reply

    def _decrypted(self, text: str, field: str) -> bytes | str:
        """The bytes of a field, or its text where it was not made for us."""
        self.require_encryption()
        assert self.cryptor is not None
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


def asking_for(input_: Any, data_format: str) -> Any:
    """The input of a wrapper with the wish to be answered in the format it is sent in."""
    if data_format != LEGACY and isinstance(input_, dict) and "method" in input_:
        return {"output_format": data_format, **input_}
    return input_
