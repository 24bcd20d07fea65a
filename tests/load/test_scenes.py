"""The scenes of the load suite on a small scale, and what the benchmark makes of their figures."""

import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from development import bench_load
from development.bench_load import Row
from development.bench_world import Server
from development.load import scenes
from development.load.client import Client
from development.load.world import World

TEN = 10


def part(made: World, size: int) -> World:
    return World(made.collaboration, made.organizations[:size], made.api_keys[:size])


def test_all_nodes_are_served_and_none_is_refused(loaded: tuple[Server, World]) -> None:
    server, made = loaded
    found = scenes.connected(server, made, singles=3)
    assert found.refused == 0
    assert min(found.slowest_single, found.to_all, found.storm, found.storm_ms_each) > 0
    rows = bench_load.rows_of_nodes(found, len(made.organizations))
    assert {row.size for row in rows} == {len(made.organizations)}


def test_runs_are_counted_by_clock_and_by_processor(loaded: tuple[Server, World]) -> None:
    server, made = loaded
    found = scenes.runs(server, part(made, TEN), tasks=2)
    assert found.per_processor_second > 0
    assert found.per_second > 0


Way = Callable[[Client, int], Coroutine[Any, Any, None]]


# Longer than what is measured.
ASKING_SECONDS = 20.0


async def ask_again_and_again(client: Client, task_id: int) -> None:
    """What waiting is there to spare the server."""
    # Not for ever: who asks without a pause may not notice that it is to end.
    end = time.monotonic() + ASKING_SECONDS
    while time.monotonic() < end and not await client.is_complete(task_id):
        pass


def busy_while(loaded: tuple[Server, World], way: Way) -> float:
    server, made = loaded
    return scenes.waiting(server, part(made, 1), 5, 1.0, way, [server.token])


@pytest.fixture(scope="module")
def busy_at_most(loaded: tuple[Server, World]) -> float:
    return busy_while(loaded, ask_again_and_again)


@pytest.mark.parametrize("way", [Client.wait_with_socket, Client.wait_with_long_polls])
def test_clients_that_wait_keep_the_server_less_busy_than_those_that_ask(
    loaded: tuple[Server, World], busy_at_most: float, way: Way
) -> None:
    assert 0 <= busy_while(loaded, way) < busy_at_most / 2


def test_a_tree_of_runs_is_killed_to_the_last(loaded: tuple[Server, World]) -> None:
    server, made = loaded
    # Not those of the other scenes, who may still have what nobody answered there.
    others = World(made.collaboration, made.organizations[-TEN:], made.api_keys[-TEN:])
    assert scenes.killed(server, others, tasks=2) > 0


def test_figures_become_a_table_and_curves(tmp_path: Path) -> None:
    rows = [Row("memory", size, "KB", "≤ 100", 40.0 + size, peer) for size, peer in SIZES]
    assert rows[0].cells() == ["memory", "10", "KB", "≤ 100", "50", "-"]
    assert rows[1].cells()[-1] == "7"
    bench_load.draw(rows, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_single_figure_is_no_curve(tmp_path: Path) -> None:
    bench_load.draw([Row("kill", 100, "s", "≤ 5", 1.0)], tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


SIZES = ((10, None), (100, 7.0))
