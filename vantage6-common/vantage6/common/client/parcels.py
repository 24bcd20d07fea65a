"""What a client sends to the payload store, and what it gets from there.

Imported where there is something large: what it needs takes its time.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vantage6.common.client.ability import Uploads
from vantage6.common.client.download import ROUTES, Download, Stored
from vantage6.common.client.unverified import UNVERIFIED
from vantage6.common.client.upload import begin, proceed
from vantage6.common.correspondence import Answer, StoredInput
from vantage6.common.envelope.streams import Writable
from vantage6.common.exceptions import EncryptionError, NotForUs, ServerError, ServerUnreachable
from vantage6.common.letter import Letter
from vantage6.common.sealed import PlainPayload, Sealed

if TYPE_CHECKING:
    from vantage6.common.client.base import ClientBase
    from vantage6.common.client.letters import Letters
    from vantage6.common.sources import Source

Payload = dict[str, Any]


class Sending:
    """Inputs of one task on their way to the payload store; what it was in vain is deleted.

    Parameters
    ----------
    client : ClientBase
    letters : Letters, optional
        Where encryption is set up.
    uploads : Uploads
    """

    def __init__(self, client: "ClientBase", letters: "Letters | None", uploads: Uploads) -> None:
        self._client, self._letters, self._uploads = client, letters, uploads
        self._made: list[int] = []
        self._shared: int | None = None

    def send(
        self, organization_id: int, collaboration_id: int, image: str, source: "Source"
    ) -> tuple[int, Sealed] | None:
        """Upload the input of an organization; None where it is too small for that.

        Returns
        -------
        tuple of int and Sealed
            The id of the upload, and what was sent.
        """
        sealed: Sealed = (
            self._letters.sealed_input(organization_id, collaboration_id, image, source)
            if self._letters
            else PlainPayload(source)
        )
        if sealed.size <= self._uploads.start:
            return None
        if self._letters:
            return self._upload(sealed, collaboration_id), sealed
        # In plain it is the same for all.
        if self._shared is None:
            self._shared = self._upload(sealed, collaboration_id)
        return self._shared, sealed

    def take_back(self) -> None:
        """Delete what no task will use; the server would do so after a while."""
        for upload_id in self._made:
            with suppress(ServerError, ServerUnreachable):
                self._client.send("delete", f"upload/{upload_id}")

    def _upload(self, sealed: Sealed, collaboration_id: int) -> int:
        upload_id = begin(self._client.send, sealed, collaboration_id)
        self._made.append(upload_id)
        with self._client.transport.meter.sending(sealed.size) as step:
            proceed(self._client.send, upload_id, sealed, step=step)
        return upload_id


@contextmanager
def letter_from(
    client: "ClientBase",
    result_id: int,
    field: str,
    stored: Stored,
    kept: Path | None = None,
) -> Iterator[Letter]:
    """The `input` or the `result` of a run as it comes out of the payload store."""

    def open_(headers: Mapping[str, str]) -> Any:
        return client.open(f"result/{result_id}/{ROUTES[field]}", headers)

    with (
        client.transport.meter.receiving(stored.size) as step,
        Download(open_, stored, kept=kept, step=step) as download,
    ):
        yield Letter(download, stored.form)


def fill(
    client: "ClientBase",
    item: Payload,
    *,
    task_id: int | None,
    result_id: int | None,
    with_input: bool,
) -> None:
    """Put what is in the payload store into the fields of a result, opened, as far as we can."""
    # What was not asked for is not there, and not null.
    if item.get("result_stored") and item.get("result", "") is None:
        _fill(item, lambda target: open_result(client, item, target, task_id, result_id))
    if with_input and item.get("input_stored") and item.get("input", "") is None:
        try:
            target = BytesIO()
            _open_input(client, item, target, result_id)
            item["input"] = target.getvalue()
        except EncryptionError as error:
            client.log.debug("An input is not shown: %s", error)


def _fill(item: Payload, open_: Callable[[BytesIO], None]) -> None:
    target = BytesIO()
    try:
        open_(target)
        item["result"] = target.getvalue()
    except NotForUs:
        pass
    except EncryptionError as error:
        item[UNVERIFIED] = str(error)


def open_result(
    client: "ClientBase",
    item: Mapping[str, Any],
    target: Writable,
    task_id: int | None = None,
    result_id: int | None = None,
    kept: Path | None = None,
) -> None:
    """Write the bytes of a result that is in the payload store.

    Parameters
    ----------
    client : ClientBase
    item : mapping
        The result as the server shows it.
    target
        Has a method `write`; not to be used after an error.
    task_id, result_id : int, optional
        What was asked for, where it was one task or one result.
    kept : Path, optional
        See `Download`.

    Raises
    ------
    NotForUs, EncryptionError
        When it was made for somebody else, or cannot be trusted.
    """
    stored = Stored.from_wire(item["result_stored"])
    assert stored is not None
    id_ = int(item["id"]) if result_id is None else result_id
    letters = client._letters()
    with letter_from(client, id_, "result", stored, kept) as letter:
        if letters is None:
            client.require_encryption()
            letter.open_plain(target)
            return
        answer = Answer.from_wire(
            item,
            task_id=task_id,
            result_id=result_id,
            stored_input=input_of(client, item, id_),
        )
        letters.open_result_into(answer, letter, target)


def input_of(
    client: "ClientBase", item: Mapping[str, Any], result_id: int | None
) -> StoredInput | None:
    """How to get the input that a result answers, where it is in the payload store."""
    stored = Stored.of(item, "input")
    if stored is None:
        return None
    id_ = int(item["id"]) if result_id is None else result_id
    return lambda: letter_from(client, id_, "input", stored)


def _open_input(
    client: "ClientBase", item: Payload, target: Writable, result_id: int | None
) -> None:
    stored = Stored.from_wire(item["input_stored"])
    assert stored is not None
    id_ = int(item["id"]) if result_id is None else result_id
    letters = client._letters()
    with letter_from(client, id_, "input", stored) as letter:
        if letters is None:
            client.require_encryption()
            letter.open_plain(target)
        else:
            letters.open_input_into(letter, target)
