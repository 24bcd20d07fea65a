"""Passes bytes between an algorithm and its node.

The algorithm's container shares the network of this one, which has nothing but a loopback
interface: what listens here is all that the algorithm can reach. Port 80 leads to the proxy of
the node. Further addresses of the loopback interface lead to what the owner lets this run
connect to; the node says which, over a socket that it listens on while the run goes on. The
other ends are Unix sockets in a folder that the node shares with this container alone. Standard
library only.
"""

import asyncio
import contextlib
import json
import os
import signal

HOST = "127.0.0.1"
PORT = int(os.environ.get("RELAY_PORT", "80"))
FOLDER = os.environ.get("RELAY_FOLDER", "/run/vantage6")
PROXY = "proxy.sock"
CONTROL = "control.sock"
CHUNK = 256 * 1024
# The loop itself does not hold what waits.
held: set[asyncio.Task[None] | None] = set()


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Pass on bytes until the source says that it has no more, and say so too."""
    while chunk := await source.read(CHUNK):
        target.write(chunk)
        await target.drain()
    target.write_eof()


async def connect(name: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to a socket of the node."""
    return await asyncio.open_unix_connection(os.path.join(FOLDER, name), limit=CHUNK)


async def listen(host: str, port: int, name: str) -> asyncio.Server:
    """Listen on one port of one address, and connect every caller with one socket of the node."""

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass bytes in both directions, each ending for itself."""
        held.add(task := asyncio.current_task())
        try:
            await relay_while_held(reader, writer)
        finally:
            held.discard(task)

    async def relay_while_held(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            node_reader, node_writer = await connect(name)
        except OSError:
            # No run is admitted in this sandbox, or the node is away: the caller sees the end.
            writer.close()
            return
        try:
            # If one side breaks off, so does the other.
            async with asyncio.TaskGroup() as directions:
                directions.create_task(pump(reader, node_writer))
                directions.create_task(pump(node_reader, writer))
        except* OSError:
            pass
        finally:
            node_writer.close()
            writer.close()

    return await asyncio.start_server(relay, host, port, backlog=128, limit=CHUNK)


async def open_further(called: asyncio.Event) -> None:
    """Whenever the node calls, listen where it says for as long as it holds the line."""
    while True:
        called.clear()
        with contextlib.suppress(OSError):
            reader, writer = await connect(CONTROL)
            try:
                await listen_while_connected(reader, writer)
            finally:
                writer.close()
        await called.wait()


async def listen_while_connected(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Take one list of `[address, port, socket]`, open them all, say so, and wait for the end."""
    line = await reader.readline()
    if not line:
        return
    with contextlib.ExitStack() as servers:
        try:
            for host, port, name in json.loads(line):
                servers.callback((await listen(host, port, name)).close)
        except OSError as error:
            writer.write(f"{error.strerror}\n".encode())
            return
        writer.write(b"\n")
        await reader.read()


async def main() -> None:
    """Listen until told to stop."""
    loop, stop, called = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    # The node calls with this signal.
    loop.add_signal_handler(signal.SIGHUP, called.set)
    async with await listen(HOST, PORT, PROXY):
        # Not before: from its first look the node knows that this relay listens.
        further = loop.create_task(open_further(called))
        await stop.wait()
    further.cancel()


if __name__ == "__main__":
    asyncio.run(main())
