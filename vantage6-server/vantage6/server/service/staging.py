"""Large texts that come within JSON: put into the store before the transaction of the request.

So the database is spared them, and a transaction is not held up by the disk. What the transaction
then does not use, because it was refused or a repeated order, is deleted again.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType

from sqlalchemy.orm import Session

from vantage6.common.envelope import is_envelope
from vantage6.server.model import Blob
from vantage6.server.service import blob as blobs
from vantage6.server.service import commit
from vantage6.server.service.blob import TEXT, Content
from vantage6.server.store.interface import PIECE
from vantage6.server.store.payloads import Payloads, new_name

#: Who writes these objects: nobody else knows their names.
_WRITER = "staging"


@dataclass(eq=False)
class Staged:
    """A text that is in the store, and in no row yet.

    Attributes
    ----------
    content : Content
    name : str
        What the store knows it by.
    """

    content: Content
    name: str
    _used: list[str] = field(default_factory=list)

    def keep(self, session: Session) -> Blob:
        """The blob that it becomes, or that is there with the same content."""
        blob = blobs.keep(session, self.content, self.name)
        used_name = blob.name
        commit.after(session, lambda: self._used.append(used_name))
        return blob

    def __deepcopy__(self, _memo: object) -> "Staged":
        # Of a body that is copied it is the same one.
        return self

    @property
    def is_used(self) -> bool:
        """Whether a row refers to it, for good."""
        return self.name in self._used


class Staging:
    """The large texts of one request; use it in a `with` statement.

    Parameters
    ----------
    payloads : Payloads
    """

    def __init__(self, payloads: Payloads) -> None:
        self._payloads = payloads
        self._staged: dict[str, Staged] = {}

    def __enter__(self) -> "Staging":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for staged in self._staged.values():
            if not staged.is_used:
                blobs.discard(self._payloads.store, staged.name)

    def put(self, text: str | None) -> "str | Staged | None":
        """A text that is small, or not one of those that the store keeps, as it is; or staged."""
        if text is None or len(text) < self._payloads.stored_from:
            return text
        if text not in self._staged:
            content = self._payloads.aside(_content, text)
            if content is None:
                return text
            self._staged[text] = self._store(text, content)
        return self._staged[text]

    def _store(self, text: str, content: Content) -> Staged:
        store, name = self._payloads.store, new_name()
        try:
            state = store.begin(name, content.size)
            progress = store.append(name, state, 0, _pieces(text), _WRITER)
            store.finish(name, progress.state, content.size)
        except BaseException:
            blobs.discard(store, name)
            raise
        return Staged(content, name)


def _content(text: str) -> Content | None:
    """What is to be known of a text; None of one that the store does not keep."""
    summed = hashlib.sha256()
    if not text.isascii():
        return None
    for piece in _pieces(text):
        if not blobs.is_text(piece):
            return None
        summed.update(piece)
    return Content(len(text), summed.hexdigest(), TEXT, len(text), is_envelope(text))


def _pieces(text: str) -> Iterator[bytes]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE].encode()
