"""The payload store in a bucket of an S3-compatible object storage.

An object is one object of the bucket under its name, which says how it lies in segments, and the
segments themselves, under `NAME/`; see `layout.py`. While the first is not there it is unfinished.
"""

import logging
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from itertools import chain, groupby
from typing import BinaryIO

from vantage6.server.aside import Aside
from vantage6.server.store.bucket import Bucket, Settings
from vantage6.server.store.interface import (
    Found,
    Look,
    Missing,
    Piece,
    Progress,
    StoreError,
    as_it_is,
)
from vantage6.server.store.layout import LARGEST_NUMBER_OF_RUNS, SEGMENT, Layout

# Pieces that are looked at at the same time.
_THREADS = 4

log = logging.getLogger(__name__)

_NAME = re.compile(r"[0-9a-f]{32}")
# Of the keys that we make; what else is in the bucket is not ours.
_KEY = re.compile(r"([0-9a-f]{32})(/begun|/[0-9a-f]{8}-[0-9a-f]{12})?")


class S3Store:
    """Keeps objects in a bucket that is used for nothing else.

    Parameters
    ----------
    settings : Settings
    """

    def __init__(self, settings: Settings) -> None:
        self._bucket = Bucket(settings)
        self._aside = Aside(_THREADS)

    def begin(self, name: str, size: int) -> str:
        """Begin a new object."""
        self._bucket.put(f"{_checked(name)}/begun", b"")
        return Layout(name, size).text

    def append(
        self,
        name: str,
        state: str,
        offset: int,
        pieces: Iterable[Piece],
        writer: str,
        note: Callable[[Progress], None] = lambda progress: None,
        look: Look = as_it_is,
    ) -> Progress:
        """Go on with an object that is not finished.

        One segment is sent while the next one comes in, so two are in memory.
        """
        layout = Layout.parse(_checked(name), state)
        if layout.received != offset:
            raise Missing(f"Not {offset} but {layout.received} bytes of the object are there")
        if len(layout.runs) >= LARGEST_NUMBER_OF_RUNS:
            raise StoreError("This upload came in too many parts; begin again with larger ones")
        kept = layout.without_short_end()
        anew = self._read(layout, kept.received, offset - kept.received)
        run = _Run(self._bucket, kept)
        try:
            with run:
                looked = (self._aside(look, piece) for piece in pieces)
                for segment in _segments(chain(anew, looked)):
                    run.send(segment)
                    # What was put together anew is behind that for a moment.
                    if run.progress.received > offset:
                        note(run.progress)
        except StoreError as error:
            error.progress = max(run.progress, Progress(offset, state), key=lambda it: it.received)
            raise
        return run.progress

    def finish(self, name: str, state: str, size: int) -> None:
        """Make an object whole, and forget what of its segments does not count."""
        layout = Layout.parse(_checked(name), state)
        if not layout.received == layout.size == size:
            raise Missing(f"Not all {size} bytes of the object are there")
        self._bucket.put(name, layout.text.encode())
        counted = layout.keys()
        held = [each.key for each in self._bucket.list(f"{name}/")]
        self._bucket.delete([key for key in held if key not in counted])

    def read(self, name: str, start: int, length: int) -> Iterator[bytes]:
        """A part of an object, in pieces."""
        text = b"".join(self._bucket.get(_checked(name)))
        try:
            layout = Layout.parse(name, text)
        except ValueError as error:
            raise StoreError(f"The object {name} is not what the server wrote") from error
        yield from self._read(layout, start, length)

    def open(self, name: str, start: int) -> AbstractContextManager[BinaryIO] | None:
        """Nothing: it is no file."""
        return None

    def delete(self, name: str, state: str | None = None) -> None:
        """Delete an object, finished or not; whoever looks meanwhile finds it gone."""
        self._bucket.delete([_checked(name)])
        self._bucket.delete([each.key for each in self._bucket.list(f"{name}/")])

    def names(self) -> Iterator[Found]:
        """All objects, finished or not."""
        ours = (
            (match[1], each.modified_at)
            for each in self._bucket.list()
            if (match := _KEY.fullmatch(each.key))
        )
        for name, held in groupby(ours, key=lambda pair: pair[0]):
            yield Found(name, max(modified_at for _, modified_at in held))

    def check(self) -> None:
        """See whether the bucket can be used; that the storage is away may pass."""
        try:
            self._bucket.check()
        except StoreError as error:
            log.warning("%s; large payloads have to wait", error)

    def _read(self, layout: Layout, start: int, length: int) -> Iterator[bytes]:
        if start + length > layout.received:
            raise Missing(f"The object {layout.name} is shorter than {start + length} bytes")
        for extent in layout.extents(start, length):
            yield from self._bucket.get(*extent)


class _Run(AbstractContextManager["_Run"]):
    """The segments of one call, each sent while the next is collected.

    Attributes
    ----------
    progress : Progress
        With all that the storage has confirmed.
    """

    def __init__(self, bucket: Bucket, layout: Layout) -> None:
        self._bucket, self._layout = bucket, layout
        self._token = secrets.token_hex(4)
        self._offset = layout.received
        self._sender = ThreadPoolExecutor(1, "payloads")
        self._sending: Future[int] | None = None

    @property
    def progress(self) -> Progress:
        return Progress(self._layout.received, self._layout.text)

    def send(self, segment: bytes) -> None:
        """Begin to send a segment, once the last one has arrived."""
        self._confirm()
        key = self._layout.key(self._token, self._offset)
        self._offset += len(segment)
        self._sending = self._sender.submit(self._send, key, segment)

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        try:
            if kind is None:
                self._confirm()
        finally:
            self._sender.shutdown()

    def _send(self, key: str, segment: bytes) -> int:
        self._bucket.put(key, segment)
        return len(segment)

    def _confirm(self) -> None:
        sending, self._sending = self._sending, None
        if sending is not None:
            self._layout = self._layout.longer(self._token, sending.result())


def _segments(pieces: Iterable[Piece]) -> Iterator[bytes]:
    """Put pieces together to segments that are full, but for the last one."""
    collected: list[bytes] = []
    length = 0
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            part = rest[: SEGMENT - length]
            collected.append(bytes(part))
            length += len(part)
            rest = rest[len(part) :]
            if length == SEGMENT:
                yield b"".join(collected)
                collected, length = [], 0
    if length:
        yield b"".join(collected)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError("The name of an object must be 32 hexadecimal digits")
    return name
