"""All parts together: from nothing to six nodes that are online, and back to nothing."""

import shutil
import tempfile
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from development import rabbitmq, second_engine, soak
from development.crash import files_of_runs, in_journal, left_behind, small_disk
from development.federation import API_PATH, LOOPBACK
from development.images import BASE, Image, ensure, ensure_relay_image
from development.second_engine import SecondEngine
from development.soak import database as databases
from development.soak import servers as serving
from development.soak.houses import House, Site, entities, prepare_houses, sites_of
from development.soak.links import Network
from development.soak.process import Part
from development.soak.servers import Servers
from development.soak.witness import Witness
from vantage6.client import Client
from vantage6.tools.local_federation.service import path_of

ALGORITHM = Image(
    "vantage6/test-sums:latest",
    Path(soak.__file__).parent / "algorithm",
    parent=BASE,
    packages=("vantage6-common",),
)
#: What is on a small disk, and how large that is.
DISKS = {"south-blue": "64m", "west-green": "64m", "database": "320m", "payloads": "96m"}
_CLIENTS = "clients"
# How containers call our loopback.
_WITNESS = "host-127-0-0-1"


@dataclass
class World:
    """See the module.

    Attributes
    ----------
    folder : Path
    network : Network
    engine : SecondEngine
    witness : Witness
    disks : dict
        Small ones, by what is on them.
    houses : list of House
    sites : dict
        By their names.
    servers : Servers
    nodes : dict
        By the names of their sites.
    """

    folder: Path
    network: Network
    engine: SecondEngine
    witness: Witness
    disks: dict[str, Path]
    houses: list[House]
    sites: dict[str, Site]
    servers: Servers
    nodes: dict[str, Part]

    def client(self, house: House) -> Client:
        """A client of the researcher of a house, over the link of clients."""
        client = Client(
            f"https://{LOOPBACK}",
            self.network.links[_CLIENTS].port,
            API_PATH,
            raise_errors=True,
            pins_file=house.folder / "pins.json",
            ca_file=self.servers.certificate.authority,
        )
        client.authenticate(house.name, house.password)
        client.setup_encryption(house.key)
        return client

    def watch(self, broken: Collection[str]) -> list[str]:
        """Start nodes that have ended by themselves, as whoever watches over them does.

        Parameters
        ----------
        broken : collection of str
            Parts that are down on purpose.

        Returns
        -------
        list of str
            Which those were, and their last words.
        """
        ended = [node for node in self.nodes.values() if not node.runs and node.name not in broken]
        said = [f"{node.name}: {node.last_words()}" for node in ended]
        for node in ended:
            node.start()
        return said

    def online(self) -> int:
        """How many nodes the server sees."""
        client: Any = self.client(self.houses[0])
        nodes = client.node.list(per_page=100)["data"]
        return sum(one["status"] == "online" for one in nodes)

    def unsettled(self) -> list[str]:
        """Nodes that have not taken up what there was at their last start, and runs in hand."""
        return [f"{name}: {one}" for name, site in self.sites.items() for one in _unsettled(site)]

    def remains(self) -> list[str]:
        """What there is of runs at nodes that have stopped, and all there is at the engine."""
        client = self.engine.client()
        try:
            own = [
                f"{name}: {one}"
                for name, site in self.sites.items()
                for one in left_behind(site.data, client)
            ]
            found: list[Any] = [
                *client.containers.list(all=True, ignore_removed=True),
                *client.networks.list(filters={"type": "custom"}),
                *client.volumes.list(),
            ]
            names = [str(one.name) for one in found]
        finally:
            client.close()
        return own + [f"engine: {name}" for name in names if not any(name in one for one in own)]


def _unsettled(site: Site) -> list[str]:
    waiting = [] if site.ready.exists() else ["not ready"]
    return [*waiting, *in_journal(site.data), *files_of_runs(site.data)]


@contextmanager
def built(seed: int, logs: Path) -> Iterator[World]:
    """A world whose nodes are not started yet; in the end all of it is gone.

    Parameters
    ----------
    seed : int
    logs : Path
        A folder for copies of what its processes have printed.
    """
    images = [ensure_relay_image(), ensure(ALGORITHM)]
    # The database runs as somebody else, who has to get to his files.
    folder = Path(tempfile.mkdtemp(prefix="v6-soak-"))
    folder.chmod(0o711)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        stack.callback(_keep_logs, folder, logs)
        disks = {
            name: stack.enter_context(small_disk(folder / "disks" / name, size))
            for name, size in DISKS.items()
        }
        # After the disks, which it would not see otherwise.
        engine = stack.enter_context(second_engine.prepared())
        engine.start("--live-restore")
        engine.load(images)
        network = stack.enter_context(Network.running())
        witness = stack.enter_context(Witness.listening())
        houses = prepare_houses(folder, seed)
        sites = {site.name: site for site in sites_of(houses, disks)}
        database = stack.enter_context(databases.made(disks["database"]))
        broker = stack.enter_context(rabbitmq.serve())
        servers = stack.enter_context(
            serving.running(
                folder,
                network,
                database,
                broker,
                disks["payloads"] / "store",
                entities(houses, list(sites.values())),
            )
        )
        network.link(_CLIENTS, lambda: servers.port)
        nodes = {
            name: _node(site, network, servers, engine, witness) for name, site in sites.items()
        }
        for node in nodes.values():
            stack.callback(_end, node)
        yield World(folder, network, engine, witness, disks, houses, sites, servers, nodes)


def _node(
    site: Site, network: Network, servers: Servers, engine: SecondEngine, witness: Witness
) -> Part:
    link = network.link(site.name, lambda: servers.port)
    config = site.write_config(
        port=link.port,
        connection={"ca_file": str(servers.certificate.authority)},
        allowed_images=[f"^{ALGORITHM.tag}$"],
        allowed_destinations=[f"{LOOPBACK}:{witness.port}"],
        algorithm_env={
            "SOAK_NODE": site.name,
            "SOAK_WITNESS": _WITNESS,
            "SOAK_WITNESS_PORT": str(witness.port),
        },
    )
    command = ["env", f"DOCKER_HOST={engine.address}", path_of("vnode-local"), "start"]
    command += ["--config", str(config), "--ready-file", str(site.ready)]

    def start_anew() -> list[str]:
        site.ready.unlink(missing_ok=True)
        return command

    return Part(site.name, start_anew, site.house.folder)


def _end(node: Part) -> None:
    if node.runs:
        node.ask_to_stop()
        node.wait_for_end()


def _keep_logs(folder: Path, logs: Path) -> None:
    logs.mkdir(parents=True, exist_ok=True)
    for path in folder.glob("**/*.out"):
        shutil.copy(path, logs)
