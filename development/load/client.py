"""Simulated clients: they ask for tasks, and wait for answers."""

import asyncio
import base64
import contextlib
import random
from collections.abc import Iterable
from typing import Any

from development.load.http import Address, Caller
from development.load.websocket import Events

INPUT = base64.b64encode(b'json.{"method": "sum"}').decode()
IMAGE = "registry.example/sum:1"
# As long as ours, which has waited for minutes already, waits for news before it looks without;
# and as long as it lets one long request take.
LOOK_SECONDS = 300.0
LONG_POLL_SECONDS = 30.0


class Client:
    """A user who is logged in.

    Parameters
    ----------
    address : Address
    token : str, optional
        Of somebody who has logged in already.
    """

    def __init__(self, address: Address, token: str = "") -> None:
        self.http = Caller(address)
        self.http.token = token

    async def log_in(self, username: str, password: str) -> None:
        """Log in with a password."""
        login = {"username": username, "password": password}
        self.http.token = (await self.http.call("POST", "/token/user", login))["access_token"]

    async def ask(
        self, collaboration: int, organizations: Iterable[int], **more: Any
    ) -> dict[str, Any]:
        """Make a task; the answer of the server."""
        body = {
            "name": "load",
            "image": IMAGE,
            "collaboration_id": collaboration,
            "organizations": [{"id": id_, "input": INPUT} for id_ in organizations],
            **more,
        }
        made: dict[str, Any] = await self.http.call("POST", "/task", body)
        return made

    async def is_complete(self, task_id: int, wait: float = 0) -> bool:
        """Whether a task has ended; asked with patience, once it has or that time is over."""
        query = f"?wait={wait:g}" if wait else ""
        task = await self.http.call("GET", f"/task/{task_id}{query}")
        return bool(task["complete"])

    async def wait_with_socket(self, task_id: int) -> None:
        """Wait for the end of a task as our client does: by news, and a look now and then."""
        events = await Events.connect(self.http.address, self.http.token)
        news = asyncio.Event()

        def on_event(name: str, payload: Any) -> None:
            if name == "status_update" and payload.get("task_id", task_id) == task_id:
                news.set()

        listening = asyncio.create_task(events.listen(on_event))
        # Of many who wait each is somewhere else on its way to the next look.
        pause = random.uniform(0, LOOK_SECONDS)
        try:
            while not await self.is_complete(task_id):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), pause)
                news.clear()
                pause = LOOK_SECONDS
        finally:
            listening.cancel()
            events.cut()

    async def wait_with_long_polls(self, task_id: int) -> None:
        """Wait for the end of a task where no socket can be had."""
        while not await self.is_complete(task_id, LONG_POLL_SECONDS):
            continue

    def close(self) -> None:
        """Hang up."""
        self.http.close()
