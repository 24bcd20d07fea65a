"""Large payloads of subtasks, which the algorithm knows nothing of: it has them in its JSON."""

import logging
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from vantage6.common.client.ability import Uploads
from vantage6.common.client.download import Stored
from vantage6.common.correspondence import Answer as Result
from vantage6.common.exceptions import EncryptionError, ServerError, ServerUnreachable
from vantage6.common.long_text import LongText
from vantage6.common.sealed import PlainPayload, Sealed
from vantage6.common.sources import Base64Of, Held, OpenFile
from vantage6.common.wire import SMALL
from vantage6.node.envelopes import Envelopes
from vantage6.node.server import Server
from vantage6.node.usage import in_words

log = logging.getLogger(__name__)


class TooMuch(EncryptionError):
    """Results that are larger than this node hands to an algorithm; the text says how large."""


class Outgoing:
    """The large inputs of one subtask, on their way to the payload store.

    Parameters
    ----------
    server, envelopes : object
        Those of the node.
    token : str
        That of the algorithm, which will use the uploads.
    """

    def __init__(self, server: Server, envelopes: Envelopes, token: str) -> None:
        self._server, self._envelopes, self._token = server, envelopes, token
        self._uploads: Uploads | None = None
        self._is_known = False
        self._sent: dict[bytes, tuple[int, Sealed]] = {}
        self._begun: list[int] = []

    def send(self, organization_id: int, image: str, data: bytes) -> tuple[int, Sealed] | None:
        """Upload an input; None where it is not so large that the server wants that.

        Returns
        -------
        tuple of int and Sealed
            The id of the upload, and what was sent.
        """
        if len(data) <= SMALL:
            return None
        if not self._is_known:
            self._uploads, self._is_known = self._server.uploads(), True
        if self._uploads is None:
            return None
        if not self._envelopes.encrypts and data in self._sent:
            # In plain it is the same for all.
            return self._sent[data]
        sealed = self._envelopes.sealed_input(organization_id, image, Held(data))
        if sealed.size <= self._uploads.start:
            return None
        upload_id = self._server.begin_upload(sealed, self._token)
        self._begun.append(upload_id)
        self._server.send_upload(upload_id, sealed, self._token)
        if isinstance(sealed, PlainPayload):
            self._sent[data] = (upload_id, sealed)
        return upload_id, sealed

    def take_back(self) -> None:
        """Delete what no task uses: an algorithm could fill the store with what is refused."""
        try:
            for upload_id in self._begun:
                self._server.delete_upload(upload_id, self._token)
        except (ServerError, ServerUnreachable) as error:
            # One task uses all of them or none, and what is left is forgotten after a day.
            log.debug("Uploads of a subtask are not taken back: %s", error)


class FileText(LongText):
    """Base64 of an open file, read while it is sent.

    Parameters
    ----------
    source : OpenFile
    """

    def __init__(self, source: OpenFile) -> None:
        self._digits = Base64Of(source)

    def __len__(self) -> int:
        return self._digits.size

    def __iter__(self) -> Any:
        return (bytes(piece) for piece in self._digits.pieces())


@dataclass
class Incoming:
    """The large results in one answer to an algorithm.

    Parameters
    ----------
    server, envelopes : object
        Those of the node.
    folder : Path
        On whose disk they are until they are handed over; nothing is left there.
    limit : int
        The most bytes of them together.
    token : str
        That of the algorithm, in whose name they are fetched.
    reserve : callable
        Waits until so many bytes may be on their way to the algorithm; False when in vain.
    later : callable
        Given what is to be called once the answer has left.
    """

    server: Server
    envelopes: Envelopes
    folder: Path
    limit: int
    token: str
    reserve: Callable[[int], bool]
    later: Callable[[Callable[[], None]], None]
    taken: int = 0

    def fetch(
        self, shown: Mapping[str, Any], task_id: int | None, result_id: int | None
    ) -> LongText | None:
        """The result that the server does not show, opened, as base64; None where there is none.

        Raises
        ------
        TooMuch
            When that would be more than this node hands to an algorithm.
        NotForUs, EncryptionError
            When it was made for somebody else, or cannot be trusted.
        """
        stored = Stored.of(shown, "result")
        if stored is None:
            return None
        self._count(stored.size)
        answer = self.answer(shown, task_id, result_id)
        # Open until the answer has left.
        file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115
        self.later(file.close)
        with self.server.payload(answer.result_id, "result", stored, self.token) as letter:
            self.envelopes.open_result_into(answer, letter, file)
        file.flush()
        return FileText(OpenFile(file))

    def answer(
        self, shown: Mapping[str, Any], task_id: int | None, result_id: int | None
    ) -> Result:
        """A result as the server shows it, with how to get the input that it does not show.

        Raises
        ------
        EncryptionError
            When it does not say whose result it is.
        """
        answer = Result.from_wire(shown, task_id=task_id, result_id=result_id)
        stored = Stored.of(shown, "input")
        if stored is None:
            return answer
        input_ = partial(self.server.payload, answer.result_id, "input", stored, self.token)
        return replace(answer, stored_input=input_)

    def _count(self, size: int) -> None:
        self.taken += size
        if self.taken > self.limit:
            raise TooMuch(
                f"The results have more than the {in_words(self.limit)} that this node hands to "
                "an algorithm in one answer (`largest_answer`)"
            )
        if not self.reserve(size):
            raise TooMuch("One large answer at a time")
