"""What a server costs while many sockets are connected and many requests wait.

`python -m development.sockets_load URL --pid PID` prints the figures of a server that runs, and
leaves users and a task of its own there. Other benchmarks call `measure` and `Memory`.
"""

import argparse
import asyncio
import base64
import json
import os
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil
import requests

from development.load.crowd import allow_many_files

# Below what a server allows one user.
EACH = 90
# How many connections are opened at the same time.
AT_ONCE = 100
_SECONDS = 120.0
_MEGABYTE = 1024**2


@dataclass(frozen=True)
class Memory:
    """Memory of a process and its children, in MB."""

    resident: float
    proportional: float
    threads: int

    @classmethod
    def of(cls, pid: int) -> "Memory":
        """What a server uses now."""
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        infos = [process.memory_full_info() for process in family]
        return cls(
            resident=round(sum(info.rss for info in infos) / _MEGABYTE, 1),
            proportional=round(sum(info.pss for info in infos) / _MEGABYTE, 1),
            threads=sum(process.num_threads() for process in family),
        )


@dataclass(frozen=True)
class Figures:
    """What was measured; seconds, MB, percent of one core, requests per second."""

    sockets: int
    waiting: int
    idle: Memory
    loaded: Memory
    seconds_to_connect: float
    seconds_to_wait: float
    idle_cpu_percent: float
    requests_per_second: float
    median_ms: float
    p95_ms: float


@dataclass(frozen=True)
class Stage:
    """What the load needs on a server: some users who are logged in, and a task that waits."""

    tokens: Sequence[str]
    task_id: int

    def token(self, number: int) -> str:
        """The token for the connection with this number."""
        return self.tokens[number % len(self.tokens)]


def set_up(url: str, token: str, users: int) -> Stage:
    """Make users and a task by the API, as somebody who may do everything."""
    with requests.Session() as http:
        http.headers["Authorization"] = f"Bearer {token}"

        def post(path: str, body: dict[str, Any]) -> dict[str, Any]:
            answer = http.post(f"{url}/api/{path}", json=body, timeout=_SECONDS)
            assert answer.ok, answer.text
            made: dict[str, Any] = answer.json()
            return made

        def get(path: str) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = http.get(f"{url}/api/{path}", timeout=_SECONDS).json()
            return rows

        mark = secrets.token_hex(4)
        organization = get("organization")[0]["id"]
        role = next(role["id"] for role in get("role") if role["name"] == "Root")
        collaboration = post(
            "collaboration",
            {"name": f"load-{mark}", "organization_ids": [organization], "encrypted": False},
        )["id"]
        post("node", {"collaboration_id": collaboration, "organization_id": organization})
        task = post(
            "task",
            {
                "name": "load",
                "image": "registry.example/load:1",
                "collaboration_id": collaboration,
                "organizations": [
                    {"id": organization, "input": base64.b64encode(b"json.{}").decode()}
                ],
            },
        )["id"]
        tokens = []
        for number in range(users):
            login = {"username": f"load-{mark}-{number}", "password": f"Aa1!{secrets.token_hex(8)}"}
            names = {"firstname": "Load", "lastname": "Test", "email": f"{login['username']}@x.org"}
            post("user", {**login, **names, "organization_id": organization, "roles": [role]})
            tokens.append(post("token/user", login)["access_token"])
        return Stage(tokens, task)


def log_in(url: str, username: str, password: str) -> str:
    """An access token."""
    body = {"username": username, "password": password}
    answer = requests.post(f"{url}/api/token/user", json=body, timeout=_SECONDS)
    answer.raise_for_status()
    token: str = answer.json()["access_token"]
    return token


class Connection:
    """A connection that speaks just enough HTTP and websocket to be a load."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, url: str) -> "Connection":
        """Connect to the server at a URL."""
        parts = urlsplit(url)
        return cls(*await asyncio.open_connection(parts.hostname, parts.port, limit=2**20))

    async def ask(self, path: str, token: str, **headers: str) -> None:
        """Send a GET."""
        lines = [f"GET {path} HTTP/1.1", "Host: load", f"Authorization: Bearer {token}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self._writer.write("\r\n".join([*lines, "", ""]).encode())
        await self._writer.drain()

    async def answer(self) -> int:
        """Read an answer to its end; its status."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"content-length: " in head:
            length = int(head.split(b"content-length: ", 1)[1].split(b"\r\n", 1)[0])
            await self._reader.readexactly(length)
        return status

    async def become_socket(self, token: str) -> None:
        """Connect to /tasks with a websocket, as a node does."""
        key = base64.b64encode(os.urandom(16)).decode()
        await self.ask(
            "/socket.io/?EIO=4&transport=websocket",
            token,
            Connection="Upgrade",
            Upgrade="websocket",
            Sec_WebSocket_Key=key,
            Sec_WebSocket_Version="13",
        )
        status = await self.answer()
        assert status == 101, status
        await self.hear("0{")
        self.say("40/tasks,")
        await self.hear("40/tasks,")

    def say(self, text: str) -> None:
        """Send a short text message."""
        payload, mask = text.encode(), os.urandom(4)
        masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))
        self._writer.write(bytes([0x81, 0x80 | len(payload)]) + mask + masked)

    async def hear(self, start: str) -> str:
        """The next message that starts so; answers the pings before it."""
        while True:
            text = await self._message()
            if text == "2":
                self.say("3")
            assert not text.startswith("44"), text
            if text.startswith(start):
                return text

    async def hear_forever(self) -> None:
        """Answer pings until the connection ends."""
        await self.hear("\0")

    def close(self) -> None:
        """Hang up."""
        self._writer.close()

    async def _message(self) -> str:
        _, length = await self._reader.readexactly(2)
        if length == 126:
            length = int.from_bytes(await self._reader.readexactly(2), "big")
        return (await self._reader.readexactly(length)).decode()


async def load(
    url: str, stage: Stage, pid: int, *, sockets: int, waiting: int, seconds: float
) -> Figures:
    """Connect, wait, ask, and say what it took."""
    idle = Memory.of(pid)
    async with AsyncExitStack() as stack:

        async def open_one() -> Connection:
            connection = await Connection.open(url)
            stack.callback(connection.close)
            return connection

        async def connect(number: int) -> Connection:
            connection = await open_one()
            await connection.become_socket(stage.token(number))
            return connection

        async def wait(number: int) -> Connection:
            connection = await open_one()
            await connection.ask(f"/api/task/{stage.task_id}?wait=60", stage.token(number))
            return connection

        began = time.monotonic()
        connected = await _many(sockets, connect)
        seconds_to_connect = time.monotonic() - began
        async with _listening(connected):
            began = time.monotonic()
            await _many(waiting, wait)
            # Connections are taken in turn: all have been taken once this is answered.
            asking = await open_one()
            await _timed(asking, stage.token(0))
            seconds_to_wait = time.monotonic() - began
            loaded, busy = await _rest(pid, seconds)
            times = await _ask_again_and_again(asking, stage.token(0), seconds)
    return Figures(
        sockets=sockets,
        waiting=waiting,
        idle=idle,
        loaded=loaded,
        seconds_to_connect=round(seconds_to_connect, 2),
        seconds_to_wait=round(seconds_to_wait, 2),
        idle_cpu_percent=round(busy, 1),
        requests_per_second=round(len(times) / seconds, 1),
        median_ms=round(median(times) * 1000, 2),
        p95_ms=round(sorted(times)[int(len(times) * 0.95)] * 1000, 2),
    )


@asynccontextmanager
async def _listening(connected: list[Connection]) -> AsyncIterator[None]:
    """Keep sockets alive meanwhile; an error when one of them has ended by itself."""
    listening = [asyncio.create_task(one.hear_forever()) for one in connected]
    yield
    for task in listening:
        assert not task.done(), task.exception()
        task.cancel()


async def _rest(pid: int, seconds: float) -> tuple[Memory, float]:
    """The memory of a server that nobody asks anything, and how busy it is, in percent."""
    await asyncio.sleep(2)
    loaded, before = Memory.of(pid), _cpu(pid)
    await asyncio.sleep(seconds)
    return loaded, (_cpu(pid) - before) / seconds * 100


async def _ask_again_and_again(asking: Connection, token: str, seconds: float) -> list[float]:
    """How long each request took, of as many as there is time for."""
    times: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        times.append(await _timed(asking, token))
    return times


def measure(
    url: str, token: str, pid: int, *, sockets: int = 1000, waiting: int = 1000, seconds: float = 10
) -> Figures:
    """Measure a server that runs; with the token of somebody who may do everything."""
    allow_many_files(2 * (sockets + waiting))
    stage = set_up(url, token, max(sockets, waiting) // EACH + 1)
    return asyncio.run(load(url, stage, pid, sockets=sockets, waiting=waiting, seconds=seconds))


def memory_growth(url: str, token: str, pid: int, *, count: int = 10_000) -> tuple[Memory, Memory]:
    """Memory before and after many requests."""
    asyncio.run(_repeat(url, token, 200))
    before = Memory.of(pid)
    asyncio.run(_repeat(url, token, count))
    return before, Memory.of(pid)


async def _repeat(url: str, token: str, count: int) -> None:
    connection = await Connection.open(url)
    for _ in range(count):
        await _timed(connection, token)
    connection.close()


async def _timed(connection: Connection, token: str) -> float:
    began = time.perf_counter()
    await connection.ask("/api/task?page=1&per_page=10", token)
    status = await connection.answer()
    assert status == 200, status
    return time.perf_counter() - began


async def _many(count: int, make: Callable[[int], Awaitable[Connection]]) -> list[Connection]:
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> Connection:
        async with turn:
            return await make(number)

    return await asyncio.gather(*(one(number) for number in range(count)))


def _cpu(pid: int) -> float:
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return sum(sum(process.cpu_times()[:2]) for process in family)


def main() -> None:
    """Measure, and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--username", default="root")
    parser.add_argument("--password", default="root")
    parser.add_argument("--sockets", type=int, default=1000)
    parser.add_argument("--waiting", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=10)
    given = parser.parse_args()
    token = log_in(given.url, given.username, given.password)
    figures = measure(
        given.url,
        token,
        given.pid,
        sockets=given.sockets,
        waiting=given.waiting,
        seconds=given.seconds,
    )
    before, after = memory_growth(given.url, token, given.pid)
    print(json.dumps({**asdict(figures), "before": asdict(before), "after": asdict(after)}))


if __name__ == "__main__":
    main()
