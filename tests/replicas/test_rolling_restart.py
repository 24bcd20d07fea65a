"""Replicas that are restarted one after another while everybody goes on."""

import http.client
import itertools
import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from clients import bearer
from participants import Participants

from development.ports import LOOPBACK
from development.replicas import API_PATH, PATIENCE, Replicas, wait_until

CLIENTS = 6
ROUNDS = 2
# Requests between two restarts.
PACE = 60


class Caller:
    """Asks through nginx, and never asks twice: whatever is not answered has failed."""

    def __init__(self, members: Replicas, token: str, node: str) -> None:
        self._port, self._token, self._node = members.port, token, node
        self.answered: Counter[tuple[str, int]] = Counter()
        self.failed: list[str] = []

    def work(self, over: threading.Event) -> None:
        """Ask for one thing after another until it is over."""
        while not over.is_set():
            for ask in (self._read, self._order_and_answer):
                try:
                    ask()
                except (OSError, http.client.HTTPException) as error:
                    self.failed.append(repr(error))

    def _read(self) -> None:
        self._ask("GET", "task?per_page=1", self._token)

    def _order_and_answer(self) -> None:
        order = {
            "name": "during a restart",
            "image": "registry.example/algorithm:1",
            "collaboration_id": 1,
            "organizations": [{"id": 2, "input": "bm8="}],
        }
        task = self._ask("POST", "task", self._token, order)
        if task:
            answer = {"status": "completed", "result": "eWVz", "finished_at": "2026-11-21T00:00:00"}
            self._ask("PATCH", f"result/{task['results'][0]['id']}", self._node, answer)

    def _ask(self, method: str, path: str, token: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=PATIENCE)
        headers = {**bearer(token), "Content-Type": "application/json"}
        try:
            content = None if body is None else json.dumps(body)
            connection.request(method, f"{API_PATH}/{path}", content, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self.answered[method, answer.status] += 1
        if answer.status >= 400:
            self.failed.append(f"{method} {path}: {answer.status} {content[:200]!r}")
            return None
        return json.loads(content)


def test_nobody_notices_that_replicas_are_restarted(
    members: Replicas, people: Participants
) -> None:
    callers = [Caller(members, people.researcher, people.node) for _ in range(CLIENTS)]
    over = threading.Event()

    def answered() -> int:
        return sum(sum(caller.answered.values()) for caller in callers)

    with ThreadPoolExecutor(CLIENTS) as pool:
        working = [pool.submit(caller.work, over) for caller in callers]
        try:
            for _, number in itertools.product(range(ROUNDS), range(len(members))):
                before = answered()
                wait_until(lambda: answered() >= before + PACE, "requests are answered")  # noqa: B023
                assert members[number].stop() == 0
                members.start(number)
        finally:
            over.set()
        for one in working:
            one.result()
    assert [caller.failed for caller in callers] == [[] for _ in callers]
    kinds = {method for caller in callers for method, _ in caller.answered}
    assert kinds == {"GET", "POST", "PATCH"}
