"""`vnode` for real: two nodes in containers on one machine, as their owners run them."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pexpect
import pytest
from docker.errors import NotFound

from development import average
from development.bridge import address_for_containers, passing_on
from development.console import SetupError
from development.engine import ensure_engine
from development.federation import Federation, Hospital, run_command
from development.images import BASE, Image, ensure, of_this_checkout
from development.terminal import spawn
from vantage6.common import __version__
from vantage6.common.globals import DEFAULT_NODE_IMAGE
from vantage6.node.visibility import NOT_REACHABLE

pytestmark = pytest.mark.docker

COMMANDS = Path(sys.executable).parent
_SECONDS = 120
ORDINARY = 12345


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    client = ensure_engine()
    yield client
    client.close()


@dataclass(frozen=True)
class Registry:
    """A container of the house with a network of its own, and an image that asks it."""

    container: str
    image: str


LISTENS = """
import socket
listener = socket.create_server(("0.0.0.0", 5432))
while True:
    connection, _ = listener.accept()
    with connection:
        connection.sendall(b"12 patients")
"""
ASKS = """
import json, os, socket
with socket.create_connection(("registry", 5432), 20) as connection:
    text = b"".join(iter(lambda: connection.recv(100), b"")).decode()
with open(os.environ["OUTPUT_FILE"], "w") as file:
    file.write("json." + json.dumps(text))
"""


@pytest.fixture(scope="module")
def registry(engine) -> Iterator[Registry]:
    folder = Path(__file__).parents[2] / "vantage6-node" / "tests" / "runner" / "probe"
    image = ensure(Image("vantage6/test-probe:latest", folder, parent=BASE))
    name = f"vnode-test-registry-{secrets.token_hex(4)}"
    network = engine.networks.create(name, internal=True)
    try:
        container = engine.containers.run(
            image,
            name=name,
            network=name,
            environment={"PROGRAM": LISTENS},
            ports={"5432": None},
            detach=True,
        )
        yield Registry(name, image)
        container.remove(force=True)
    finally:
        network.remove()


@dataclass
class Owners:
    """The owners of two hospitals, whose nodes run in containers."""

    federation: Federation
    engine: docker.DockerClient
    paths: dict[str, Path] = field(default_factory=dict)

    def vnode(self, hospital: str, command: str, *words: str) -> str:
        """Run a command for the node of a hospital; what it prints."""
        return self._run(hospital, command, "-c", str(self.paths[hospital]), *words)

    def by_name(self, hospital: str, command: str, *words: str) -> str:
        """Run a command that looks for a running node by its name."""
        return self._run(hospital, command, "-n", self.paths[hospital].stem, *words)

    def _run(self, hospital: str, *words: str) -> str:
        prefix = as_ordinary_user() if hospital == "south" else []
        done = subprocess.run(
            [*prefix, COMMANDS / "vnode", *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def container(self, hospital: str) -> docker.models.containers.Container:
        return self.engine.containers.get(f"vantage6-{self.paths[hospital].stem}-user")

    def ask_south(self, image: str, question: dict) -> Any:
        """What an image answers at the south."""
        client = self.federation.client()
        (south,) = (
            one["id"] for one in client.organization.list()["data"] if one["name"] == "south"
        )
        task = client.task.create(
            collaboration=client.collaboration.list(scope="organization")[0]["id"],
            organizations=[south],
            name="ask",
            image=image,
            description="",
            input=question,
        )
        (answer,) = client.task.wait(task["id"], timeout=_SECONDS)
        return answer

    def seen(self, hospital: str) -> dict:
        """The entry of a node in the list, as programs read it."""
        listed = json.loads(run_command("vnode", "list", "--json"))
        found = [one for one in listed if one["name"] == self.paths[hospital].stem]
        return found[0] if found else {}

    def seen_by_server(self, hospital: str) -> dict:
        """The same, once the server was asked: it has seconds, which a busy machine may need."""
        while NOT_REACHABLE in (entry := self.seen(hospital))["server"].values():
            pass
        return entry

    def clean_up(self) -> None:
        """End what still runs, the nodes first: they would make more."""
        for hospital in self.paths:
            with suppress(NotFound):
                self.container(hospital).stop()
        for name in self.left():
            with suppress(NotFound):
                self.engine.containers.get(name).remove(force=True)

    def left(self) -> list[str]:
        """All containers that are or were the nodes', or their tasks'."""
        return [name for hospital in self.paths for name in self.left_of(hospital)]

    def left_of(self, hospital: str) -> list[str]:
        """Those of one hospital."""
        found = self.engine.containers.list(all=True, ignore_removed=True)
        return [one.name for one in found if self.paths[hospital].stem in one.name]


def as_ordinary_user() -> list[str]:
    """Where root runs the tests: words that have a command run as somebody else.

    Who may look into our checkout and the folders of the tests, wherever they are.
    """
    if os.geteuid() != 0:
        return []
    look = "+dac_read_search"
    who = ["--reuid", str(ORDINARY), "--regid", str(ORDINARY)]
    group = str(Path("/var/run/docker.sock").stat().st_gid)
    return ["setpriv", *who, "--groups", group, "--inh-caps", look, "--ambient-caps", look]


def give_away(folder: Path) -> None:
    """Give a folder and all that is in it to the ordinary user."""
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, ORDINARY, ORDINARY)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that others may go through, unlike those that pytest makes."""
    with tempfile.TemporaryDirectory(prefix="vnode-", ignore_cleanup_errors=True) as made:
        Path(made).chmod(0o711)
        yield Path(made)


@pytest.fixture(scope="module")
def owners(image, registry, hospitals, folder, engine) -> Iterator[Owners]:
    with of_this_checkout(DEFAULT_NODE_IMAGE) as node_image:
        members = [Hospital(one.name, one.database, {}) for one in hospitals[:2]]
        members[1].node_config.update(
            docker_services={"registry": registry.container}, algorithm_env={"PROGRAM": ASKS}
        )
        allowed = [f"^{one}$" for one in (image, registry.image)]
        federation = Federation(folder / "federation", members, allowed)
        federation.prepare()
        federation.folder.chmod(0o711)
        federation.start_server()
        found = Owners(federation, engine)
        try:
            with passing_on(address_for_containers(engine), federation.port) as port:
                for member in members:
                    member.node_config.update(
                        server_url="http://host.docker.internal",
                        port=port,
                        images={"node": node_image},
                    )
                    found.paths[member.name] = federation.write_node_config(member)
                    # One of each: the north is removed when it ends, and root's where we are
                    # root; the south is kept, and somebody else's.
                    keep = ["--keep"] if member is members[1] else []
                    if keep:
                        give_away(federation.home(member))
                    told = found.vnode(member.name, "start", "--json", *keep)
                    assert json.loads(told)["ready"], told
                yield found
        finally:
            found.clean_up()
            federation.stop()


def test_only_what_it_needs_is_mounted_and_allowed(owners: Owners) -> None:
    container = owners.container("north")
    path = owners.paths["north"]
    mounted = {one["Destination"]: (one["Source"], one["RW"]) for one in container.attrs["Mounts"]}
    home = owners.federation.folder / "north"
    assert mounted == {
        f"/mnt/config/{path.name}": (str(path), False),
        "/mnt/data": (str(home / "data"), True),
        "/mnt/log": (str(home / "log"), True),
        "/mnt/default.csv": (str(owners.federation.hospitals[0].database), False),
        "/mnt/private_key.pem": (str(home / "private_key.pem"), False),
        "/var/run/docker.sock": ("/var/run/docker.sock", False),
        **({"/mnt/ca.pem": (bundle(), False)} if bundle() else {}),
    }
    assert container.attrs["HostConfig"]["ReadonlyRootfs"] is True


def test_who_starts_it_runs_it_with_little_or_no_rights(owners: Owners) -> None:
    """Root keeps CHOWN, DAC_OVERRIDE and FOWNER; anybody else has nothing."""
    is_root = os.geteuid() == 0
    expected = {
        "north": (os.geteuid(), 0b1011 if is_root else 0),
        "south": (ORDINARY if is_root else os.geteuid(), 0),
    }
    for hospital, (uid, capabilities) in expected.items():
        _, text = owners.container(hospital).exec_run(["cat", "/proc/1/status"])
        found = dict(line.split(":\t", 1) for line in text.decode().splitlines())
        assert int(found["CapEff"], 16) == int(found["CapBnd"], 16) == capabilities
        assert set(found["Uid"].split()) == {str(uid)}
        assert found["NoNewPrivs"] == "1"


def bundle() -> str | None:
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    return next((os.environ[name] for name in names if os.environ.get(name)), None)


def test_names_and_labels(owners: Owners) -> None:
    labels = owners.container("south").labels
    assert labels["vantage6-type"] == "node"
    assert labels["name"] == owners.paths["south"].stem
    assert labels["system"] == "False"


def test_cve_2024_21653_A10_no_ssh_and_no_root_by_default(owners: Owners) -> None:  # noqa: N802
    container = owners.container("north")
    image = owners.engine.images.get(container.attrs["Config"]["Image"])
    assert image.attrs["Config"]["User"] not in ("", "root", "0", "0:0")
    assert container.exec_run(["sh", "-c", "command -v sshd dropbear"]).exit_code != 0
    assert not container.attrs["NetworkSettings"]["Ports"]


def test_a_refused_api_key_ends_it_with_the_reason(owners: Owners) -> None:
    """Kept as it is, it is not started again and again."""
    path = owners.paths["south"]
    owners.by_name("south", "stop")
    text = path.read_text()
    try:
        owners.vnode("south", "set-api-key", "--api-key", "another")
        with pytest.raises(AssertionError, match="does not accept the API key"):
            owners.vnode("south", "start", "--keep")
        assert owners.container("south").status == "exited"
    finally:
        path.write_text(text)
    assert json.loads(owners.vnode("south", "start", "--keep", "--json"))["ready"]


def test_both_answer_and_together_they_are_right(owners: Owners, image: str) -> None:
    client = owners.federation.client()
    task = client.task.create(
        collaboration=client.collaboration.list(scope="organization")[0]["id"],
        organizations=[client.whoami.organization_id],
        name="mean",
        image=image,
        description="",
        input=average.central_input(),
    )
    (answer,) = client.task.wait(task["id"], timeout=_SECONDS)
    expected = average.pooled_mean(owners.federation.hospitals)
    assert answer["average"] == pytest.approx(expected, rel=1e-12)


def test_list_tells_what_runs_and_what_the_server_sees(owners: Owners) -> None:
    for name in ("north", "south"):
        entry = owners.seen_by_server(name)
        assert (entry["status"], entry["server"]) == ("online", {"application": "online"})
    assert "Online" in run_command("vnode", "list")


def test_a_second_one_is_refused(owners: Owners) -> None:
    assert "is running already" in refused("vnode", "start", *path_of(owners, "north")[:2])


def test_version(owners: Owners) -> None:
    told = json.loads(owners.by_name("north", "version", "--json"))
    assert told == {"node": __version__, "cli": __version__}


def test_attach_shows_the_log_and_ctrl_c_leaves_the_node(owners: Owners) -> None:
    name = owners.paths["north"].stem
    person = spawn(COMMANDS / "vnode", ["attach", "-n", name], seconds=_SECONDS)
    person.expect("Logged in as node")
    person.sendintr()
    person.expect(f"The node runs on; stop it with: vnode stop --name {name} --user")
    person.expect(pexpect.EOF)
    assert person.wait() == 0
    assert owners.seen("north")["status"] == "online"


def test_a_node_that_docker_restarts_goes_on(owners: Owners, image: str) -> None:
    """It is kept: one that is removed at its end may be gone, by a race within the engine."""
    owners.container("south").restart()
    partial = owners.ask_south(image, average.partial_input())
    south = owners.federation.hospitals[1].database
    assert partial["count"] == len(south.read_text().splitlines()) - 1


def test_a_node_in_a_container_leads_to_a_container_of_the_house(
    owners: Owners, registry: Registry
) -> None:
    """It joins the network of that one, for which nobody else has a way, and leaves it."""
    assert owners.ask_south(registry.image, {"method": "any"}) == "12 patients"
    network = owners.engine.networks.get(registry.container)
    network.reload()
    names = {one["Name"] for one in network.attrs["Containers"].values()}
    assert names == {registry.container, owners.container("south").name}


def test_from_its_end_to_its_removal(owners: Owners) -> None:
    """One that is kept survives its end, and nothing of either is left behind at last."""
    assert "is running; stop it first" in refused("vnode", "remove", *path_of(owners, "north"))
    assert "Stopped the node" in owners.by_name("north", "stop")
    assert (owners.seen("north"), owners.left_of("north")) == ({}, [])
    owners.vnode("north", "start", "--keep")
    policy = owners.container("north").attrs["HostConfig"]["RestartPolicy"]["Name"]
    assert policy == "unless-stopped"
    owners.by_name("north", "stop", "--force")
    assert "No node 'north" in refused("vnode", "attach", "-n", owners.paths["north"].stem)
    assert owners.container("north").status == "exited"
    told = json.loads(owners.vnode("north", "remove", "--yes", "--json"))
    home = owners.federation.folder / "north"
    assert str(owners.paths["north"]) in told["removed"]
    assert str(home / "data" / "audit.jsonl") in told["kept"]
    assert owners.left_of("north") == []
    # The key is not the node's alone, nor are the folders that its owner chose.
    assert (home / "private_key.pem").exists()
    assert not list((home / "log").iterdir())
    assert all(path.name.startswith("audit.") for path in (home / "data").iterdir())
    assert owners.seen("south")["status"] == "online"
    owners.by_name("south", "stop")
    assert owners.left() == [owners.container("south").name]
    owners.vnode("south", "remove", "--yes")
    assert owners.left() == []


def path_of(owners: Owners, hospital: str) -> list[str]:
    return ["-c", str(owners.paths[hospital]), "--yes"]


def refused(*words: str) -> str:
    """What a command says that does not do it."""
    with pytest.raises(SetupError) as caught:
        run_command(*words)
    return str(caught.value)
