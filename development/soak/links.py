"""The ways between the parts, each over a port of ours where connections can be disturbed.

There is no network emulation to be had everywhere, and none is needed: what a process sees of a
bad network is connections that are refused, reset, slow, or silent.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from development.ports import LOOPBACK

_PIECE = 65536
# Closed with this, a connection ends with a reset instead of a farewell.
_RESET = struct.pack("ii", 1, 0)
_SECONDS = 30

T = TypeVar("T")


class Link:
    """One way to a part; safe to use from every thread.

    Parameters
    ----------
    name : str
    target : callable
        The port that it leads to, asked for each connection.
    loop : asyncio.AbstractEventLoop
        On which it lives.

    Attributes
    ----------
    port : int
        Where it starts, on loopback.
    """

    def __init__(
        self, name: str, target: Callable[[], int], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.name, self._target, self._loop = name, target, loop
        self._writers: set[asyncio.StreamWriter] = set()
        self._is_cut, self._delay = False, 0.0
        self._flows = asyncio.Event()
        self._flows.set()
        self._server: asyncio.Server | None = None
        self.port = 0

    def reset(self) -> int:
        """End all connections by a reset; how many those were."""
        return self._do(self._reset())

    def cut(self) -> None:
        """Reset what there is and what comes, until `mend`."""
        self._is_cut = True
        self.reset()

    def delay(self, seconds: float) -> None:
        """Hold each piece back for this long, until `mend`."""
        self._delay = seconds

    def swallow(self) -> None:
        """Let nothing through and say nothing, not even that a connection has ended."""
        self._do(self._stall())

    def mend(self) -> None:
        """Be a good way again; what was swallowed arrives late."""
        self._is_cut, self._delay = False, 0.0
        self._do(self._flow())

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._take, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more, and end what there is."""
        if self._server is not None:
            self._server.close()
        await self._flow()
        await self._reset()

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_SECONDS)

    async def _stall(self) -> None:
        self._flows.clear()

    async def _flow(self) -> None:
        self._flows.set()

    async def _reset(self) -> int:
        writers, self._writers = self._writers, set()
        for writer in writers:
            _abort(writer)
        return len(writers) // 2

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        if self._is_cut:
            _abort(writer)
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target())
        except OSError:
            _abort(writer)
            return
        pair = {writer, far_writer}
        self._writers |= pair
        try:
            await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))
        finally:
            self._writers -= pair
            for one in pair:
                one.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(_PIECE):
                if self._delay:
                    await asyncio.sleep(self._delay)
                await self._flows.wait()
                writer.write(piece)
                await writer.drain()
            await self._flows.wait()
            writer.write_eof()
        except OSError:
            # One side broke off: so does the other.
            _abort(writer)


def _abort(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()


class Network:
    """All links, on a thread of their own."""

    def __init__(self) -> None:
        self.links: dict[str, Link] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network")

    def link(self, name: str, target: Callable[[], int]) -> Link:
        """A new way; `port` is where it starts."""
        link = self.links[name] = Link(name, target, self._loop)
        asyncio.run_coroutine_threadsafe(link.open(), self._loop).result(_SECONDS)
        return link

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Network"]:
        """A network without links yet, until the end of the block."""
        network = cls()
        network._thread.start()
        try:
            yield network
        finally:
            for link in network.links.values():
                asyncio.run_coroutine_threadsafe(link.close(), network._loop).result(_SECONDS)
            asyncio.run_coroutine_threadsafe(_finish(), network._loop).result(_SECONDS)
            network._loop.call_soon_threadsafe(network._loop.stop)
            network._thread.join()
            network._loop.close()


async def _finish() -> None:
    """Wait for the tasks of connections that have just been ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
