"""What can go wrong with a world, and how each of it is put right again."""

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from development.console import SetupError
from development.crash import fill
from development.soak.links import Link
from development.soak.process import Part
from development.soak.world import World

_POLL_SECONDS = 0.1
_READY_SECONDS = 180.0
# How far clocks are moved. Servers that share a database are kept together by their operator;
# a hospital's machine may be anywhere.
_CLOCK_OF_NODE = 3 * 3600
_CLOCK_OF_REPLICA = 90
_RATES = (1.0, 1.0, 0.9, 1.2)
_LONGEST_DELAY = 0.5
#: What runs may give as the reason of their failure while something is broken, and what clients
#: may be told: runs end with their engine, and without room neither an algorithm can write its
#: answer nor the server keep a payload.
EXPLAINS = {
    # Of a container that ended meanwhile an engine does not know how, and says 255.
    "engine killed": ("may have run", "ended with exit code 255"),
    "engine lost its power": ("ended with exit code", "The container vanished", "may have run"),
    "disk of a node full": ("disk of this node is nearly full", "No space left on device"),
    "disk of the payloads full": ("There is no space for", "no space left in the payload store"),
}
_ENGINE_OPTION = "--live-restore"


@dataclass(frozen=True)
class Fault:
    """One thing that can go wrong.

    Attributes
    ----------
    kind : str
        Under which it is counted.
    part : str
        What it concerns; to each part one thing happens at a time.
    inject, mend : callable
    seconds : tuple of float
        How long it lasts at least, and at most.
    """

    kind: str
    part: str
    inject: Callable[[], object]
    mend: Callable[[], object]
    seconds: tuple[float, float]

    def within(self, longest: float) -> "Fault":
        """The same, lasting no longer than this."""
        least, most = self.seconds
        return replace(self, seconds=(min(least, longest), min(most, longest)))


def catalogue(world: World, chance: random.Random) -> list[Fault]:
    """All that can happen to a world.

    Parameters
    ----------
    world : World
    chance : random.Random
        For what differs from time to time.
    """
    return [
        *_nodes(world),
        *_replicas(world),
        *_engine(world),
        *_behind(world),
        *_links(world, chance),
        *_clocks(world, chance),
        *_disks(world),
    ]


def _nodes(world: World) -> Iterator[Fault]:
    for name, node in world.nodes.items():
        yield Fault("node killed", name, node.kill, node.start, (0, 5))
        yield Fault("node restarted", name, partial(_stop, node), node.start, (0, 3))


def _replicas(world: World) -> Iterator[Fault]:
    replicas = world.servers.replicas
    for replica in replicas:
        yield Fault("replica killed", "replicas", replica.kill, _starter(world, replica), (0, 8))

    def roll() -> None:
        for replica in replicas:
            _stop(replica)
            _starter(world, replica)()

    yield Fault("rolling restart", "replicas", roll, lambda: None, (0, 1))


def _starter(world: World, replica: Part) -> Callable[[], None]:
    def is_ready() -> bool:
        # As whoever watches over it does: it ends where the database is away when it starts.
        if not replica.runs:
            replica.start()
        return world.servers.is_ready(replica)

    def start() -> None:
        wait_until(is_ready, f"{replica.name} did not come back")

    return start


def _engine(world: World) -> Iterator[Fault]:
    engine = world.engine

    def start() -> None:
        engine.start(_ENGINE_OPTION)

    yield Fault("engine killed", "engine", engine.kill, start, (1, 8))
    yield Fault("engine lost its power", "engine", engine.lose_power, start, (1, 8))


def _behind(world: World) -> Iterator[Fault]:
    database, broker = world.servers.database.server, world.servers.broker
    proxy = world.servers.proxy
    yield Fault("database killed", "database", database.kill, world.servers.database.revive, (0, 8))
    yield Fault("broker killed", "broker", broker.kill, broker.start, (0, 8))
    yield Fault("proxy killed", "proxy", proxy.kill, proxy.start, (0, 8))


def _links(world: World, chance: random.Random) -> Iterator[Fault]:
    for link in world.network.links.values():
        part = f"link {link.name}"
        yield Fault("connections reset", part, link.reset, link.mend, (0, 0))
        yield Fault("link cut", part, link.cut, link.mend, (1, 12))
        yield Fault("link silent", part, link.swallow, link.mend, (2, 20))
        yield Fault("link slow", part, _delayer(link, chance), link.mend, (2, 10))


def _delayer(link: Link, chance: random.Random) -> Callable[[], None]:
    return lambda: link.delay(chance.uniform(0.05, _LONGEST_DELAY))


def _clocks(world: World, chance: random.Random) -> Iterator[Fault]:
    def mover(part: Part, most: int) -> Callable[[], None]:
        return lambda: part.clock.set(chance.randint(-most, most), chance.choice(_RATES))

    parts = [("node", part, _CLOCK_OF_NODE) for part in world.nodes.values()]
    parts += [("replica", part, _CLOCK_OF_REPLICA) for part in world.servers.replicas]
    for kind, part, most in parts:
        moved = mover(part, most)
        yield Fault(
            f"clock of a {kind} moved",
            f"clock {part.name}",
            moved,
            partial(part.clock.set, 0),
            (5, 20),
        )


def _disks(world: World) -> Iterator[Fault]:
    for name, disk in world.disks.items():
        kind = "disk of a node full" if name in world.nodes else f"disk of the {name} full"
        yield Fault(kind, name, partial(fill, disk), partial(_free, world, name), (2, 12))


def _free(world: World, name: str) -> None:
    (world.disks[name] / "filler").unlink()
    if name == "database":
        world.servers.database.revive()


def _stop(part: Part) -> None:
    part.ask_to_stop()
    part.wait_for_end()


def wait_until(condition: Callable[[], bool], failure: str) -> None:
    """Wait for a condition; SetupError when it takes too long."""
    end = time.monotonic() + _READY_SECONDS
    while not condition():
        if time.monotonic() > end:
            raise SetupError(f"{failure} within {_READY_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
