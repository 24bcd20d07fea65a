"""What every payload store can do.

A store keeps objects under names that nobody chooses but the server, each written once from its
beginning to its end and never changed afterwards. What of an unfinished object counts is said by
its row in the database, not by the store: how much was received, and the `state` that the store
gave back with it. Whatever a store holds beyond that may be overwritten.

The same store is used by several server processes at once, and an object may be gone on with by
another process than the one that began it. `tests/store/test_contract.py` holds all kinds against
what is said here.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

#: Bytes that are handed on together.
PIECE = 2**20
Piece = bytes | memoryview
Look = Callable[[Any], Piece]


def as_it_is(piece: Piece) -> Piece:
    """Nothing is looked for in a piece."""
    return piece


@dataclass(frozen=True)
class Progress:
    """How far an object has come.

    Attributes
    ----------
    received : int
        Bytes from the beginning that survive a power cut.
    state : str
        What the store has to be given back to go on; text of its own, at most 256 KiB.
    """

    received: int
    state: str


@dataclass(frozen=True)
class Found:
    """An object that the store holds, finished or not.

    Attributes
    ----------
    name : str
    touched_at : datetime
        When it was last written to, in UTC.
    """

    name: str
    touched_at: datetime


class StoreError(Exception):
    """The store could not do it; a later try may succeed.

    Attributes
    ----------
    progress : Progress, optional
        What was kept all the same, of an object that was written to.
    """

    def __init__(self, message: str, progress: Progress | None = None) -> None:
        super().__init__(message)
        self.progress = progress


class StoreFull(StoreError):
    """There is no space left."""


class Superseded(StoreError):
    """Another writer goes on with the object; this one has changed nothing that counts."""


class Missing(StoreError):
    """There is no such object, or not all of it."""


class Store(Protocol):
    """A payload store.

    All methods may be called by several greenlets, threads and processes at once. They wait for
    disks and networks without keeping the other requests of the process from being answered.
    Names are 32 hexadecimal digits.
    """

    def begin(self, name: str, size: int) -> str:
        """Begin a new object; gives its first state.

        Parameters
        ----------
        name : str
            Never used before.
        size : int
            How many bytes it will have; may be 0.

        Raises
        ------
        StoreFull
            When it can be seen that so much does not fit.
        StoreError
        """

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
        """Go on with an object that is not finished, until the pieces end.

        They may end before the object does: the other side was cut off. All that came is kept;
        a store that has to put some of it off says so by a smaller `received`. The last bytes of
        the object are never put off.

        Parameters
        ----------
        name : str
        state : str
            As the last call that counted gave it.
        offset : int
            As many bytes as that call had received. What is there beyond is forgotten.
        pieces : iterable of bytes or memoryview
            Each is there until the second one after it is asked for. What they raise is passed on.
        writer : str
            Who writes. As soon as another one has begun to, nothing that this one still writes
            may get into the object: it is told so by `Superseded`, or its progress never counts.
        note : callable
            Told now and then how far it has come for certain. What it raises is passed on.
        look : callable
            Called with each piece, one after the other, where it may take a while, for what is
            to be written: `PIECE` bytes at most, never more than the object has.

        Returns
        -------
        Progress
            Durable: on the disk, not only in memory.

        Raises
        ------
        StoreFull
            With the progress up to there.
        Superseded, Missing, StoreError
        """

    def finish(self, name: str, state: str, size: int) -> None:
        """Make an object whole, of which all bytes were received; may be repeated.

        Afterwards it is durable, can be read, and is never changed.

        Raises
        ------
        Missing
            When the store does not have all of it.
        StoreError
        """

    def read(self, name: str, start: int, length: int) -> Iterator[bytes]:
        """A part of a finished object, in pieces of `PIECE` bytes at most.

        Nothing is opened before the first piece is asked for.

        Raises
        ------
        Missing
            When there is no such object, or not so much of it.
        StoreError
        """

    def open(self, name: str, start: int) -> AbstractContextManager[BinaryIO] | None:
        """A finished object as a file of this machine, at a position, for the system to send.

        None where the store has no files; the caller then reads. Closed by who asked for it.

        Raises
        ------
        Missing
            When there is no such object.
        """

    def delete(self, name: str, state: str | None = None) -> None:
        """Delete an object, finished or not, with its state where that is known.

        One that is not there is as good as deleted.
        """

    def names(self) -> Iterator[Found]:
        """All objects, finished or not, in no particular order."""

    def check(self) -> None:
        """See whether the store can be used, at the start of the server.

        Raises
        ------
        ConfigurationError
            One sentence that says what is wrong.
        """
