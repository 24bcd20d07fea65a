"""Hears from each container that it works out a result: what containers say, not their nodes."""

import json
import socketserver
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from development.ports import LOOPBACK


class Witness:
    """Who was executed, and how often.

    Attributes
    ----------
    port : int
        Where containers tell it, over their node.
    """

    def __init__(self) -> None:
        self._executions: dict[tuple[str, str], set[str]] = defaultdict(set)
        self._questions: dict[tuple[str, str], str] = {}
        self._lock = threading.Lock()
        self.port = 0

    def hear(self, mark: dict[str, Any]) -> None:
        """Note what a container says; the same execution may say it more than once."""
        run = (mark["node"], mark["result"])
        with self._lock:
            self._executions[run].add(mark["execution"])
            self._questions[run] = mark["question"]

    def count(self) -> int:
        """How many executions there were."""
        with self._lock:
            return sum(map(len, self._executions.values()))

    def repeated(self) -> list[str]:
        """The results that were worked out more than once, in words."""
        with self._lock:
            return [
                f"{result} at {node} (question {self._questions[node, result]}): {len(ids)} times"
                for (node, result), ids in self._executions.items()
                if len(ids) > 1
            ]

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator["Witness"]:
        """A witness that listens until the end of the block."""
        witness = cls()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                line = self.rfile.readline()
                # A container that was killed in the middle has said nothing.
                if line.endswith(b"\n"):
                    witness.hear(json.loads(line))
                    self.wfile.write(b"!")

        with _Server((LOOPBACK, 0), Handler) as server:
            witness.port = server.server_address[1]
            thread = threading.Thread(target=server.serve_forever, name="witness")
            thread.start()
            try:
                yield witness
            finally:
                server.shutdown()
                thread.join()


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of containers that are killed while they speak."""
