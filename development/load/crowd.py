"""Many simulated nodes at once, in one process."""

import asyncio
import resource
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from development.load.book import Book
from development.load.http import Address
from development.load.node import Node

# Each node has a websocket and a connection for calls.
_FILES_EACH = 2
_OTHER_FILES = 200
SECONDS = 300.0


class Crowd:
    """Nodes, and the book that they write into together."""

    def __init__(self, nodes: Sequence[Node], book: Book) -> None:
        self.nodes, self.book = nodes, book

    async def until_connected(self, seconds: float = SECONDS) -> None:
        """Wait until all are connected and have caught up; TimeoutError after a while."""
        await self.book.until(lambda: len(self.book.connected) == len(self.nodes), seconds)

    def cut(self) -> None:
        """Cut all of them off at once; they come back by themselves."""
        for node in self.nodes:
            node.cut()


@asynccontextmanager
async def connected(
    url: str | Sequence[str],
    api_keys: Sequence[str],
    *,
    seconds: float = SECONDS,
    at_once: int | None = None,
    holds: bool = False,
    classic: bool = False,
) -> AsyncIterator[Crowd]:
    """Nodes that are connected, until the end of the `with` statement.

    Parameters
    ----------
    url : str or sequence of str
        Where the server listens; of several processes, the nodes take them in turn.
    api_keys : sequence of str
        One for each node.
    seconds : float
        How long it may take them to connect.
    at_once : int, optional
        How many connect at the same time; all where it is left out.
    holds, classic : bool
        As for `Node`.
    """
    allow_many_files(_FILES_EACH * len(api_keys))
    addresses = [Address.of(one) for one in ([url] if isinstance(url, str) else url)]
    book = Book()
    nodes = [
        Node(addresses[number % len(addresses)], key, book, holds=holds, classic=classic)
        for number, key in enumerate(api_keys)
    ]
    crowd = Crowd(nodes, book)
    running: list[asyncio.Task[None]] = []
    try:
        step = at_once or len(nodes)
        for first in range(0, len(nodes), step):
            running += [asyncio.create_task(node.run()) for node in nodes[first : first + step]]
            await book.until(partial(_are_there, book, len(running)), seconds)
        yield crowd
    finally:
        for node in nodes:
            node.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


def _are_there(book: Book, nodes: int) -> bool:
    return len(book.connected) >= nodes


def allow_many_files(wanted: int) -> None:
    """Let this process have many connections open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, wanted + _OTHER_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
