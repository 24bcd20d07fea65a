"""Large payloads on their way from the server; what was cut off goes on where it was."""

import hashlib
import logging
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self

from vantage6.common.exceptions import (
    Damaged,
    EncryptionError,
    ServerUnreachable,
    ServiceUnavailable,
)
from vantage6.common.retry import Patience
from vantage6.common.sealed import BINARY, TEXT

#: Seconds without any progress after which a download is given up.
PATIENCE = 60.0

# What a connection that breaks takes with it, at most.
_PIECE = 2**16
#: The routes by which payloads are fetched, by the names of their fields.
ROUTES = {"input": "input", "result": "output"}
_KEPT_PIECE = 2**20
_DIGEST = re.compile("[0-9a-f]{64}")
_RANGE = re.compile(r"bytes (\d{1,18})-")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stored:
    """What the server says of a payload that it does not show inline; nothing of it is proven.

    Attributes
    ----------
    size : int
        Bytes as they were sent.
    digest : str
        SHA-256 of them, in hexadecimal digits.
    form : {"text", "binary"}
    """

    size: int
    digest: str
    form: str

    @classmethod
    def from_wire(cls, value: Any) -> "Stored | None":
        """From `input_stored` or `result_stored`; None where there is nothing.

        Raises
        ------
        EncryptionError
            When it is not what it should be.
        """
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise _senseless()
        size, digest, form = (value.get(name) for name in ("size", "digest", "form"))
        if type(size) is not int or not 0 <= size < 2**63 or form not in (TEXT, BINARY):
            raise _senseless()
        if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
            raise _senseless()
        return cls(size, digest, form)

    @classmethod
    def of(cls, run: Mapping[str, Any], field: str) -> "Stored | None":
        """The `input` or the `result` of a run; None where the server shows it, or has none.

        Raises
        ------
        EncryptionError
            When what it says is not what it should be.
        """
        return None if run.get(field) else cls.from_wire(run.get(f"{field}_stored"))


class Open(Protocol):
    """How a download asks."""

    def __call__(self, headers: Mapping[str, str]) -> Any:
        """An answer whose body is not read yet; raises as `Caller.open`."""
        ...


class Download:
    """A payload as a stream, of which the end proves that it is what the server said.

    Parameters
    ----------
    open_ : callable
        Asks for it, with these headers.
    stored : Stored
    kept : Path, optional
        A file beside which another process goes on: what has come in is kept there.
    patience : float
        Seconds without progress after which the error is raised.
    step : callable
        Told how many bytes have come in.
    """

    def __init__(
        self,
        open_: Open,
        stored: Stored,
        *,
        kept: Path | None = None,
        patience: float = PATIENCE,
        step: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._open, self._stored, self._kept = open_, stored, kept
        self._patience, self._step = patience, step
        self._hash, self._at, self._rest = hashlib.sha256(), 0, memoryview(b"")
        self._source: Iterator[bytes] | None = None
        self._answer: Any = None
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        if self._kept is not None:
            self._kept.touch(mode=0o600)
            self._file = self._kept.open("r+b")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hang_up()
        if self._file is not None:
            self._file.close()

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end.

        Raises
        ------
        EncryptionError
            When all is there, and is not what the server said.
        ServerUnreachable, ServerError
            When the server cannot be asked, or refuses.
        """
        if not self._rest and self._at < self._stored.size:
            self._rest = memoryview(self._more())
        data = bytes(self._rest[:size])
        self._rest = self._rest[size:]
        return data

    def _more(self) -> bytes:
        """The next bytes: from the file, as long as it has some, else from the server."""
        if piece := self._earlier():
            return self._taken(piece)
        attempts = Patience(self._patience, first=0.2, limit=5.0)
        while True:
            try:
                piece = self._received()
            except (ServerUnreachable, ServiceUnavailable) as error:
                self._hang_up()
                if not attempts.wait(
                    partial(log.warning, "%s; the download goes on in %.1f s", error)
                ):
                    raise
                continue
            if self._file is not None:
                self._file.write(piece)
            return self._taken(piece)

    def _earlier(self) -> bytes:
        if self._file is None or self._source is not None:
            return b""
        return self._file.read(min(_KEPT_PIECE, self._stored.size - self._at))

    def _received(self) -> bytes:
        """The next bytes of the server."""
        if self._source is None:
            self._source = self._begin()
        try:
            piece = next(self._source, b"")
        except OSError as error:
            raise ServerUnreachable(f"The connection broke off: {type(error).__name__}") from error
        if not piece:
            raise ServerUnreachable("The connection broke off before all was there")
        return piece

    def _begin(self) -> Iterator[bytes]:
        headers = {"Accept-Encoding": "identity"}
        if self._at:
            headers |= {"Range": f"bytes={self._at}-", "If-Range": f'"{self._stored.digest}"'}
        self._answer = self._open(headers)
        skipped = self._at
        if self._answer.status_code == HTTPStatus.PARTIAL_CONTENT:
            begins = _RANGE.match(self._answer.headers.get("Content-Range", ""))
            if not begins or int(begins[1]) != self._at:
                raise ServerUnreachable("The server sends another part than it was asked for")
            skipped = 0
        return _after(skipped, self._answer.iter_content(_PIECE))

    def _taken(self, piece: bytes) -> bytes:
        """The bytes, once they are counted; at the end, once all of them are proven."""
        self._at += len(piece)
        self._hash.update(piece)
        self._step(len(piece))
        is_over = self._at >= self._stored.size
        if is_over and (self._at, self._hash.hexdigest()) != (
            self._stored.size,
            self._stored.digest,
        ):
            if self._file is not None:
                # The next attempt must not begin with it.
                self._file.truncate(0)
            raise Damaged("What the server sent is not the payload that it had announced")
        return piece

    def _hang_up(self) -> None:
        if self._answer is not None:
            self._answer.close()
        self._answer = self._source = None


def _after(skipped: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces without the bytes that were there already."""
    for piece in pieces:
        if rest := piece[skipped:]:
            yield rest
        skipped = max(0, skipped - len(piece))


def _senseless() -> EncryptionError:
    return EncryptionError("The server does not say what it has stored, or not in the known form")
