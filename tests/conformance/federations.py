"""Federations in which the last hospital has a classic node."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from development.federation import START_SECONDS, Federation, Service
from tests.conformance.classic_node import ClassicNode

SHORT_LIVED = Path(__file__).with_name("short_lived.py")


class ShortLived(Federation):
    """A federation whose access tokens live for some seconds only, from the server's start on."""

    life = 4

    def _start(self, name: str, command: list[str]) -> Service:
        if name == "server":
            command = [sys.executable, str(SHORT_LIVED), str(self.life), *command[1:]]
        return super()._start(name, command)


@contextmanager
def running(federation: Federation, python: Path) -> Iterator[ClassicNode]:
    """Run a federation; the classic node that has the given Python is the last one's."""
    *ours, theirs = federation.hospitals
    federation.prepare()
    try:
        federation.start_server()
        for hospital in ours:
            federation.start_node(hospital)
        with ClassicNode(python, federation.write_node_config(theirs)) as node:
            federation.wait_for_nodes()
            client = federation.client()
            wait_until(lambda: len(client.node.list(is_online=True)["data"]) == len(ours) + 1, node)
            yield node
    finally:
        federation.stop()


def wait_until(condition: Callable[[], bool], node: ClassicNode) -> None:
    """Wait for something that a classic node does."""
    end = time.monotonic() + START_SECONDS
    while not condition():
        node.check()
        assert time.monotonic() < end, node.said()
        time.sleep(0.1)
