"""What the load suite measures: scenes with simulated nodes and clients on a server that runs."""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from development.bench_world import Server
from development.load import cost, crowd
from development.load.client import Client
from development.load.crowd import Crowd
from development.load.http import Address
from development.load.world import World

SECONDS = 300.0
#: Nodes that connect for the first time do so in groups: it is the storm that is measured.
AT_ONCE = 50
# What stays open for a while after a node was busy is closed by then.
_REST_SECONDS = 3.0
_KILLED_NODES = 10


@dataclass(frozen=True)
class Connected:
    """Nodes that are connected; seconds, and milliseconds of a processor of the server."""

    kilobytes_each: float
    slowest_single: float
    to_all: float
    storm: float
    storm_ms_each: float
    refused: int


@dataclass(frozen=True)
class Runs:
    """Runs from the task to the result; of a second of the server's processors, and of a clock."""

    per_processor_second: float
    per_second: float


def connected(server: Server, world: World, singles: int) -> Connected:
    """Connect all nodes, give tasks to single ones and one to all, and cut all of them off.

    Parameters
    ----------
    server : Server
    world : World
    singles : int
        Tasks to random nodes, one after another.
    """

    async def play() -> Connected:
        client = Client(Address.of(server.url), server.token)
        # What a server needs for the first nodes alone does not grow with their number.
        async with crowd.connected(server.url, world.api_keys[:AT_ONCE]):
            before = cost.kilobytes(server.pid)
        async with crowd.connected(server.url, world.api_keys, at_once=AT_ONCE) as nodes:
            await asyncio.sleep(_REST_SECONDS)
            each = (cost.kilobytes(server.pid) - before) / len(world.api_keys)
            slowest = await _singles(nodes, client, world, singles)
            to_all = await _to_all(nodes, client, world)
            with cost.spending(server.pid) as spent:
                storm = await _storm(nodes)
            refused = sum(nodes.book.refused.values())
        client.close()
        storm_each = spent.seconds / len(world.api_keys) * 1000
        return Connected(each, slowest, to_all, storm, storm_each, refused)

    return asyncio.run(play())


async def _singles(nodes: Crowd, client: Client, world: World, singles: int) -> float:
    """The longest time from the request for a task to the run in the hands of its node."""
    slowest = 0.0
    for organization in random.choices(world.organizations, k=singles):
        taken, began = len(nodes.book.taken), time.monotonic()
        await client.ask(world.collaboration, [organization])
        await nodes.book.until(_has(nodes.book.taken, taken + 1), SECONDS)
        slowest = max(slowest, max(nodes.book.taken.values()) - began)
    return slowest


async def _to_all(nodes: Crowd, client: Client, world: World) -> float:
    """Seconds until a task for all is in the hands of each."""
    taken, began = len(nodes.book.taken), time.monotonic()
    await client.ask(world.collaboration, world.organizations)
    await nodes.book.until(_has(nodes.book.taken, taken + len(world.organizations)), SECONDS)
    lasted = max(nodes.book.taken.values()) - began
    await nodes.book.until(_has(nodes.book.ended, len(nodes.book.taken)), SECONDS)
    return lasted


async def _storm(nodes: Crowd) -> float:
    """Seconds from the cut of all connections until all nodes are back and have caught up."""
    began = time.monotonic()
    nodes.cut()
    await nodes.book.until(lambda: not nodes.book.connected, SECONDS)
    await nodes.until_connected(SECONDS)
    return time.monotonic() - began


def runs(
    server: Server,
    world: World,
    tasks: int,
    urls: Sequence[str] = (),
    pids: Sequence[int] = (),
) -> Runs:
    """Let all nodes work on as many tasks as there are, one after the other.

    Parameters
    ----------
    server : Server
    world : World
    tasks : int
        Each with a run of every node.
    urls, pids : sequence
        Where the nodes connect, and which processes are counted, where there are several.
    """

    async def play() -> Runs:
        client = Client(Address.of(server.url), server.token)
        async with crowd.connected(
            urls or server.url, world.api_keys, at_once=AT_ONCE, classic=not server.is_ours
        ) as nodes:
            # The first makes the server ready.
            await _to_all(nodes, client, world)
            done, began = len(nodes.book.ended), time.monotonic()
            with cost.spending(*(pids or [server.pid])) as spent:
                for _ in range(tasks):
                    await client.ask(world.collaboration, world.organizations)
                wanted = done + tasks * len(world.organizations)
                await nodes.book.until(_has(nodes.book.ended, wanted), SECONDS)
            lasted = time.monotonic() - began
        client.close()
        number = tasks * len(world.organizations)
        return Runs(number / spent.seconds, number / lasted)

    return asyncio.run(play())


def waiting(
    server: Server,
    world: World,
    clients: int,
    seconds: float,
    way: Callable[[Client, int], Coroutine[Any, Any, None]],
    tokens: Sequence[str],
) -> float:
    """How busy one processor of the server is, in percent, while clients wait for one task.

    Parameters
    ----------
    server : Server
    world : World
        Without nodes that are connected, so the task does not end.
    clients : int
    seconds : float
        How long is measured, once all of them wait.
    way : callable
        `Client.wait_with_socket` or `Client.wait_with_long_polls`.
    tokens : sequence of str
        Of the users that the clients belong to; the clients take them in turn.
    """

    async def play() -> float:
        crowd.allow_many_files(2 * clients)
        address = Address.of(server.url)
        asking = Client(address, server.token)
        task = await asking.ask(world.collaboration, world.organizations[:1])
        waiters = [Client(address, tokens[number % len(tokens)]) for number in range(clients)]
        running = []
        for waiter in waiters:
            running.append(asyncio.create_task(way(waiter, task["id"])))
            await asyncio.sleep(seconds / clients)
        with cost.spending(server.pid) as spent:
            await asyncio.sleep(seconds)
        for one in running:
            assert not one.done(), one.exception()
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for client in (asking, *waiters):
            client.close()
        return spent.seconds / seconds * 100

    return asyncio.run(play())


def killed(server: Server, world: World, tasks: int) -> float:
    """Seconds from a kill until the server knows that nothing is left of a tree of runs.

    Parameters
    ----------
    server : Server
    world : World
    tasks : int
        How many tasks the tree has, each with a run on ten nodes; all but the first are made by
        a container of the first.
    """

    async def play() -> float:
        client = Client(Address.of(server.url), server.token)
        organizations = world.organizations[:_KILLED_NODES]
        keys = world.api_keys[:_KILLED_NODES]
        async with crowd.connected(server.url, keys, holds=True) as nodes:
            root = await client.ask(world.collaboration, organizations)
            await nodes.book.until(_has(nodes.book.taken, len(organizations)), SECONDS)
            container = Client(client.http.address, nodes.nodes[0].container_token())
            for _ in range(tasks - 1):
                await container.ask(world.collaboration, organizations)
            total = tasks * len(organizations)
            await nodes.book.until(_has(nodes.book.taken, total), SECONDS)
            began = time.monotonic()
            await client.http.call("POST", "/kill/task", {"id": root["id"]})
            await nodes.book.until(_has(nodes.book.stopped, total), SECONDS)
            lasted = time.monotonic() - began
            container.close()
        client.close()
        return lasted

    return asyncio.run(play())


def _has(noted: dict[int, float], number: int) -> Callable[[], bool]:
    return lambda: len(noted) >= number
