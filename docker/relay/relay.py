"""Passes bytes between an algorithm and the proxy of its node.

The algorithm's container shares the network of this one, which has nothing but a loopback
interface: port 80 here is all that the algorithm can reach. The other end is a Unix socket in
a folder that the node shares with this container alone. Standard library only.
"""

import asyncio
import contextlib
import os
import signal

HOST = "127.0.0.1"
PORT = int(os.environ.get("RELAY_PORT", "80"))
SOCKET = os.environ.get("RELAY_SOCKET", "/run/vantage6/proxy.sock")
CHUNK = 256 * 1024


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on bytes until the source says that it has no more, and say so too."""
    with contextlib.suppress(OSError):
        while chunk := await source.read(CHUNK):
            target.write(chunk)
            await target.drain()
        target.write_eof()


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Connect one caller with the proxy, in both directions, each ending for itself."""
    try:
        proxy_reader, proxy_writer = await asyncio.open_unix_connection(SOCKET)
    except OSError:
        # No run is admitted in this sandbox, or the node is away: the caller sees the end.
        writer.close()
        return
    try:
        await asyncio.gather(pump(reader, proxy_writer), pump(proxy_reader, writer))
    finally:
        proxy_writer.close()
        writer.close()


async def main() -> None:
    """Listen until told to stop."""
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with await asyncio.start_server(relay, HOST, PORT, backlog=128):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main())
