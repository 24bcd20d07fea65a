"""What a client seals and opens once encryption is set up."""

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from vantage6.common.authenticated import is_authenticated_envelope
from vantage6.common.client.unverified import UNVERIFIED
from vantage6.common.correspondence import Answer, Correspondence, Outgoing, StoredInput
from vantage6.common.encryption import RSACryptor
from vantage6.common.envelope.streams import Writable
from vantage6.common.exceptions import ConfigurationError, EncryptionError, NotForUs
from vantage6.common.globals import APPNAME
from vantage6.common.letter import Letter
from vantage6.common.long_text import LARGE, LongText
from vantage6.common.partners import Partners, Shown
from vantage6.common.pins import Pins
from vantage6.common.sealed import Sealed
from vantage6.common.sent import Sent
from vantage6.common.sources import Source

PINS_VARIABLE = "VANTAGE6_PINS_FILE"
CONFIRM = "client.util.confirm_key({})"
ACCEPT_CLASSIC = "client.util.accept_classic({})"

log = logging.getLogger(__name__)


def pins_file(chosen: Path | str | None = None) -> Path:
    """Where clients pin keys: where the caller, the environment, or else the system says."""
    named = chosen or os.environ.get(PINS_VARIABLE)
    if named:
        return Path(named).expanduser()
    return Path(PlatformDirs(APPNAME, appauthor=False).user_config_dir) / "client" / "pins.json"


class Letters:
    """The letters of one organization, for as long as one call of the client takes.

    Parameters
    ----------
    own : tuple of int and str
        Id and name of our organization.
    cryptor : RSACryptor
    show : callable
        From the id of an organization to what the server sends of it.
    server : str
        Address of the API.
    pins : Path
        The file of pinned keys; what was sent is noted beside it.
    """

    def __init__(
        self,
        own: tuple[int, str],
        cryptor: RSACryptor,
        show: Callable[[int], Mapping[str, Any]],
        server: str,
        pins: Path,
    ) -> None:
        @cache
        def look_up(id_: int) -> Shown:
            return Shown.from_wire({**show(id_), "id": id_})

        self._cryptor = cryptor
        self._partners = Partners(
            Pins(pins, server, CONFIRM), own, cryptor, look_up, ACCEPT_CLASSIC
        )
        sent = Sent(pins.with_name(f"{pins.stem}-sent.sqlite"), server)
        self._correspondence = Correspondence(own[0], cryptor, self._partners, sent)

    def seal_classic(self, organization_id: int, data: bytes) -> str:
        """`data` in the classic envelope, which every reader knows."""
        key = self._partners.key_text(organization_id)
        return self._cryptor.encrypt_bytes_to_str(data, key)

    def seal_input(
        self, organization_id: int, collaboration_id: int, image: str, data: bytes
    ) -> str | LongText:
        """An input, in the best envelope that its recipient says it reads.

        A large one is made while it is sent.
        """
        entry = (organization_id, collaboration_id, image, data)
        if len(data) < LARGE:
            return self._correspondence.seal_input(*entry)
        return self._correspondence.input_text(*entry)

    def sealed_input(
        self, organization_id: int, collaboration_id: int, image: str, source: Source
    ) -> Sealed:
        """The same for the payload store."""
        return self._correspondence.sealed_input(organization_id, collaboration_id, image, source)

    def open_result_into(self, answer: Answer, letter: Letter, target: Writable) -> None:
        """A result from the payload store; see `Correspondence`."""
        self._correspondence.open_result_into(answer, letter, target)

    def open_input_into(self, letter: Letter, target: Writable) -> None:
        """An input from the payload store; see `Correspondence`."""
        self._correspondence.open_input_into(letter, target)

    def remembers(self, task_id: int) -> bool:
        """Whether it is known here what the results of a task have to answer."""
        return self._correspondence.remembers(task_id)

    def note_sent(self, task: Any, inputs: Sequence[tuple[int, Outgoing]]) -> None:
        """Remember what results will have to answer, now that the task has an id."""
        if not (isinstance(task, dict) and isinstance(task.get("id"), int)):
            return  # the server's refusal
        try:
            self._correspondence.note_sent(task["id"], inputs)
        except (ConfigurationError, OSError) as error:
            log.warning("What was sent could not be noted: %s", error)

    def open_fields(
        self,
        result: dict[str, Any],
        *,
        task_id: int | None,
        result_id: int | None,
        stored_input: StoredInput | None = None,
    ) -> None:
        """Open `result` and `input` of a result as the server sent it, in place.

        What was made for somebody else stays as it is. So does a result that cannot be trusted;
        why not is then beside it, under `unverified`.
        """
        sealed_input = result.get("input")
        # What came out of the payload store is bytes already.
        if isinstance(result.get("result"), str) and result["result"]:
            try:
                answer = Answer.from_wire(
                    result, task_id=task_id, result_id=result_id, stored_input=stored_input
                )
                result["result"] = self._correspondence.open_result(answer)
            except NotForUs as error:
                log.debug("%s", error)
            except EncryptionError as error:
                log.warning("%s", error)
                result[UNVERIFIED] = str(error)
        if isinstance(sealed_input, str) and sealed_input:
            result["input"] = self._opened_input(sealed_input)

    def _opened_input(self, text: str) -> bytes | str:
        """An input to look at; its text where it was sent to somebody else."""
        try:
            if is_authenticated_envelope(text):
                return self._correspondence.open_input(text)
            return self._cryptor.decrypt_str_to_bytes(text)
        except EncryptionError as error:
            log.debug("An input stays as it is: %s", error)
            return text
