"""The load suite on a small scale: what the simulated nodes see of a real server."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from development import bench_world
from development.bench_world import Server
from development.load import cost, crowd, world
from development.load.book import Book
from development.load.client import Client
from development.load.crowd import Crowd
from development.load.http import Address, Refused
from development.load.node import Node
from development.load.world import World

SECONDS = 60.0


def run_with_nodes(
    server: Server,
    made: World,
    scene: Callable[[Crowd, Client], Awaitable[None]],
    **options: bool,
) -> Crowd:
    async def play() -> Crowd:
        client = Client(Address.of(server.url), server.token)
        async with crowd.connected(server.url, made.api_keys, **options) as nodes:
            await scene(nodes, client)
        client.close()
        return nodes

    return asyncio.run(play())


@pytest.mark.parametrize("classic_calls", [False, True], ids=["our calls", "classic calls"])
def test_a_task_for_all_nodes_is_done_once_by_each(
    loaded: tuple[Server, World], classic_calls: bool
) -> None:
    server, made = loaded

    async def scene(nodes: Crowd, client: Client) -> None:
        task = await client.ask(made.collaboration, made.organizations)
        await nodes.book.until(lambda: len(nodes.book.ended) == len(made.organizations), SECONDS)
        assert await client.is_complete(task["id"])

    book = run_with_nodes(server, made, scene, classic=classic_calls).book
    assert book.taken.keys() == book.ended.keys()
    assert (book.twice, dict(book.refused), book.lost) == ([], {}, 0)


def test_tasks_for_single_nodes_go_to_these_alone(loaded: tuple[Server, World]) -> None:
    server, made = loaded

    async def scene(nodes: Crowd, client: Client) -> None:
        for organization in random.sample(made.organizations, 5):
            ended = len(nodes.book.ended)
            await client.ask(made.collaboration, [organization])
            await nodes.book.until(lambda ended=ended: len(nodes.book.ended) > ended, SECONDS)

    assert len(run_with_nodes(server, made, scene).book.taken) == 5


def test_nodes_that_are_cut_off_come_back_and_catch_up(loaded: tuple[Server, World]) -> None:
    server, made = loaded

    async def scene(nodes: Crowd, client: Client) -> None:
        nodes.cut()
        await nodes.book.until(lambda: not nodes.book.connected, SECONDS)
        # Nobody hears of it; they find it when they are back.
        task = await client.ask(made.collaboration, made.organizations)
        await nodes.until_connected(SECONDS)
        await nodes.book.until(lambda: len(nodes.book.ended) == len(made.organizations), SECONDS)
        assert await client.is_complete(task["id"])

    book = run_with_nodes(server, made, scene).book
    assert (book.twice, dict(book.refused)) == ([], {})


def test_killed_runs_are_confirmed_by_their_nodes(loaded: tuple[Server, World]) -> None:
    server, made = loaded

    async def scene(nodes: Crowd, client: Client) -> None:
        task = await client.ask(made.collaboration, made.organizations[:10])
        await nodes.book.until(lambda: len(nodes.book.taken) == 10, SECONDS)
        await client.http.call("POST", "/kill/task", {"id": task["id"]})
        await nodes.book.until(lambda: len(nodes.book.stopped) == 10, SECONDS)
        runs = await client.http.call("GET", f"/result?task_id={task['id']}")
        assert [run["status"] for run in runs] == ["killed by user"] * 10
        assert all(run["stopped_at"] for run in runs)

    run_with_nodes(server, made, scene, holds=True)


@pytest.mark.parametrize("way", [Client.wait_with_socket, Client.wait_with_long_polls])
def test_a_client_waits_for_the_end_of_a_task(
    loaded: tuple[Server, World], way: Callable[[Client, int], Awaitable[None]]
) -> None:
    server, made = loaded

    async def scene(nodes: Crowd, client: Client) -> None:
        task = await client.ask(made.collaboration, made.organizations[:1])
        async with asyncio.timeout(SECONDS):
            await way(client, task["id"])
        assert await client.is_complete(task["id"])
        assert len(nodes.book.ended) == 1

    run_with_nodes(server, made, scene)


def test_a_node_with_a_wrong_key_is_noted_as_refused(loaded: tuple[Server, World]) -> None:
    server, _ = loaded
    book = Book()

    async def play() -> None:
        node = Node(Address.of(server.url), "no key of anybody", book)
        running = asyncio.create_task(node.run())
        try:
            await book.until(lambda: bool(book.refused), SECONDS)
            with pytest.raises(TimeoutError, match=r"0 connected.*refused \{401: "):
                await book.until(lambda: bool(book.connected), 0)
        finally:
            node.close()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    asyncio.run(play())


def test_an_answer_that_is_no_success_is_an_error(loaded: tuple[Server, World]) -> None:
    server, _ = loaded

    async def ask() -> None:
        client = Client(Address.of(server.url), server.token)
        try:
            await client.is_complete(0)
        finally:
            client.close()

    with pytest.raises(Refused, match="GET /task/0 was answered 404") as caught:
        asyncio.run(ask())
    assert caught.value.status == 404


def test_the_cost_of_a_server_is_that_of_its_processes(loaded: tuple[Server, World]) -> None:
    server, _ = loaded
    before = cost.processor_seconds(server.pid)
    with cost.spending(server.pid) as spent:
        while cost.processor_seconds(server.pid) < before + 0.1:
            server.call("GET", "/organization")
    server.hang_up()
    assert spent.seconds > 0.05
    assert cost.kilobytes(server.pid) > 10_000


def test_the_same_nodes_work_for_the_classic_server(tmp_path: Path) -> None:
    with bench_world.peer(tmp_path / "classic") as server:
        server.log_in()
        server.hang_up()
        made = world.make(server.uri, 3, is_ours=False)

        async def scene(nodes: Crowd, client: Client) -> None:
            task = await client.ask(made.collaboration, made.organizations)
            await nodes.book.until(lambda: len(nodes.book.ended) == 3, SECONDS)
            assert await client.is_complete(task["id"])

        book = run_with_nodes(server, made, scene).book
    assert book.taken.keys() == book.ended.keys()
