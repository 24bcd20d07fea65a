"""A simulated node: all of one but the container."""

import asyncio
import base64
import random
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from development.load.book import Book
from development.load.http import LOST, Address, Caller, Refused
from development.load.websocket import Events
from vantage6.common import jwt
from vantage6.common.retry import Backoff

#: What the server is told came out of a run.
ANSWER = base64.b64encode(b'json.{"sum": 42}').decode()
#: How many runs a node has in hand at once: the least that ours has by default.
PLACES = 4
# How many, where it keeps them open.
_HELD = 100


class Node:
    """Logs in, listens, fetches its runs, reports on them, and comes back when it was cut off.

    Takes as many runs as it has places for in one call where the server says that it can, and one
    after the other in the calls of the classic line where it does not.

    Parameters
    ----------
    address : Address
    api_key : str
    book : Book
        Where it writes down what it sees.
    holds : bool
        Whether it keeps its runs open until they are killed.
    classic : bool
        Whether it uses the calls of the classic line alone.
    """

    def __init__(
        self,
        address: Address,
        api_key: str,
        book: Book,
        *,
        holds: bool = False,
        classic: bool = False,
    ) -> None:
        self._api_key, self._book = api_key, book
        self._holds, self._classic = holds, classic
        self.name = f"node {api_key[:8]}"
        self.id = 0
        self._http = Caller(address)
        self._claim = secrets.token_hex(8)
        self._takes = self._confirms = False
        self._events: Events | None = None
        self._backoff = Backoff(limit=30)
        # Errands are ids of tasks, None for whatever there is, and below 0 ids of killed runs.
        self._work: asyncio.Queue[int | None] = asyncio.Queue()
        self._held: dict[int, dict[str, Any]] = {}
        self._is_over = False

    async def log_in(self) -> None:
        """Show the API key, and learn what the server can do."""
        self._http.token = ""
        version = await self._http.call("GET", "/version")
        if not self._classic:
            self._takes = bool(version.get("take"))
            # Only ours has these two, and only it knows that killed runs may go on.
            self._confirms = "idempotency_keys" in version
        answer = await self._http.call("POST", "/token/node", {"api_key": self._api_key})
        self._http.token = answer["access_token"]
        self.id = int(jwt.subject(self._http.token))

    async def run(self) -> None:
        """Be a node until `close`: connected, or on the way back."""
        working = asyncio.create_task(self._keep_working())
        try:
            while not self._is_over:
                await self._stay_connected()
                if not self._is_over:
                    await asyncio.sleep(self._backoff.pause())
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            self._http.close()

    def container_token(self) -> str:
        """A token of a container that it has running; it has to hold its runs."""
        return str(next(run["container_token"] for run in self._held.values()))

    def cut(self) -> None:
        """Lose the connections, as when a network goes away."""
        if self._events:
            self._events.cut()
        self._http.close()

    def close(self) -> None:
        """Be one no more."""
        self._is_over = True
        self.cut()

    async def _stay_connected(self) -> None:
        try:
            if not self._http.token:
                await self.log_in()
            self._events = await Events.connect(self._http.address, self._http.token)
            # Whatever came while we did not listen.
            self._work.put_nowait(None)
            await self._events.listen(self._on_event)
        except Refused as error:
            self._book.note_refusal(error.status, str(error))
            if error.status == 401:
                self._http.token = ""
        except LOST as error:
            self._book.lost += 1
            self._book.reasons.append(f"connection: {error!r}")
        finally:
            self._book.note_connection(self.name, there=False)
            if self._events:
                self._events.cut()
                self._events = None

    def _on_event(self, name: str, payload: Any) -> None:
        if name == "new_task":
            self._work.put_nowait(payload)
        elif name == "kill_containers":
            killed = {run["result_id"] for run in payload["kill_list"]}
            for result_id in killed & self._held.keys():
                self._work.put_nowait(-result_id)

    async def _keep_working(self) -> None:
        while True:
            errand = await self._work.get()
            try:
                await self._do(errand)
            except Refused as error:
                self._book.note_refusal(error.status, str(error))
                if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
                    await self._repeat(errand)
            except LOST as error:
                self._book.lost += 1
                self._book.reasons.append(f"work: {error!r}")
                # The connection for events ends as well, and with the next one all is fetched.
                await self._repeat(errand)

    async def _repeat(self, errand: int | None) -> None:
        """Do it again, a moment later."""
        await asyncio.sleep(random.uniform(0, 1))
        self._work.put_nowait(errand)

    async def _do(self, errand: int | None) -> None:
        if errand is not None and errand < 0:
            await self._stop(-errand)
            return
        await self._fetch(errand)
        if errand is None and self._events:
            # Now it is as if it had never been away.
            self._backoff.reset()
            self._book.note_connection(self.name, there=True)

    async def _fetch(self, task_id: int | None) -> None:
        """Get what there is to do, of one task where the server gives no more, and do it."""
        if not self._takes:
            await self._do_runs(await self._take_in_steps(task_id))
            return
        limit = _HELD if self._holds else PLACES
        is_more = True
        while is_more:
            self._forget_news()
            taken = await self._take(limit)
            await self._do_runs(taken)
            is_more = len(taken) >= limit

    def _forget_news(self) -> None:
        """Forget the tasks of which we heard: the next question is about all of them."""
        errands = [self._work.get_nowait() for _ in range(self._work.qsize())]
        for errand in errands:
            if errand is None or errand < 0:
                self._work.put_nowait(errand)

    async def _do_runs(self, runs: Sequence[dict[str, Any]]) -> None:
        for run in runs:
            self._book.note(self._book.taken, run["id"])
            if self._holds:
                self._held[run["id"]] = run
            else:
                await self._end(run)

    async def _take(self, limit: int) -> list[dict[str, Any]]:
        # What was given to us and is not named comes again: its answer was lost.
        body = {"claim": self._claim, "limit": limit, "held": list(self._held)}
        taken: list[dict[str, Any]] = await self._http.call("POST", "/claim/take", body)
        return self._new(taken)

    async def _take_in_steps(self, task_id: int | None) -> list[dict[str, Any]]:
        query = f"/result?state=open&include=task&node_id={self.id}"
        if task_id is not None:
            query += f"&task_id={task_id}"
        runs = self._new(_rows(await self._http.call("GET", query)))
        for run in runs:
            started = {"started_at": _now()}
            if self._confirms:
                started |= {"status": "initializing", "claim": self._claim}
            await self._http.call("PATCH", f"/result/{run['id']}", started)
            asked = {"task_id": run["task"]["id"], "image": run["task"]["image"]}
            run |= await self._http.call("POST", "/token/container", asked)
        return runs

    def _new(self, runs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that we do not have already."""
        self._book.twice += [run["id"] for run in runs if run["id"] in self._book.ended]
        return [run for run in runs if run["id"] not in self._held]

    async def _end(self, run: dict[str, Any]) -> None:
        report: dict[str, Any] = {"finished_at": _now(), "result": ANSWER, "log": "done"}
        if self._confirms:
            report |= {"status": "completed", "claim": self._claim}
        await self._http.call("PATCH", f"/result/{run['id']}", report)
        self._book.note(self._book.ended, run["id"])

    async def _stop(self, result_id: int) -> None:
        """Tell that nothing is left of a killed run."""
        if self._held.pop(result_id, None) is None:
            return
        if self._confirms:
            body = {"claim": self._claim, "stopped": True}
            await self._http.call("PATCH", f"/result/{result_id}", body)
        self._book.note(self._book.stopped, result_id)


def _now() -> str:
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _rows(page: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = page["data"] if isinstance(page, dict) else page
    return rows
