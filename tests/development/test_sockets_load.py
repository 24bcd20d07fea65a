"""The load of sockets and waiting requests, on a small scale."""

import resource
from pathlib import Path

from served import Served, write_config

from development.sockets_load import measure, memory_growth


def test_it_measures_a_server(tmp_path: Path) -> None:
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    with Served("--config", write_config(tmp_path)) as server:
        figures = measure(server.url, server.token(), server.pid, sockets=3, waiting=2, seconds=0.1)
        assert (figures.sockets, figures.waiting) == (3, 2)
        assert figures.requests_per_second > 0
        assert figures.loaded.proportional > 0
    # What comes after it in this process needs files, too.
    assert resource.getrlimit(resource.RLIMIT_NOFILE) >= files


def test_it_sees_memory_of_the_whole_server(tmp_path: Path) -> None:
    with Served("--config", write_config(tmp_path)) as server:
        before, after = memory_growth(server.url, server.token(), server.pid, count=10)
        assert before.proportional > 0
        assert after.resident >= after.proportional
